"""Rejections and temperatures: closed forms, brute force, and promises by exact distributions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binom, binomtest, norm
from zoo import CASES, blobs

import protozoo as pz
from protozoo import trust
from protozoo.evaluation import reject_curve
from protozoo.trust import _selective


#: Half the distance of two Gaussian classes of variance one, whose Bayes error is 10 %.
HALF = float(norm.isf(0.1))
N = 400


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = rng.normal(size=(n, 2))
    x[:, 0] += np.where(y == 1, HALF, -HALF)
    return x.astype(np.float32), y


def posterior(variance: float = 1.0) -> pz.PrototypeModel:
    """The true posterior, if the variance is one: log-odds 2·HALF·x. Otherwise it is not as sure
    as it is right."""
    centres = pz.Prototypes(np.array([[-HALF, 0.0], [HALF, 0.0]]), [0, 1])
    return pz.PrototypeModel(centres, pz.metrics.SquaredEuclidean(), pz.losses.RSLVQ(variance))


def three() -> tuple[pz.PrototypeModel, np.ndarray, np.ndarray]:
    """Three overlapping classes, decided by distance: no posterior."""
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=N)
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.2]])
    x = (centres[y] + rng.normal(size=(N, 2))).astype(np.float32)
    model = pz.PrototypeModel(
        pz.Prototypes(centres, [0, 1, 2]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    return model.named(classes=["a", "b", "c"]), x, y


def decided(model: pz.PrototypeModel) -> Any:
    """What the wrapper put around the loss."""
    return model.decision


# Temperature.


def test_the_temperature_is_the_most_likely_one():
    model, x, y = three()
    scores = np.log(np.asarray(model.predict_proba(x), float))

    def nll(log_t):
        s = scores / np.exp(log_t)
        return np.sum(logsumexp(s, axis=1) - s[np.arange(N), y])

    best = minimize_scalar(nll, (-1.0, 1.0), tol=1e-12)
    found = trust.tempered(model, x, y)
    np.testing.assert_allclose(decided(found).temperature, np.exp(best.x), rtol=1e-5)
    np.testing.assert_array_equal(found.predict(x), model.predict(x))
    expected = scores / np.exp(best.x)
    expected = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
    np.testing.assert_allclose(found.predict_proba(x), expected, rtol=1e-4)
    anew = trust.tempered(found, x, y)
    np.testing.assert_allclose(decided(anew).temperature, decided(found).temperature)


@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
def test_a_temperature_finds_the_posterior_again(variance):
    """The posterior of another variance is the true one at the temperature 1/variance; the estimate
    of β differs from the truth by what Fisher's information allows."""
    x, y = drawn(N, 0)
    model = trust.tempered(posterior(variance), x, y)
    s = 2 * HALF * x[:, 0].astype(float)
    p = 1 / (1 + np.exp(-s))
    error = 1 / np.sqrt(np.sum(p * (1 - p) * s**2))  # of β for the true scores, which is one
    beta = 1 / (float(decided(model).temperature) * variance)
    assert abs(beta - 1) < 4 * error
    before, after = (pz.evaluate(m, x, y) for m in (posterior(variance), model))
    assert after.log_loss <= before.log_loss and after.accuracy == before.accuracy
    assert variance == 1 or after.calibration_error < before.calibration_error


def test_where_no_temperature_is_the_best_one():
    model, (x, y) = posterior(), drawn(N, 1)
    right = np.asarray(model.predict(x))
    with pytest.raises(ValueError, match=f"errs on none of the {N} samples of `x`"):
        trust.tempered(model, x, right)
    with pytest.raises(ValueError, match="no better than chance"):
        trust.tempered(model, x, 1 - right)
    with pytest.raises(ValueError, match="`y` has class 2"):
        trust.tempered(model, x, y + 1)
    rejecting = trust.reject_by_cost(model, x, y, 0.2)
    with pytest.raises(ValueError, match="rejects already"):
        trust.tempered(rejecting, x, y)


# By cost.


@pytest.mark.parametrize("variance", [1.0, 4.0])
def test_rejecting_by_cost_is_chows_rule(variance):
    """Of two Gaussians, it rejects |x| < log((1-d)/d) / (2 HALF), whose cost is known."""
    cost, (x, y), (new, truth) = 0.2, drawn(N, 2), drawn(20 * N, 3)
    model = trust.reject_by_cost(posterior(variance), x, y, cost)
    edge = np.log((1 - cost) / cost) / (2 * HALF)
    temperature = float(decided(model).decision.temperature) * variance
    own = edge * temperature  # where this model's estimate has it
    sure = np.abs(np.abs(new[:, 0]) - own) > 1e-4
    label = np.asarray(model.predict(new))
    np.testing.assert_array_equal((label == 2)[sure], (np.abs(new[:, 0]) < own)[sure])

    def costs(border):
        """An error is kept below -border, of the class at +HALF."""
        rejected = norm.cdf(border - HALF) - norm.cdf(-border - HALF)
        return norm.cdf(-border - HALF) + cost * rejected

    paid = np.where(label == 2, cost, label != truth)
    assert abs(paid.mean() - costs(own)) < 4 * paid.std() / np.sqrt(len(new))
    every = costs(np.linspace(0, 3, 301))
    assert costs(edge) <= every.min() + 1e-9 < 0.1  # Chow's rule costs least: less than the error
    assert costs(own) < costs(edge) + 0.002


def test_borders_of_classes_cost_least_on_the_samples():
    model, x, y = three()
    cost = 0.3
    found = trust.reject_by_cost(model, x, y, cost, per_class=True)
    label, plain = np.asarray(found.predict(x)), np.asarray(model.predict(x))
    best, sure = (np.asarray(a) for a in trust.tempered(model, x, y).ask(_selective._certainty, x))
    np.testing.assert_array_equal(best, plain)
    for k in range(3):
        s, wrong = sure[best == k], (y != best)[best == k]
        borders = [-np.inf, *np.sort(s) + 1e-6]
        least = min(np.sum(wrong[s >= b]) + cost * np.sum(s < b) for b in borders)
        mine = label[best == k]
        paid = np.sum(wrong[mine == k]) + cost * np.sum(mine == 3)
        np.testing.assert_allclose(paid, least)
    chow = np.asarray(trust.reject_by_cost(model, x, y, cost).predict(x))
    assert np.where(label == 3, cost, label != y).mean() <= (
        np.where(chow == 3, cost, chow != y).mean()
    )


# By risk.


def brute(sure, wrong, risk, delta):
    """How many of the surest samples are kept, by tests one after the other."""
    order, kept, n = np.argsort(-sure), 0, len(sure)
    three = next(m for m in range(1, 10**4) if binom.cdf(3, m, risk) <= delta)
    for m in range(min(three, n // 2), n + 1):
        if (1 - risk) ** m > delta:
            continue
        if binomtest(int(wrong[order[:m]].sum()), m, risk, "less").pvalue > delta:
            break
        kept = m
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_the_border_is_that_of_the_tests_in_their_order(seed):
    rng = np.random.default_rng(seed)
    sure = rng.normal(size=150)
    wrong = rng.uniform(size=150) < 0.4 / (1 + np.exp(2 * sure))
    border = _selective._border(sure, wrong, _selective._passing(0.1, 0.2), _selective.BEYOND)
    assert np.sum(sure >= border) == brute(sure, wrong, 0.1, 0.2)


def test_the_risk_is_kept_as_often_as_was_promised():
    """Two Gaussians, of which the risk at each border is known; the promise may be broken with
    probability δ, no more often, and not much more rarely: then less would be answered."""
    risk, delta, repeats, n = 0.05, 0.1, 1000, 1000
    passing, rng = _selective._passing(risk, delta), np.random.default_rng(0)
    broken, answered = 0, []
    for _ in range(repeats):
        x = rng.normal(size=n) + HALF  # of class 1, as good as of either
        border = _selective._border(np.abs(x), x < 0, passing, _selective.BEYOND)
        border = max(border, 0.0)
        wrong, right = norm.cdf(-border - HALF), norm.sf(border - HALF)
        answered.append(wrong + right if border < 50 else 0.0)
        broken += border < 50 and wrong / (wrong + right) > risk
    assert broken <= binom.ppf(1 - 1e-5, repeats, delta)
    assert broken >= binom.ppf(1e-5, repeats, delta / 4)
    edges = np.linspace(0, 3, 3001)
    wrong, right = norm.cdf(-edges - HALF), norm.sf(edges - HALF)
    oracle = (wrong + right)[wrong / (wrong + right) <= risk].max()
    assert 0.9 * oracle < np.mean(answered) < oracle


def test_a_model_that_rejects_by_risk():
    (x, y), (new, truth) = drawn(N, 4), drawn(10 * N, 5)
    model = trust.reject_by_risk(posterior(), x, y, 0.05)
    label = np.asarray(model.predict(new))
    kept = label < 2
    edge = float(decided(model).border) / (2 * HALF)
    wrong, right = norm.cdf(-edge - HALF), norm.sf(edge - HALF)
    assert wrong / (wrong + right) < 0.05  # by these seeds; the promise is tested above
    errors = int(np.sum(label[kept] != truth[kept]))
    assert binomtest(errors, int(kept.sum()), wrong / (wrong + right)).pvalue > 1e-4
    assert kept.mean() > 0.6
    # Where everything may be kept, it is, also what is less sure than all that was held out.
    every = trust.reject_by_risk(posterior(), x, y, 0.3)
    assert (np.asarray(every.predict(np.zeros((1, 2)))) < 2).all()
    np.testing.assert_array_equal(every.predict(new), posterior().predict(new))


def test_what_cannot_be_promised_is_said():
    model, (x, y) = posterior(), drawn(N, 6)
    enough = int(np.ceil(np.log(0.1) / np.log(1 - 0.001)))
    with pytest.raises(ValueError, match=f"`risk`.*{enough} samples without an error"):
        trust.reject_by_risk(model, x, y, 0.001)
    # One class is always taken for another one: nothing can be promised of it.
    wrong = np.where(np.asarray(model.predict(x)) == 1, 0, y)
    with pytest.warns(UserWarning, match="taken for class 1 are always rejected"):
        found = trust.reject_by_risk(model, x, wrong, 0.3, per_class=True)
    label = np.asarray(found.predict(np.array([[50.0, 0.0], [-50.0, 0.0]])))
    np.testing.assert_array_equal(label, [2, 0])


def test_the_risk_of_each_class_is_kept():
    plain, x, y = three()
    model = pz.PrototypeModel(plain.prototypes, plain.metric, pz.losses.RSLVQ(1.0))
    risk, delta = 0.25, 0.3
    found = trust.reject_by_risk(model, x, y, risk, delta, per_class=True)
    best, sure = (np.asarray(a) for a in model.ask(_selective._certainty, x))
    label = np.asarray(found.predict(x))
    for k in range(3):
        mine = best == k
        kept = brute(sure[mine], (y != best)[mine], risk, delta / 3)
        assert np.sum(label == k) == kept


# The model that rejects.


def test_all_answers_agree(tmp_path):
    (model, x, y), per_class = three(), True
    found = trust.reject_by_cost(model, x, y, 0.3, per_class)
    label, p = np.asarray(found.predict(x)), np.asarray(found.predict_proba(x))
    assert found.classes == 4 and 0.05 < np.mean(label == 3) < 0.9
    np.testing.assert_array_equal(label, p.argmax(axis=1))
    np.testing.assert_array_equal(label[label < 3], np.asarray(model.predict(x))[label < 3])
    other = np.asarray(trust.tempered(model, x, y).predict_proba(x))
    np.testing.assert_allclose(p[:, :3] / p[:, :3].sum(axis=1, keepdims=True), other, rtol=1e-4)
    np.testing.assert_array_equal(label == 3, np.asarray(found.score_samples(x)) < 0.5)
    as_minus_one = np.asarray(found.predict_with_reject(x, lower=0.0, upper=0.5))
    np.testing.assert_array_equal(as_minus_one, np.where(label == 3, -1, label))
    assert set(found.predict(x, names=True)) <= {"a", "b", "c", "rejected"}
    np.testing.assert_array_equal(jax.jit(found.predict)(x), label)
    pz.save(tmp_path / "model", found)
    loaded = pz.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(x), p)
    turned = np.asarray(found.relabelled([2, 0, 1]).predict(x))
    np.testing.assert_array_equal(np.array([2, 0, 1, 3])[turned], label)
    # Another border takes the place of the one that is there.
    again = trust.reject_by_cost(found, x, y, 0.3, per_class)
    np.testing.assert_array_equal(again.predict(x), label)
    assert list(again.class_names) == ["a", "b", "c", "rejected"]


def test_programs_elsewhere_reject_as_well(tmp_path):
    pytest.importorskip("flatbuffers")
    model, x, y = three()
    found = trust.reject_by_cost(model, x, y, 0.3)
    pz.export.stablehlo(found, tmp_path / "model", platforms=["cpu"])
    answers = pz.export.load_stablehlo(tmp_path / "model")(x)
    np.testing.assert_array_equal(answers["label"], found.predict(x))
    np.testing.assert_allclose(answers["probabilities"], found.predict_proba(x), rtol=1e-4)


def test_a_model_that_can_say_none_of_these_is_told_why_not():
    model, x, y = three()
    open_set = model.open_set(x, 0.05)
    for reject in (trust.reject_by_cost, trust.reject_by_risk):
        with pytest.raises(ValueError, match="none of these.*`model.calibrated"):
            reject(open_set, x, y, 0.3)
    assert trust.tempered(open_set, x, y).decides.open_set
    with pytest.raises(ValueError, match="`decision`"):
        trust.Selective(open_set.decision)


@pytest.mark.parametrize("scale", [1.0, 2.0**-40, 2.0**40])
def test_no_unit_matters(scale):
    model, x, y = three()
    moved = pz.PrototypeModel(
        model.prototypes.moved(model.prototypes.points * scale), model.metric, model.loss
    )
    expected = trust.reject_by_cost(model, x, y, 0.3).predict(x)
    found = trust.reject_by_cost(moved, x * np.float32(scale), y, 0.3)
    np.testing.assert_array_equal(found.predict(x * np.float32(scale)), expected)


def test_certainty_is_the_log_odds_of_the_best_class():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, 4)) * np.geomspace(0.1, 10, 50)[:, None]
    best, sure = trust._selective.certainty(jnp.asarray(scores, jnp.float32))
    p = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    top = scores.max(axis=1)
    rest = logsumexp(np.where(scores == top[:, None], -np.inf, scores), axis=1)
    np.testing.assert_array_equal(best, p.argmax(axis=1))
    np.testing.assert_allclose(sure, top - rest, rtol=1e-4, atol=1e-5)
    extreme = jnp.array([[0.0, -jnp.inf], [-jnp.inf, 0.0], [0.0, -1e6]])
    np.testing.assert_array_equal(trust._selective.certainty(extreme)[1], _selective.CERTAIN)


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_classifier_rejects_or_says_why_not(case):
    model, x = case.model, case.x
    if not case.recipe.supervised:
        with pytest.raises(ValueError, match="`model` must be a classifier"):
            trust.reject_by_cost(model, x, blobs()[1], 0.3)
        return
    if model.decides.open_set:
        with pytest.raises(ValueError, match="none of these"):
            trust.reject_by_cost(model, x, case.y, 0.3)
        return
    p = np.asarray(model.predict_proba(x))
    plain, top = p.argmax(axis=1), p.max(axis=1)
    y = np.where(top <= np.sort(top)[6], (plain + 1) % case.classes, plain)  # the least sure err
    found = trust.reject_by_cost(model, x, y, 0.3)
    label, answers = np.asarray(found.predict(x)), np.asarray(found.predict_proba(x))
    np.testing.assert_array_equal(answers.argmax(axis=1), label)
    assert ((label == plain) | (label == case.classes)).all() and (label == plain).any()
    between = answers[:, :-1] / answers[:, :-1].sum(axis=1, keepdims=True)
    best = between[np.arange(len(x)), plain]
    away = np.abs(best - 0.7) > 1e-4
    np.testing.assert_array_equal((label == plain)[away], (best > 0.7)[away])


# The curve.


def test_the_reject_curve_keeps_equal_confidences_together():
    model, x, y = three()
    x, y = np.concatenate([x, x[:50]]), np.concatenate([y, (y[:50] + 1) % 3])
    curve = reject_curve(model, x, y)
    sure, right = np.asarray(model.confidence(x), float), np.asarray(model.predict(x)) == y
    assert curve.rejected[0] == 0 and curve.accuracy[0] == right.mean()
    np.testing.assert_array_equal(curve.thresholds, np.unique(sure))
    for threshold, rejected, accuracy in list(zip(*curve, strict=True))[::37]:
        np.testing.assert_allclose(rejected, np.mean(sure < threshold))
        np.testing.assert_allclose(accuracy, right[sure >= threshold].mean())
