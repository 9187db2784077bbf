"""Conformal sets: their definition, and the coverage that was wished, by exact distributions."""

import jax
import numpy as np
import pytest
from scipy.stats import betabinom, kstest
from zoo import CASES, blobs

import protozoo as pz
from protozoo import trust


X, Y = blobs()
KEY = jax.random.key(0)
MU = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of three overlapping Gaussian classes, of which the last one is rare."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    return (MU[y] + rng.normal(size=(n, 2))).astype(np.float32), y


def gaussian_model() -> pz.PrototypeModel:
    """Means of the classes: its coverage is what it is whatever the model is worth."""
    return pz.PrototypeModel(
        pz.Prototypes(MU + 0.3, [0, 1, 2]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )


def nonconformity(model, x, by: str) -> np.ndarray:
    """In float64, from distances and probabilities."""
    d = np.asarray(model.distances(x), float)
    nearest = np.stack(
        [d[:, model.prototypes.labels == k].min(axis=1) for k in range(model.classes)], axis=1
    )
    if by == "probability":
        p = 1 / nearest
        return 1 - p / p.sum(axis=1, keepdims=True)
    rival = np.stack([np.delete(nearest, k, axis=1).min(axis=1) for k in range(3)], axis=1)
    return (nearest - rival) / (nearest + rival)


@pytest.mark.parametrize("conditional", [False, True])
def test_of_what_is_not_known_nothing_is_excluded(conditional):
    """In a program of one's own, where nothing is refused."""
    found = trust.ConformalClassifier(gaussian_model(), *drawn(99, 0), 0.8, conditional)
    x = np.array([[0.0, 0.0], [np.nan, 0.0], [np.inf, 0.0]], np.float32)
    values, sets = jax.jit(found.p_values)(x), jax.jit(found.predict_set)(x)
    assert np.isnan(values[1:]).all() and np.asarray(sets[1:]).all()
    np.testing.assert_allclose(values[:1], found.p_values(x[:1]), rtol=1e-6)
    np.testing.assert_array_equal(sets[:1], found.predict_set(x[:1]))


@pytest.mark.parametrize("by", ["distance", "probability"])
@pytest.mark.parametrize("conditional", [False, True])
def test_p_values_and_sets_are_their_definition(by, conditional):
    model, (x, y), (new, _) = gaussian_model(), drawn(99, 0), drawn(100, 1)
    found = trust.ConformalClassifier(model, x, y, 0.8, conditional, by)
    a, b = nonconformity(model, x, by)[np.arange(99), y], nonconformity(model, new, by)
    p = np.empty((100, 3))
    for i, k in np.ndindex(p.shape):
        mine = a[y == k] if conditional else a
        p[i, k] = (1 + np.sum(mine >= b[i, k])) / (len(mine) + 1)
    np.testing.assert_allclose(found.p_values(new), p, rtol=1e-6)
    np.testing.assert_array_equal(found.predict_set(new), p > 0.2 + 1e-9)
    np.testing.assert_array_equal(found.predict(new), model.predict(new))
    np.testing.assert_array_equal(found.predict_proba(new), model.predict_proba(new))
    np.testing.assert_array_equal(jax.jit(found.predict_set)(new), found.predict_set(new))
    assert found.classes == 3


def splits(classifier, y, groups, repeats: int):
    """Who of each group is held out (the first of a random order), whether sets hold the class of
    all others, and who these are."""
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        orders = [(rng.permutation(members), held) for members, held in groups]
        cal = np.concatenate([order[:held] for order, held in orders])
        new = np.concatenate([order[held:] for order, held in orders])
        yield new, np.asarray(classifier(cal).predict_set(X_ALL[new]))[np.arange(len(new)), y[new]]


X_ALL, Y_ALL = drawn(199, 2)


def test_the_coverage_is_exactly_beta_binomial():
    """Of samples in random order, ranks are a random permutation: how many of 100 new ones are
    covered by 99 has a known distribution, whatever the model and the data are."""
    model = gaussian_model()
    a = nonconformity(model, X_ALL, "distance")[np.arange(199), Y_ALL]
    assert len(np.unique(a.astype(np.float32))) == 199  # no ties
    law = betabinom(100, 90, 10)  # the border is the tenth largest of 99
    made = lambda cal: trust.ConformalClassifier(model, X_ALL[cal], Y_ALL[cal], 0.9)  # noqa: E731
    found = np.array([c.sum() for _, c in splits(made, Y_ALL, [(np.arange(199), 99)], 200)])
    assert abs(found.mean() - 90) < 4 * law.std() / np.sqrt(200)
    assert (found >= law.ppf(1e-6)).all() and (found <= law.ppf(1 - 1e-6)).all()
    # Whole numbers, spread evenly over the steps of their distribution function.
    place = law.cdf(found - 1) + np.random.default_rng(0).uniform(size=200) * law.pmf(found)
    assert kstest(place, "uniform").pvalue > 1e-3


def test_class_conditional_sets_cover_each_class():
    """Within a class, the order is random: the law is that of its own ranks. Half of each class is
    held out; sets that cover all together leave out more of the rare class than was allowed."""
    model = gaussian_model()
    groups = [(of := np.flatnonzero(Y_ALL == k), len(of) // 2) for k in range(3)]
    for conditional in (True, False):
        made = lambda cal, c=conditional: trust.ConformalClassifier(  # noqa: E731
            model, X_ALL[cal], Y_ALL[cal], 0.8, c
        )
        counts = np.zeros(3)
        for new, covered in splits(made, Y_ALL, groups, 40):
            counts += np.bincount(Y_ALL[new], covered, 3)
        laws = []
        for members, held in groups:
            needed = int(0.2 * (held + 1) + 1e-9)
            laws.append(betabinom(len(members) - held, held + 1 - needed, needed))
            assert laws[-1].mean() >= 0.8 * (len(members) - held)  # the promise
        excess = counts - [40 * law.mean() for law in laws]
        z = excess / [np.sqrt(40) * law.std() for law in laws]
        assert (np.abs(z) < 4).all() if conditional else z.min() < -4


def test_one_class_has_p_values_of_novelty():
    target = np.random.default_rng(0).normal(size=(199, 2)).astype(np.float32)
    model = pz.PrototypeModel(
        pz.Prototypes(np.zeros((1, 2)), [0]),
        pz.metrics.SquaredEuclidean(),
        pz.losses.OneClass(pz.losses.Radii([1.0])),
    )
    found = trust.ConformalClassifier(model, target[:99], coverage=0.9)
    assert found.classes == 1
    far = np.sum(target**2, axis=1)
    expected = (1 + np.sum(far[:99] >= far[99:, None], axis=1)) / 100
    np.testing.assert_allclose(found.p_values(target[99:])[:, 0], expected, rtol=1e-6)
    assert not np.asarray(found.predict_set(np.full((1, 2), 9.0))).any()
    assert trust.evaluate_sets(found, target[99:]).classes == ("0",)
    with pytest.raises(ValueError, match="`y_cal` has class 1"):
        trust.ConformalClassifier(model, target[:99], np.ones(99, int))


def test_a_model_that_knows_none_of_these_has_sets_of_known_classes():
    x, y = drawn(99, 4)
    model = gaussian_model().open_set(x, 0.05)
    found = trust.ConformalClassifier(model, x, y, 0.9)
    p = np.asarray(model.predict_proba(x), float)
    far = np.array([[40.0, -40.0]])
    assert found.p_values(x).shape == (99, 3) and p.shape == (99, 4)
    rival = np.stack([np.delete(p, k, axis=1).max(axis=1) for k in range(3)], axis=1)
    a = np.log(rival / p[:, :3])
    own = a[np.arange(99), y]
    expected = (1 + np.sum(own >= a[:, :, None] - 1e-6, axis=2)) / 100
    np.testing.assert_allclose(found.p_values(x), expected, atol=1.5 / 100)
    assert not np.asarray(found.predict_set(far)).any()


def test_the_true_probabilities_have_the_smallest_sets():
    """Sadinle, Lei and Wasserman: no other sets of this coverage are smaller on average."""
    (x, y), (new, truth) = drawn(4000, 5), drawn(4000, 6)
    centred = pz.Prototypes(MU, [0, 1, 2])
    loss = pz.losses.RSLVQ(1.0)  # the posterior of Gaussians with priors that are all the same
    model = pz.PrototypeModel(centred, pz.metrics.SquaredEuclidean(), loss)
    balanced = np.concatenate([np.flatnonzero(y == k)[:700] for k in range(3)])
    asked = np.concatenate([np.flatnonzero(truth == k)[:700] for k in range(3)])
    sizes = {}
    for by in ("distance", "probability"):
        found = trust.ConformalClassifier(model, x[balanced], y[balanced], 0.9, by=by)
        sizes[by] = trust.evaluate_sets(found, new[asked], truth[asked]).size
    assert sizes["probability"] < sizes["distance"] + 0.02


@pytest.mark.parametrize(("coverage", "enough"), [(0.9, 9), (0.8, 4)])
def test_too_few_samples_exclude_nothing_and_say_how_many_would(coverage, enough):
    model, (x, y) = gaussian_model(), drawn(100, 7)
    trust.ConformalClassifier(model, x[:enough], y[:enough], coverage)  # enough: no warning
    with pytest.warns(UserWarning, match=f"`x_cal`.*Hold out {enough} at least"):
        found = trust.ConformalClassifier(model, x[: enough - 1], y[: enough - 1], coverage)
    assert np.asarray(found.predict_set(x)).all()


def test_a_class_without_samples_is_in_every_set():
    model, (x, y) = gaussian_model(), drawn(100, 8)
    with pytest.warns(UserWarning, match="0 samples of class 2"):
        found = trust.ConformalClassifier(model, x[y < 2], y[y < 2], 0.9, True)
    sets = np.asarray(found.predict_set(x))
    assert sets[:, 2].all() and not sets[:, :2].all()
    assert (np.asarray(found.p_values(x))[:, 2] == 1).all()


def test_it_is_saved_and_loaded(tmp_path):
    x, y = drawn(99, 9)
    found = trust.ConformalClassifier(gaussian_model(), x, y, 0.8, True)
    pz.save(tmp_path / "sets", found)
    loaded = pz.load(tmp_path / "sets")
    np.testing.assert_array_equal(loaded.predict_set(x), found.predict_set(x))
    np.testing.assert_array_equal(loaded.p_values(x), found.p_values(x))
    np.testing.assert_array_equal(loaded.predict(x), found.predict(x))
    assert float(loaded.coverage) == np.float32(0.8)


def test_an_evaluation_of_sets_counts_them():
    (x, y), (new, truth) = drawn(99, 10), drawn(100, 11)
    truth[:] = np.minimum(truth, 1)
    model = gaussian_model().named(classes=["a", "b", "c"])
    found = trust.ConformalClassifier(model, x, y, 0.7)
    sets = np.asarray(found.predict_set(new))
    result = trust.evaluate_sets(found, new, truth)
    covered = sets[np.arange(100), truth]
    assert result.coverage == covered.mean() and result.size == sets.sum(axis=1).mean()
    np.testing.assert_allclose(result.sizes, [np.mean(sets.sum(axis=1) == j) for j in range(4)])
    np.testing.assert_allclose(
        result.class_coverage, [*(covered[truth == k].mean() for k in range(2)), np.nan]
    )
    np.testing.assert_allclose(
        result.class_size, [*(sets[truth == k].sum(axis=1).mean() for k in range(2)), np.nan]
    )
    assert result.classes == ("a", "b", "c") and result.as_dict()["class_size"][2] is None
    assert "coverage" in str(result) and "c  " in str(result) and "coverage=" in repr(result)


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_classifier_has_sets_or_says_why_not(case):
    if not case.recipe.supervised:
        with pytest.raises(ValueError, match="`model` must be a classifier"):
            trust.ConformalClassifier(case.model, case.x, Y)
        return
    known = case.y < case.classes - case.model.decides.open_set
    x, y = case.x[known], case.y[known]
    found = trust.ConformalClassifier(case.model, x, y, 0.75)
    sets, p = np.asarray(found.predict_set(case.x)), np.asarray(found.p_values(case.x))
    assert sets.shape == p.shape == (len(case.x), found.classes)
    np.testing.assert_array_equal(sets, p > 0.25 + 1e-6)
    # The calibration samples themselves: fewer than the share α are left out.
    assert sets[known][np.arange(len(y)), y].mean() >= 0.75


def test_a_network_has_sets():
    network = pz.networks.RecurrentNetwork.layered((5, 4, 3), key=0)
    found = trust.ConformalClassifier(network, X, Y, 0.8)
    assert np.asarray(found.predict_set(X))[np.arange(len(Y)), Y].mean() >= 0.8
    np.testing.assert_array_equal(found.predict(X), network.predict(X))
