"""One class, and none of these: definitions, limits, invariances, and the shares that were
wished."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from zoo import blobs

import protozoo as pz
from protozoo import cooperation, losses, testing


X, Y = blobs()
ONE = (Y != 0).astype(int)
KEY = jax.random.key(0)
LABELS = np.zeros(3, int)
RADII = np.array([1.0, 2.0, 0.5])
GAUSSIAN, RANKS = cooperation.GaussianShares(0.5), pz.RankCooperation(0.7)


def problem() -> tuple[np.ndarray, np.ndarray]:
    """Dissimilarities of six targets and six outliers."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 4, size=(12, 3)), np.repeat([0, 1], 6)


def shares_by_hand(delta: np.ndarray, kind: str) -> np.ndarray:
    soft = softmax(-delta / (2 * 0.5), axis=1)
    ranks = np.exp(-delta.argsort(axis=1).argsort(axis=1) / 0.7)
    winner = (delta == delta.min(axis=1, keepdims=True)).astype(float)
    weights = {"winner": winner, "ranks": ranks, "soft": soft, "both": soft * ranks}[kind]
    return weights / weights.sum(axis=1, keepdims=True)


COOPERATIONS = {
    "winner": pz.WinnerTakesAll(),
    "ranks": RANKS,
    "soft": GAUSSIAN,
    "both": cooperation.ProductOfShares(GAUSSIAN, RANKS),
}


# Definitions.


@pytest.mark.parametrize("kind", COOPERATIONS)
def test_the_relative_loss_is_its_formula(kind):
    delta, y = problem()
    mu = (delta - RADII) / (delta + RADII)
    sign = np.where(y == 0, 1, -1)[:, None]
    expected = np.sum(shares_by_hand(delta, kind) * expit(4 * (sign * mu + 0.1)), axis=1)
    loss = losses.OneClass(losses.Radii(RADII), COOPERATIONS[kind], "sigmoid", 0.1, 4.0)
    np.testing.assert_allclose(
        loss(jnp.asarray(delta), LABELS, jnp.asarray(y)), expected, rtol=1e-5
    )


@pytest.mark.parametrize("kind", COOPERATIONS)
def test_whether_cooperation_takes_part_in_scoring_is_said(kind):
    delta, _ = problem()
    visible = np.sum(shares_by_hand(delta, kind) * RADII**3 / (RADII**3 + delta**3), axis=1)
    loss = losses.OneClass(losses.Radii(RADII, 3.0, COOPERATIONS[kind]), RANKS)
    scores = np.asarray(loss.scores(jnp.asarray(delta), LABELS), float)
    np.testing.assert_allclose(
        softmax(scores, axis=1), np.stack([visible, 1 - visible], axis=1), rtol=1e-4
    )


@pytest.mark.parametrize("cost", ["cross-entropy", "brier", "contrastive"])
def test_vector_quantisation_that_is_told_of_outliers_is_its_formula(cost):
    delta, y = problem()
    shares, target = shares_by_hand(delta, "soft"), y == 0
    visible = np.sum(shares * RADII**5 / (RADII**5 + delta**5), axis=1)
    represented = np.sum(shares_by_hand(delta, "ranks") * delta, axis=1) / 1.5
    visibility = losses.Radii(RADII, 5.0, GAUSSIAN)
    parts = {"visibility": visibility, "cooperation": RANKS, "balance": 0.3, "scale": 1.5}
    weight = np.linspace(1, 2, 12) / 18
    arguments = jnp.asarray(delta), LABELS, jnp.asarray(y), jnp.asarray(weight), 1.0
    if cost == "contrastive":
        positive = np.sum(weight * target * visible) / np.sum(weight * visible)
        negative = np.sum(weight * ~target * (1 - visible)) / np.sum(weight * (1 - visible))
        mean = np.average(represented[target], weights=weight[target])
        expected = 0.3 * mean + 0.7 * (2 - positive - negative)
        found = losses.ContrastiveSVQOCC(**parts).total(*arguments)
    else:
        wrong = np.where(target, 1 - visible, visible)
        each = -np.log(1 - wrong) if cost == "cross-entropy" else wrong**2
        expected = np.sum(weight * (0.3 * target * represented + 0.7 * each))
        found = losses.SVQOCC(**parts, cost=cost).total(*arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_shares_by_students_distribution():
    delta, _ = problem()
    weights = (1 + delta / (3 * 0.5)) ** -2.0
    found = cooperation.StudentShares(0.5, 3.0).log_shares(jnp.asarray(delta.T), 1.0)
    np.testing.assert_allclose(
        jnp.exp(found).T, weights / weights.sum(axis=1, keepdims=True), rtol=1e-5
    )
    heavy = cooperation.StudentShares(0.5, 1e6).log_shares(jnp.asarray(delta.T), 1.0)
    np.testing.assert_allclose(heavy.T, log_softmax(-delta / (2 * 0.5), axis=1), atol=1e-3)


Q = losses.RejectedShare(0.1, 2.0)
SOFT = losses.Radii(RADII, 3.0, cooperation.StudentShares(0.5))
KEPT = [
    losses.OneClass(SOFT, COOPERATIONS["both"], "sigmoid", rejected=Q),
    losses.SVQOCC(SOFT, RANKS),
    losses.SVQOCC(SOFT, RANKS, cost="brier", rejected=Q),
    losses.ContrastiveSVQOCC(SOFT, RANKS, rejected=Q),
    losses.DataDescription(SOFT, Q, GAUSSIAN),
]


@pytest.mark.parametrize("loss", KEPT, ids=lambda loss: type(loss).__name__)
def test_the_losses_keep_the_contract(loss):
    """Of one class, and of two that are learned beside all others."""
    testing.check_loss(loss, LABELS, problem()[1])
    testing.check_loss(loss, [0, 0, 1], [0, 1, 2] * 4)


def test_an_own_class_answers_for_a_target_and_everybody_for_an_outlier():
    delta, _ = problem()
    y, labels = np.repeat([0, 1, 2], 4), np.array([0, 0, 1])
    found = losses.OneClass(losses.Radii(RADII))(jnp.asarray(delta), labels, jnp.asarray(y))
    answers = np.where((labels == y[:, None]) | (y == 2)[:, None], delta, np.inf)
    j = answers.argmin(axis=1)
    d, theta = delta[np.arange(12), j], RADII[j]
    np.testing.assert_allclose(
        found, np.where(y < 2, 1, -1) * (d - theta) / (d + theta), rtol=1e-5, atol=1e-6
    )


# Limits.


def gradient(loss, delta, y):
    return jax.grad(lambda d: jnp.mean(loss(d, LABELS, jnp.asarray(y))))(jnp.asarray(delta))


@pytest.mark.parametrize(
    "narrow", [pz.RankCooperation(0.01), cooperation.GaussianShares(1e-4)], ids=["ranks", "soft"]
)
def test_cooperation_shrinks_to_the_winner(narrow):
    delta, y = problem()
    for make in (losses.OneClass, losses.SVQOCC):
        shared, alone = make(losses.Radii(RADII), narrow), make(losses.Radii(RADII))
        arguments = jnp.asarray(delta), LABELS, jnp.asarray(y)
        np.testing.assert_allclose(shared(*arguments), alone(*arguments), atol=1e-6)
        np.testing.assert_allclose(gradient(shared, delta, y), gradient(alone, delta, y), atol=1e-6)


def with_radii(model: pz.PrototypeModel, factor: float) -> pz.PrototypeModel:
    return pz.PrototypeModel(
        model.prototypes,
        model.metric,
        losses.OneClass(losses.Radii(factor * model.loss.visibility.radii)),
    )


def test_radii_without_bound_accept_all_and_of_nothing_none():
    model = pz.zoo.OCGLVQ(X, ONE, key=KEY)
    other = X + np.float32(0.01)  # not the prototypes themselves
    assert (with_radii(model, 1e12).predict(other) == 0).all()
    assert (with_radii(model, 1e-12).predict(other) == 1).all()
    assert (np.asarray(with_radii(model, 1e12).score_samples(other)) > 1 - 1e-6).all()


def test_scores_fall_with_the_distance_and_are_one_half_at_the_border():
    points = pz.Prototypes(np.zeros((1, 2)), [0])
    model = pz.PrototypeModel(
        points, pz.metrics.SquaredEuclidean(), losses.OneClass(losses.Radii([4.0], 3.0))
    )
    radius = np.concatenate([[0.0], np.geomspace(1e-15, 1e12, 55)])
    x = np.stack([radius, 0 * radius], axis=1)
    score, log_odds = np.asarray(model.score_samples(x)), np.asarray(model.decision_function(x))
    assert np.isfinite(log_odds).all() and ((score >= 0) & (score <= 1)).all()
    assert (np.diff(log_odds[radius > 1e-9]) < 0).all()  # also where all scores are zero
    np.testing.assert_allclose(model.score_samples(np.array([[2.0, 0.0]])), 0.5)
    np.testing.assert_array_equal(model.predict(x), radius > 2)
    np.testing.assert_array_equal(model.predict(x), score < 0.5)
    np.testing.assert_allclose(model.predict_proba(x)[:, 0], score, atol=1e-6)


def test_no_radius_is_too_small_for_a_distance():
    """Ratios that no float32 holds have a logarithm that is small."""
    delta = np.float32([[1e-30, 1e-5, 1.0, 1e26, 3e38]]).T
    for radius in np.float32([1e-37, 1e-15, 1.0, 1e15, 1e37]):
        radii = losses.Radii(jnp.array([radius]))
        expected = np.log(np.float64(radius)) - np.log(delta[:, 0].astype(float))
        smallest = np.log(float(np.finfo(np.float32).tiny))

        def odds_of(delta, radii=radii):
            return radii.log_odds(delta, np.zeros(1, int))

        odds = odds_of(jnp.asarray(delta))
        np.testing.assert_allclose(odds, np.minimum(expected, -smallest), rtol=1e-6, atol=1e-6)
        slope = jax.grad(lambda delta, of=odds_of: of(delta).sum())(jnp.asarray(delta))
        assert np.isfinite(slope).all()


def test_a_target_that_nobody_sees_costs_what_it_does():
    """Where a probability of zero would be the logarithm of nothing."""
    delta = jnp.asarray([[1e8, 1e9, 1e8], [1e-8, 1.0, 2.0]], jnp.float32)
    loss = losses.SVQOCC(losses.Radii(RADII, 10.0), balance=0.0)
    value, slope = jax.value_and_grad(lambda d: jnp.sum(loss(d, LABELS, jnp.array([0, 1]))))(delta)
    # The first column wins both: β log δ/θ, for a target from beyond and for an outlier from
    # within.
    np.testing.assert_allclose(value, 2 * 10 * np.log(1e8), rtol=1e-5)
    assert jnp.isfinite(slope).all()


# Invariances.


@pytest.mark.parametrize(
    "name",
    [
        "OCRSLVQ_NG",
        *(
            pytest.param(n, marks=pytest.mark.nightly)
            for n in ("OCGLVQ", "OCDKGLVQ", "SVQOCC", "SVDD")
        ),
    ],
)
@pytest.mark.parametrize("change", ["small", "large", "shifted", "rotated"])
def test_no_unit_no_origin_and_no_direction_matters(name, change):
    """Where all features count alike: radii start in the assembled model's own metric, and so do
    all other scales."""
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(5, 5)))[0]
    changes = {
        "small": lambda x: 1e-2 * x,
        "large": lambda x: 1e2 * x,
        "shifted": lambda x: x + 10,
        "rotated": lambda x: x @ rotation,
    }
    x = np.float32(changes[change](X))
    row = getattr(pz.zoo, name)
    first = {"initialiser": lambda x, count, key, space: np.asarray(x)[:count]}
    here, there = row(X, ONE, key=KEY, **first), row(x, ONE, key=KEY, **first)
    np.testing.assert_allclose(there.score_samples(x), here.score_samples(X), atol=2e-4)
    value = [
        m.loss_of(jnp.asarray(v), jnp.asarray(ONE), jnp.full(len(v), 1 / len(v)))
        for m, v in ((here, X), (there, x))
    ]
    unit = {"small": 1e-4, "large": 1e4}.get(change, 1.0) if name == "SVDD" else 1.0
    np.testing.assert_allclose(value[1], value[0] * unit, rtol=1e-3)


def test_what_holds_of_a_normalised_projection_holds_after_the_first_step():
    """A trace that is restored after radii were found would leave all targets outside."""
    model = pz.zoo.OCGMLVQ(X, ONE, key=KEY, latent_dim=2)
    fit = pz.zoo.OCGMLVQ.trainer(epochs=1).fit(model, X, ONE, key=KEY)
    for one in (model, fit.model):
        assert np.mean(np.asarray(one.predict(X[ONE == 0])) == 0) > 0.4


def test_positive_numbers_are_kept_by_factors():
    constraint, value = pz.Positive(), jnp.asarray([1e-30, 1.0, 3e7])
    np.testing.assert_array_equal(constraint.retract(constraint.chart(value), value), value)
    moved = constraint.retract(constraint.chart(value) + jnp.log(2.0), value)
    np.testing.assert_allclose(moved, 2 * value, rtol=1e-5)
    assert (constraint.project(jnp.asarray([-1.0, 0.0])) > 0).all()
    rng = np.random.default_rng(0)
    fit = pz.Trainer(pz.GradientDescent("sgd", 50.0), 20).fit(
        pz.zoo.OCGLVQ(X, ONE, key=KEY), X, rng.permutation(ONE), key=0
    )
    assert (fit.model.loss.visibility.radii > 0).all()


# Targets alone.


def gaussian(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32) * [1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["OCGLVQ", *(pytest.param(n, marks=pytest.mark.nightly) for n in ("SVDD", "OCKMeans"))]
)
def test_the_share_of_rejected_targets_is_the_wished_one(name):
    fit = pz.fit(name, gaussian(400, 0), key=0, rejected=0.2, epochs=300, prototypes=2)
    rejected = np.mean(np.asarray(fit.model.predict(gaussian(4000, 1))) == 1)
    # Four hundred samples tell a quantile to 0.02.
    assert abs(rejected - 0.2) < 0.06
    assert fit.model.loss.visibility.radii.max() < 100


def test_samples_without_labels_are_targets():
    targets = X[ONE == 0]
    for given in ({}, {"y": np.zeros(len(targets), int)}):
        fit = pz.fit("OCGLVQ", targets, key=0, epochs=3, **given)
        assert fit.model.targets_only and fit.model.classes == 2
    model = pz.zoo.OCGLVQ(X, ONE, key=KEY)
    assert not model.targets_only
    trainer = pz.zoo.OCGLVQ.trainer(epochs=1)
    with pytest.raises(ValueError, match="`y` is missing"):
        trainer.fit(model, targets, key=0)
    with pytest.raises(ValueError, match="the single class 0"):
        trainer.fit(model, targets, np.zeros(len(targets), int), key=0)
    with pytest.raises(ValueError, match="the single class 1"):
        trainer.fit(fit.model, targets, np.ones(len(targets), int), key=0)


@pytest.mark.parametrize(
    ("y", "message"), [(Y, "choose the target"), (np.ones(len(Y), int), "no sample of class 0")]
)
def test_labels_that_are_none_of_one_class(y, message):
    with pytest.raises(ValueError, match=message):
        pz.zoo.OCGLVQ(X, y, key=KEY)


def test_folds_of_one_class():
    result = pz.cross_validate("OCGLVQ", X, ONE, folds=3, epochs=30)
    assert result.mean > 0.7


# None of these.


@pytest.fixture(scope="module")
def classifier() -> pz.PrototypeModel:
    return pz.fit("GLVQ", X, Y, key=0, epochs=30).model


def test_known_classes_are_decided_as_before(classifier):
    model = classifier.open_set(X, 0.1)
    assert model.classes == 4 and model.predict_proba(X).shape == (len(X), 4)
    label, before = np.asarray(model.predict(X)), np.asarray(classifier.predict(X))
    np.testing.assert_array_equal(label[label < 3], before[label < 3])
    delta = np.asarray(classifier.distances(X))
    radii = np.asarray(model.decision.visibility.radii)
    outside = delta.min(axis=1) > radii[delta.argmin(axis=1)]
    np.testing.assert_array_equal(label == 3, outside)
    assert abs(outside.mean() - 0.1) < 0.05
    far = model.predict(100 * X)
    assert (far == 3).all()
    # As if a class had its nearest prototype at the radius.
    odds = 1 / np.concatenate([delta, radii[delta.argmin(axis=1)][:, None]], axis=1)
    np.testing.assert_allclose(
        model.predict_proba(X), odds / odds.sum(axis=1, keepdims=True), atol=1e-4
    )


@pytest.mark.parametrize("by", ["radii", "loss"])
@pytest.mark.parametrize("power", [-60, 0, 60])
def test_as_many_are_none_of_these_in_every_unit(by, power):
    x = X * np.float32(2.0**power)
    for name in ("HCM", "FCM"):
        clusters = getattr(pz.zoo, name)(x, key=0, prototypes=3)
        found = np.asarray(clusters.open_set(x, 0.1, by=by).predict(x)) == 3
        assert abs(found.mean() - 0.1) < 0.05


def test_borders_that_no_float_holds_are_refused():
    x = X * np.float32(2.0**-72)
    clusters = pz.zoo.HCM(x, key=0, prototypes=3)
    for by in ("radii", "loss"):
        with pytest.raises(ValueError, match="rescale|Rescale"):
            clusters.open_set(x, 0.1, by=by)


def test_a_model_with_none_of_these_keeps_the_promises(classifier):
    testing.check_model(classifier.open_set(X).calibrated(X, 0.1), X, Y)


def test_a_loss_that_is_put_together_has_a_level_too():
    """Whatever is a sum over samples has one; what is a statistic of a batch has none."""
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    for name in ("IPCM", "PFCM"):
        model = pz.zoo.fit(name, x, key=0, epochs=5).model.open_set(x, 0.1, by="loss")
        assert abs(np.mean(np.asarray(model.predict(x)) == model.classes - 1) - 0.1) < 0.02
    with pytest.raises(ValueError, match="known of a sample without its label"):
        pz.zoo.FPCM(x, key=0).open_set(x, by="loss")


def test_a_mixture_sees_where_its_density_is_high():
    mixture = pz.fit("GaussianMixture", X, key=0, prototypes=3).model
    model = mixture.open_set(X, 0.1, by="loss")
    density = -np.asarray(mixture.losses(jnp.asarray(X), None))
    rejected = np.asarray(model.predict(X)) == 3
    assert rejected.sum() == 6
    np.testing.assert_array_equal(rejected, density < np.sort(density)[6])
    np.testing.assert_allclose(model.decision_function(X), density - np.sort(density)[6], atol=1e-4)
    # Whether δ, minus twice a log-density, is negative somewhere depends on the unit alone.
    gaps = dataclasses.replace(mixture, metric=pz.metrics.Missing(mixture.metric))
    for other in (mixture, gaps):
        with pytest.raises(ValueError, match="by='loss'"):
            other.open_set(X)


def test_clusters_have_radii_or_a_level():
    clusters = pz.fit("HCM", X, key=0, prototypes=3).model
    for by in ("radii", "loss"):
        model = clusters.open_set(X, 0.1, by=by)
        assert abs(np.mean(np.asarray(model.predict(X)) == 3) - 0.1) < 0.05
        scaled = pz.fit("HCM", 2**20 * X, key=0, prototypes=3).model.open_set(2**20 * X, 0.1, by=by)
        np.testing.assert_allclose(
            scaled.score_samples(2**20 * X), model.score_samples(X), rtol=1e-4
        )


def test_what_knows_all_classes_has_no_scores(classifier):
    for ask in (classifier.score_samples, classifier.decision_function, classifier.calibrated):
        with pytest.raises(ValueError, match="cannot say 'none of these'"):
            ask(X)
    with pytest.raises(ValueError, match="`by='loss'` needs a loss"):
        classifier.open_set(X, by="loss")
    with pytest.raises(ValueError, match="already"):
        losses.OpenSet(losses.OneClass(losses.Radii(RADII)), losses.Radii(RADII))
    with pytest.raises(ValueError, match="is a share"):
        classifier.open_set(X, 0.0)


# Borders.


def offset(model: pz.PrototypeModel) -> float:
    assert isinstance(model.decision, losses.Calibrated)
    return float(model.decision.offset)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_calibration_keeps_the_rate_for_new_samples(rate):
    """On average over what is held out, at most the rate, and no less than the correction takes
    from it."""
    model, n, found = pz.zoo.OCGLVQ(gaussian(100, 0), key=KEY), 99, []
    fresh = np.asarray(model.decision_function(gaussian(20000, 1)))
    for seed in range(40):
        calibrated = model.calibrated(gaussian(n, 100 + seed), rate)
        found.append(np.mean(fresh < offset(calibrated)))
    error = np.sqrt(rate * (1 - rate) / n / 40)
    assert rate - 1 / (n + 1) - 4 * error < np.mean(found) < rate + 4 * error
    again = calibrated.calibrated(gaussian(n, 139), rate)
    assert abs(offset(again) - offset(calibrated)) < 1e-6
    np.testing.assert_array_equal(
        calibrated.predict(gaussian(500, 2)), calibrated.decision_function(gaussian(500, 2)) < 0
    )


def test_too_few_samples_tell_no_rate():
    model = pz.zoo.OCGLVQ(X, ONE, key=KEY)
    with pytest.raises(ValueError, match="hold out 99 at least"):
        model.calibrated(X, 0.01)
    assert model.calibrated(X[:19], 0.05).predict(X[:19]).sum() == 0


def test_between_two_borders_nothing_is_said(classifier):
    model = classifier.open_set(X, 0.2)
    score, best = np.asarray(model.score_samples(X)), np.asarray(classifier.predict(X))
    expected = np.where(score >= 0.6, best, np.where(score < 0.48, 3, -1))
    np.testing.assert_array_equal(model.predict_with_reject(X, lower=0.48, upper=0.6), expected)
    np.testing.assert_array_equal(model.predict_with_reject(X, lower=0.5), model.predict(X))
    assert len(set(expected)) == 5
    for given in (
        {},
        {"threshold": 0.5, "lower": 0.1},
        {"lower": 0.6, "upper": 0.5},
        {"upper": 1.5},
    ):
        with pytest.raises(ValueError, match="either|exceed|must lie"):
            model.predict_with_reject(X, **given)


# What belongs to a prototype.


def test_radii_belong_to_prototypes(classifier):
    model = pz.zoo.OCGLVQ(X, ONE, key=KEY, prototypes=3)
    assert eqx_equal(model.relabelled([0]), model)
    np.testing.assert_array_equal(
        model.select([2]).loss.visibility.radii, model.loss.visibility.radii[2:]
    )
    assert model.grow(X[:1], [0]).loss.visibility.radii.shape == (4,)
    opened = classifier.open_set(X)
    grown = opened.grow(X[:1], [3])  # a class that was none of these is known now
    assert grown.classes == 5 and int(grown.predict(X[:1])[0]) == 3
    order = opened.relabelled([2, 0, 1])
    np.testing.assert_allclose(
        order.predict_proba(X), np.asarray(opened.predict_proba(X))[:, [2, 0, 1, 3]], atol=1e-6
    )
    assert float(model.win_ratios(X, ONE).sum()) <= np.mean(ONE == 0) + 1e-6


def eqx_equal(one: pz.PrototypeModel, other: pz.PrototypeModel) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def test_weights_are_copies_of_samples(classifier):
    copies = np.arange(len(X)) % 3
    for model, by in ((classifier, "radii"), (pz.fit("HCM", X, key=0, prototypes=3).model, "loss")):
        weighted = model.open_set(X, 0.1, by=by, sample_weight=copies)
        repeated = model.open_set(np.repeat(X, copies, axis=0), 0.1, by=by)
        np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-5)


@pytest.mark.nightly
def test_one_class_of_matrices():
    from zoo import matrices

    x, y = matrices()
    one, space = (y != 0).astype(int), pz.manifolds.SPD(3)
    fit = pz.zoo.OCGLVQ.trainer(epochs=30).fit(
        pz.zoo.OCGLVQ(x, one, key=0, space=space), x, one, key=0
    )
    assert np.mean(np.asarray(fit.model.predict(x)) == one) > 0.8
    assert space.violation(fit.model.prototypes.points) is None


# A picture.


def test_the_visible_region_is_drawn():
    plane = X[:, :2]
    model = pz.zoo.OCGLVQ(plane, ONE, key=KEY)
    (ax,) = pz.plots.visible_region(model, plane, ONE, ["a", "b"], cells=20).axes
    assert ax.get_xlabel() == "a" and len(ax.images) == 1 and len(ax.collections) == 3
    score = np.asarray(ax.images[0].get_alpha()) / 0.6
    assert score.shape == (20, 20) and 0 <= score.min() < 0.5 < score.max() <= 1
    opened = pz.zoo.GLVQ(plane, Y, key=KEY).open_set(plane)
    shown = pz.plots.visible_region(opened, plane, cells=10).axes[0].images[0].get_array()
    assert set(np.unique(shown)) <= {0, 1, 2}
    with pytest.raises(ValueError, match="a picture of the plane"):
        pz.plots.visible_region(pz.zoo.OCGLVQ(X, ONE, key=KEY), X)
    with pytest.raises(ValueError, match="none of these"):
        pz.plots.visible_region(pz.zoo.GLVQ(plane, Y, key=KEY), plane)


@pytest.mark.parametrize("spread", [0.0, 1e-15])
def test_a_radius_is_more_than_rounding(spread):
    """Of a plane that goes through all of its samples, for example."""
    rng = np.random.default_rng(0)
    delta = np.stack([rng.uniform(1, 2, 60), np.full(60, 3.0)], axis=1)
    delta[:3, 1] = spread * rng.uniform(1, 2, 3)
    radii = np.asarray(pz.losses.Radii.from_distances(delta).radii)
    nearest = delta.min(axis=1).mean()
    np.testing.assert_allclose(radii[1], nearest, rtol=1e-5)
    delta[:3, 1] = 1e-6
    np.testing.assert_allclose(pz.losses.Radii.from_distances(delta).radii[1], 1e-6, rtol=1e-5)
