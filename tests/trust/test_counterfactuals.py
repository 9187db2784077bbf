"""Counterfactuals are what they claim to be: decided otherwise, within bounds, and the nearest."""

import jax
import numpy as np
import pytest
from decided import LABELS, LOCAL, OMEGA, POINTS, RELEVANCE, X, model
from scipy.optimize import linprog, minimize

import protozoo as pz
from protozoo.trust import certify, counterfactuals


SOME = X[:12]


def polyhedra(asked, x, own, target):
    """What has to hold for each prototype that may win, by definition."""
    matrix, points = np.asarray(asked.relevance_matrix(), float), POINTS.astype(float)
    rivals = LABELS != own if target is None else LABELS == target
    against = LABELS == own if target is None else LABELS != target
    for j in np.flatnonzero(rivals):
        w = points[against]
        rows = 2 * (points[j] - w) @ matrix
        at = points[j] @ matrix @ points[j] - np.einsum("md,de,me->m", w, matrix, w)
        yield rows, at - rows @ x


def by_scipy(asked, x, own, target, norm, low, high) -> float:
    """The least distance, by SLSQP or HiGHS; infinite where there is none."""
    d, found = len(x), [np.inf]
    box = list(zip(low - x, high - x, strict=True))
    for rows, sides in polyhedra(asked, x, own, target):
        cost, more = np.r_[np.zeros(d), np.ones(d)], -np.eye(d)
        upper = np.block([[-rows, np.zeros_like(rows)], [np.eye(d), more], [-np.eye(d), more]])
        fit = linprog(
            cost,
            A_ub=upper,
            b_ub=np.r_[-sides, np.zeros(2 * d)],
            bounds=box + [(0, None)] * d,
        )
        if fit.success and norm == 2:
            best = minimize(
                lambda v: v @ v,
                fit.x[:d],
                jac=lambda v: 2 * v,
                constraints={
                    "type": "ineq",
                    "fun": lambda v, a=rows, b=sides: a @ v - b,
                    "jac": lambda v, a=rows: a,
                },
                bounds=box,
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            assert best.status in (0, 8) and (rows @ best.x >= sides - 1e-8).all()
            found.append(np.sqrt(best.fun))
        elif fit.success:
            found.append(fit.fun)
    return min(found)


def check(asked, x, found, target=None, norm=2) -> None:
    """Everything that a result says of itself."""
    own, done = np.asarray(asked.predict(x)), found.predictions >= 0
    said = np.asarray(asked.predict(np.where(done[:, None], found.points, x)))
    assert (said[done] == found.predictions[done]).all()
    assert ((said != own) if target is None else (said == target))[done].all()
    far = np.linalg.norm(found.points.astype(float) - x, norm, axis=1)
    np.testing.assert_allclose(found.distances[done], far[done], rtol=1e-12)
    assert np.isinf(found.distances[~done]).all() and np.isnan(found.points[~done]).all()
    assert (found.least <= found.distances * (1 + 1e-6) + 1e-6).all()
    length = np.linalg.norm(found.boundary - x, norm, axis=1)[done]
    np.testing.assert_allclose(
        (found.directions[done] * length[:, None]), (found.boundary - x)[done], atol=1e-9
    )


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("target", [None, 1])
@pytest.mark.parametrize("metric", [None, OMEGA, RELEVANCE], ids=["plain", "omega", "relevance"])
def test_they_are_those_of_scipy_within_bounds(metric, target, norm):
    asked = model(metric)
    low, high = np.full(4, -1.5), np.full(4, 1.2)
    high[2] = np.inf
    x = np.clip(SOME, -1.4, 1.1)
    found = counterfactuals(asked, x, target, bounds=(low, high), frozen=[0], norm=norm)
    check(asked, x, found, target, norm)
    done = found.predictions >= 0
    points = found.points[done]
    assert (points >= low.astype(np.float32)).all() and (points <= high.astype(np.float32)).all()
    assert (points[:, 0] == x[done, 0]).all() and done.sum() > 6
    own = np.asarray(asked.predict(x))
    for i, sample in enumerate(x.astype(float)):
        within = low.astype(np.float32).astype(float), high.astype(np.float32).astype(float)
        within[0][0] = within[1][0] = sample[0]
        expected = by_scipy(asked, sample, own[i], target, norm, *within)
        if found.predictions[i] >= 0:
            np.testing.assert_allclose(found.least[i], expected, rtol=1e-5, atol=1e-7)
            assert found.exact[i]
        else:
            assert np.isinf(expected)


def test_without_a_target_they_are_the_attacks_of_certificates():
    asked = model(OMEGA)
    found, known = counterfactuals(asked, X), certify(asked, X)
    check(asked, X, found)
    np.testing.assert_allclose(found.least, known.radii, rtol=1e-7)
    np.testing.assert_allclose(found.boundary, known.attacks, atol=1e-5)
    assert found.exact.all()
    assert (found.distances <= 1.001 * known.radii + 1e-4).all()
    # Nearest of all targets is the nearest.
    each = np.stack([counterfactuals(asked, X, k).least for k in range(3)])
    each[found.predictions * 0 + np.asarray(asked.predict(X)), np.arange(len(X))] = np.inf
    assert (each.min(axis=0) >= found.least * (1 - 1e-7)).all()


def test_a_sample_of_the_target_is_its_own():
    asked = model()
    own = np.asarray(asked.predict(X))
    found = counterfactuals(asked, X, own)
    np.testing.assert_allclose(found.points, X, atol=1e-6)
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)
    assert (found.predictions == own).all()


def test_a_target_is_called_by_its_number_or_its_name():
    classes = ["a", "b", "c"]
    named = pz.fit("GMLVQ", X, np.array(classes)[np.arange(len(X)) % 3], epochs=3).model
    by_number = counterfactuals(named, X, 1)
    for target in ("b", np.str_("b"), ["b"] * len(X), np.full(len(X), 1)):
        found = counterfactuals(named, X, target)
        np.testing.assert_array_equal(found.points, by_number.points)
    with pytest.raises(ValueError, match="`target` has class 'd', and classes are a, b, c"):
        counterfactuals(named, X, "d")


def test_the_norm_of_one_changes_few_features():
    asked = model(OMEGA)
    few, all_ = (counterfactuals(asked, X, norm=norm) for norm in (1, 2))
    changed = [np.mean(np.sum(np.abs(f.boundary - X) > 1e-6, axis=1)) for f in (few, all_)]
    assert changed[0] < 2.5 and changed[1] > 3.9


@pytest.mark.parametrize("norm", [1, 2])
def test_whole_features_are_whole(norm):
    points = (10 * POINTS).round()
    x = (10 * X).round()
    asked = model(points=points)
    found = counterfactuals(asked, x, integers=[0, 1], norm=norm)
    check(asked, x, found, norm=norm)
    assert (found.predictions >= 0).mean() > 0.9 and not found.exact.any()
    done = found.predictions >= 0
    assert (found.points[done, :2] == found.points[done, :2].round()).all()
    every = counterfactuals(asked, x, integers=range(4), norm=norm)
    check(asked, x, every, norm=norm)
    assert (every.predictions >= 0).mean() > 0.9
    assert np.median(every.distances / every.least) < 1.6


def test_a_scale_and_names_of_features():
    raw = X * np.array([1, 50, 0.2, 3], np.float32)
    scale = pz.backbones.Standardise.from_data(raw)
    asked = model(OMEGA, scale=scale).named(features=["a", "b", "c", "d"])
    found = counterfactuals(asked, raw, frozen=["b"], bounds=(None, raw.max(axis=0)))
    check(asked, raw, found)
    done = found.predictions >= 0
    assert (found.points[done, 1] == raw[done, 1]).all()
    assert (found.points[done] <= raw.max(axis=0)).all()
    np.testing.assert_allclose(counterfactuals(asked, raw).least, certify(asked, raw).radii)


def test_the_impossible_is_not_found():
    found = counterfactuals(model(), X, frozen=range(4))
    assert (found.predictions == -1).all() and np.isinf(found.distances).all()
    assert not found.exact.any()


@pytest.mark.parametrize("power", [-60, 0, 60])
def test_what_is_searched_for_is_proven_in_no_unit(power):
    unit = np.float32(2.0**power)
    prototypes = pz.Prototypes(POINTS * unit, LABELS)
    asked = pz.PrototypeModel(prototypes, pz.metrics.LpNorm(3.0), pz.losses.GLVQ())
    found = counterfactuals(asked, X[:8] * unit)
    assert not found.exact.any() and (found.least < 0.99 * found.distances).all()


def test_elsewhere_they_are_searched_for():
    """Where the answer is known, the search finds it but for little; where it is not, what it finds
    is a counterfactual."""
    from protozoo.trust._counterfactuals import _Search, _Slopes

    asked, x = model(), X[:20]
    own = np.asarray(asked.predict(x))
    known = counterfactuals(asked, x)
    endless = np.full(x.shape, np.inf)
    way = _Slopes(asked, x, own, None, 2)
    searched = _Search(way, 2).found(-endless, endless, np.zeros(4, bool))
    check(asked, x, searched)
    ratio = searched.distances / known.distances
    assert (searched.predictions >= 0).all() and not searched.exact.any()
    assert np.median(ratio) < 1.001 and np.quantile(ratio, 0.9) < 1.2
    for other in (
        model(LOCAL),
        model(loss=pz.losses.RSLVQ()),
        model(OMEGA, encoder=pz.backbones.MLP((4, 6, 4), key=jax.random.key(0))),
    ):
        found = counterfactuals(other, SOME, bounds=(-3, 3), frozen=[3])
        check(other, SOME, found)
        done = found.predictions >= 0
        assert done.mean() > 0.6 and not found.exact.any()
        assert (found.points[done, 3] == SOME[done, 3]).all()
        assert (np.abs(found.points[done]) <= 3).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 3}, "`target` has class 3"),
        ({"target": 0.5}, "`target` must hold integers"),
        ({"bounds": (1, 0)}, "`bounds` cross in feature 0"),
        ({"bounds": 3}, "`bounds` must be"),
        ({"bounds": (np.zeros(3), None)}, "`bounds` must be numbers"),
        ({"frozen": ["height"]}, "`frozen` must hold features"),
        ({"frozen": 3}, "`frozen` must be"),
        ({"integers": [4]}, "`integers` must hold features 0…3"),
        ({"norm": np.inf}, "`norm` must be 1 or 2"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message, unchecked):
    with pytest.raises(ValueError, match=message):
        counterfactuals(model(), X, **options)
