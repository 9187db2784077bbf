"""What is computed from data before training: sums in double precision, thin factorisations,
weights as copies."""

import tracemalloc

import jax
import numpy as np
import pytest
from zoo import blobs, matrices

import protozoo as pz
from protozoo import _statistics as statistics
from protozoo.metrics import Omega, Subspace, Tangent, _principal as principal


X, Y = blobs()
COPIES = np.arange(len(X)) % 4.0  # every fourth sample is not there
KEY = jax.random.key(0)
UNITS = [2.0**-60, 2.0**60]


def copies(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(a, COPIES.astype(int), axis=0) for a in arrays]


def spans(directions: np.ndarray) -> np.ndarray:
    """The projection on a subspace, which knows neither signs nor rotations."""
    directions = np.asarray(directions, float)
    return directions @ directions.T


def peak(function) -> int:
    """Bytes that NumPy takes in addition, at most."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Moments.


def test_means_and_variances_are_those_of_the_copies():
    mean, variance = statistics.mean_and_variance(X, COPIES)
    (many,) = copies(X.astype(float))
    np.testing.assert_allclose(mean, many.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(variance, many.var(axis=0), rtol=1e-13)
    shares, means = statistics.means_of_groups(X, Y, COPIES)
    (labels,) = copies(Y)
    np.testing.assert_allclose(shares, np.bincount(labels) / len(labels), rtol=1e-14)
    np.testing.assert_allclose(
        means, [many[labels == k].mean(axis=0) for k in range(3)], rtol=1e-13
    )


@pytest.mark.parametrize("huge", [1.0, 1e300, 1e-300])
def test_weights_may_have_any_size(huge):
    weight = (1.0 + COPIES) * huge
    for one, other in zip(
        statistics.mean_and_variance(X, weight),
        statistics.mean_and_variance(X, 1.0 + COPIES),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_sums_do_not_lose_what_many_samples_far_from_the_origin_are():
    """In float32, the mean of these samples is 9988.28."""
    x = (1e4 + np.random.default_rng(0).normal(size=(200_000, 2))).astype(np.float32)
    exact = x.astype(float)
    mean, variance = statistics.mean_and_variance(x)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-11)
    y = np.arange(len(x)) % 2
    points = pz.Prototypes.from_classes(x, y, key=KEY, initialiser="means").points
    np.testing.assert_array_equal(
        points, np.stack([exact[y == k].mean(axis=0) for k in range(2)]).astype(np.float32)
    )


def test_the_default_start_is_right_for_many_samples_far_from_the_origin():
    """Means that were summed in float32 lay twelve standard deviations away: accuracy 0.5 instead
    of 0.977."""
    rng = np.random.default_rng(1)
    y = np.arange(400_000) % 2
    x = (1e4 + 2 * (2 * y - 1) + rng.normal(size=len(y))).astype(np.float32)[:, None]
    model = pz.zoo.GLVQ(x, y, key=KEY)
    np.testing.assert_allclose(np.mean(np.asarray(model.predict(x)) == y), 0.9772, atol=1e-3)


def test_a_weighted_median_is_the_median_of_the_copies():
    rng = np.random.default_rng(0)
    for _ in range(300):
        values, weight = rng.integers(0, 9, 7).astype(float), rng.integers(1, 8, 7)
        assert statistics.weighted_median(values, weight.astype(float)) == np.median(
            np.repeat(values, weight)
        )
        assert statistics.weighted_median(values, 2.0**900 * weight) == np.median(
            np.repeat(values, weight)
        )


# Directions.


@pytest.mark.parametrize("block", [1, 2**17], ids=["few rows at a time", "all rows"])
@pytest.mark.parametrize("weighted", [False, True])
def test_principal_directions_are_eigenvectors_of_the_covariance(block, weighted, monkeypatch):
    monkeypatch.setattr(principal, "BLOCK", block)
    weight = COPIES if weighted else None
    (many,) = copies(X.astype(float)) if weighted else [X.astype(float)]
    values, vectors = np.linalg.eigh(np.cov(many.T, bias=True))
    weights, x, _ = statistics.present(np.ones(len(X)) if weight is None else weight, X)
    deviations, _ = principal.spectrum(x, statistics.mean(x, weights)[None], None, weights)
    np.testing.assert_allclose(deviations**2, values[::-1], rtol=1e-12)
    found = np.asarray(Omega.from_pca(X, 3, sample_weight=weight).matrix)
    np.testing.assert_allclose(np.abs(np.sum(found * vectors[:, :-4:-1], axis=0)), 1, rtol=1e-6)
    largest = np.abs(found).argmax(axis=0)
    assert (found[largest, np.arange(3)] > 0).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_discriminant_directions_are_those_of_fisher(weighted):
    weight = COPIES if weighted else None
    x, y = copies(X.astype(float), Y) if weighted else (X.astype(float), Y)
    means = np.stack([x[y == k].mean(axis=0) for k in range(3)])
    within = np.cov((x - means[y]).T, bias=True)
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(values) @ vectors.T
    between = np.cov((means[y] @ whitening).T, bias=True)
    expected = whitening @ np.linalg.eigh(between)[1][:, :-3:-1]
    found = np.asarray(Omega.from_lda(X, Y, 2, sample_weight=weight).matrix)
    np.testing.assert_allclose(spans(found), spans(expected), rtol=1e-4, atol=1e-5)
    # In units of the scatter within classes.
    np.testing.assert_allclose(found.T @ within @ found, np.eye(2), atol=1e-4)


def test_a_class_without_weight_is_no_class_of_discriminants():
    weight, there = np.where(Y == 1, 0.0, 1.0), Y != 1
    found = Omega.from_lda(X, Y, 1, sample_weight=weight).matrix
    np.testing.assert_array_equal(found, Omega.from_lda(X[there], Y[there], 1).matrix)
    assert np.isfinite(found).all()
    with pytest.raises(
        ValueError, match=r"`y` must have one label for each of the 60 samples, .*got \(59,\)"
    ):
        Omega.from_lda(X, Y[1:], 1)


def test_a_subspace_has_the_dimension_of_the_data():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(20, 3)))[0]
    x = (rng.normal(size=(200, 3)) * [10, 1, 1e-2] @ basis.T + 5).astype(np.float32)
    found = Subspace.spanned_by(x)
    assert found.rank == 3
    np.testing.assert_allclose(spans(found.basis), spans(basis), atol=1e-4)
    # Fewer samples than features span one dimension less than there are samples.
    assert Subspace.spanned_by(rng.normal(size=(5, 20)).astype(np.float32)).rank == 4


@pytest.mark.parametrize("weighted", [False, True])
def test_tangents_are_the_principal_directions_of_what_is_nearest(weighted):
    weight = COPIES if weighted else None
    prototypes = pz.Prototypes.from_classes(X, Y, 2, key=KEY)
    found = np.asarray(Tangent.from_data(X, prototypes, 1, Y, weight).bases)
    x, y = copies(X, Y) if weighted else (X, Y)
    points, labels = np.asarray(prototypes.points, float), prototypes.labels
    squares = ((x[:, None].astype(float) - points) ** 2).sum(-1)
    nearest = np.where(y[:, None] == labels, squares, np.inf).argmin(axis=1)
    for j in range(len(points)):
        mine = x[nearest == j].astype(float)
        if len(np.unique(mine, axis=0)) == 1:  # which varies in no direction: those of the class
            mine = x[y == labels[j]].astype(float)
        first = np.linalg.svd(mine - mine.mean(axis=0))[2][0]
        np.testing.assert_allclose(spans(found[j]), np.outer(first, first), atol=1e-5)


def test_samples_without_weight_are_not_there_and_whole_weights_are_copies():
    prototypes = pz.Prototypes.from_classes(X, Y, 1, key=KEY)
    makers = {
        "pca": lambda x, y, w=None: Omega.from_pca(x, 3, sample_weight=w).matrix,
        "lda": lambda x, y, w=None: Omega.from_lda(x, y, 2, sample_weight=w).matrix,
        "subspace": lambda x, y, w=None: Subspace.spanned_by(x, w).basis,
        "tangent": lambda x, y, w=None: Tangent.from_data(x, prototypes, 2, y, w).bases,
    }
    there = COPIES > 0
    for make in makers.values():
        np.testing.assert_array_equal(make(X, Y, there.astype(float)), make(X[there], Y[there]))
        np.testing.assert_array_equal(make(X, Y, 3.0 * there), make(X[there], Y[there]))
        np.testing.assert_allclose(make(X, Y, COPIES), make(*copies(X, Y)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_of_the_data_changes_directions(unit):
    scaled, prototypes = X * np.float32(unit), pz.Prototypes.from_classes(X, Y, 2, key=KEY)
    inside = pz.Prototypes(np.asarray(prototypes.points) * np.float32(unit), prototypes.labels)
    np.testing.assert_allclose(
        Omega.from_pca(scaled, 5).matrix, Omega.from_pca(X, 5).matrix, rtol=1e-6
    )
    lda = Omega.from_lda(X, Y, 2, normalised=True).matrix
    np.testing.assert_allclose(Omega.from_lda(scaled, Y, 2, normalised=True).matrix, lda, rtol=1e-5)
    np.testing.assert_allclose(
        Subspace.spanned_by(scaled).basis, Subspace.spanned_by(X).basis, rtol=1e-6
    )
    np.testing.assert_allclose(
        Tangent.from_data(scaled, inside, 2, Y).bases,
        Tangent.from_data(X, prototypes, 2, Y).bases,
        1e-6,
    )


def test_a_factorisation_takes_memory_for_its_result():
    """Not for a matrix of all samples (8,000 × 8,000: 512 MB) or of all features (3,000 × 3,000: 72
    MB)."""
    rng = np.random.default_rng(0)
    tall, wide = (
        rng.normal(size=(8000, 3)).astype(np.float32),
        rng.normal(size=(40, 3000)).astype(np.float32),
    )
    y = np.arange(40) % 2
    prototypes = pz.Prototypes(wide[:2], [0, 1])
    assert peak(lambda: Omega.from_pca(tall)) < 4e6
    assert peak(lambda: Omega.from_pca(wide, 2)) < 2e7
    assert peak(lambda: Omega.from_lda(wide, y, 2)) < 2e7
    assert peak(lambda: Subspace.spanned_by(wide)) < 2e7
    assert peak(lambda: Tangent.from_data(wide, prototypes, 2, y)) < 2e7


def test_directions_of_wide_data_are_those_of_a_full_decomposition():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(40, 300)).astype(np.float32)
    full = np.linalg.svd(wide - wide.astype(float).mean(axis=0))[2]
    np.testing.assert_allclose(spans(Omega.from_pca(wide, 5).matrix), spans(full[:5].T), atol=1e-6)
    # Beyond those in which 40 samples vary, any directions that are orthogonal to them.
    all_of_them = np.asarray(Omega.from_pca(wide, 60).matrix)
    np.testing.assert_allclose(all_of_them.T @ all_of_them, np.eye(60), atol=1e-6)
    np.testing.assert_allclose(spans(all_of_them[:, :39]), spans(full[:39].T), atol=1e-6)


# Where prototypes start.


@pytest.mark.parametrize("initialiser", ["samples", "means", "kmeans++"])
@pytest.mark.parametrize("data", [blobs, matrices])
def test_a_start_does_not_see_samples_without_weight(initialiser, data):
    x, y = data()
    space = None if data is blobs else pz.manifolds.SPD(3)
    there = COPIES > 0
    settings = {"key": KEY, "initialiser": initialiser, "space": space}
    for weight, some in ((1.0 * there, {}), (1.0 * COPIES, {"sample_weight": COPIES[there]})):
        of_classes = pz.Prototypes.from_classes(x, y, 2, sample_weight=weight, **settings)
        alone = pz.Prototypes.from_classes(x[there], y[there], 2, **some, **settings)
        np.testing.assert_array_equal(of_classes.points, alone.points)
        clusters = pz.Prototypes.from_samples(x, 3, sample_weight=weight, **settings)
        np.testing.assert_array_equal(
            clusters.points, pz.Prototypes.from_samples(x[there], 3, **some, **settings).points
        )


@pytest.mark.parametrize("data", [blobs, matrices])
def test_weighted_means_are_those_of_the_copies(data):
    x, y = data()
    settings = {
        "key": KEY,
        "initialiser": "means",
        "space": None if data is blobs else pz.manifolds.SPD(3),
    }
    weighted = pz.Prototypes.from_classes(x, y, 2, sample_weight=COPIES, **settings).points
    np.testing.assert_allclose(
        weighted,
        pz.Prototypes.from_classes(*copies(x, y), 2, **settings).points,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("initialiser", ["samples", "kmeans++"])
def test_random_starts_are_as_frequent_as_their_weights_say(initialiser):
    x, weight = np.array([[0.0], [1.0], [2.0]], np.float32), np.array([1.0, 2.0, 5.0])
    found = [
        float(
            pz.Prototypes.from_samples(
                x, 1, key=jax.random.key(i), initialiser=initialiser, sample_weight=weight
            ).points[0, 0]
        )
        for i in range(800)
    ]
    shares = np.array([found.count(v) for v in (0.0, 1.0, 2.0)]) / len(found)
    np.testing.assert_allclose(shares, weight / 8, atol=0.06)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("initialiser", ["samples", "means", "kmeans++"])
def test_no_unit_of_the_data_changes_a_start(initialiser, unit):
    settings = {"key": KEY, "initialiser": initialiser, "sample_weight": 1.0 + COPIES}
    start = pz.Prototypes.from_classes(X, Y, 3, **settings).points
    scaled = pz.Prototypes.from_classes(X * np.float32(unit), Y, 3, **settings).points
    np.testing.assert_array_equal(np.asarray(scaled) / np.float32(unit), start)


@pytest.mark.parametrize("feature", UNITS)
def test_no_unit_of_a_feature_changes_where_components_start(feature):
    unit = np.array([1, feature, 1, 1 / feature, 1], np.float32)
    start = pz.zoo.GaussianMixture(X, key=KEY, prototypes=4).prototypes.points
    scaled = pz.zoo.GaussianMixture(X * unit, key=KEY, prototypes=4).prototypes.points
    np.testing.assert_array_equal(np.asarray(scaled) / unit, start)


def test_an_initialiser_of_ones_own_is_told_of_weights_if_it_asks():
    seen = []

    def first(x, count, key, space):
        seen.append((len(x), None))
        return x[:count]

    def heaviest(x, count, key, space, weight=None):
        seen.append((len(x), weight))
        return x[:count] if weight is None else x[np.argsort(-weight, kind="stable")[:count]]

    weight = np.where(Y == 0, COPIES, 2 * (COPIES > 0))
    settings = {"key": KEY, "sample_weight": weight}
    np.testing.assert_array_equal(
        pz.Prototypes.from_classes(X, Y, initialiser=first, **settings).points,
        [X[Y == k][1] for k in range(3)],
    )
    points = pz.Prototypes.from_classes(X, Y, initialiser=heaviest, **settings).points
    np.testing.assert_array_equal(points, [X[3], X[21], X[41]])
    assert [n for n, _ in seen] == [15] * 6
    # Equal weights of a class say nothing.
    np.testing.assert_array_equal(seen[3][1], np.tile([1, 2, 3], 5))
    assert seen[4][1] is None and seen[5][1] is None


def test_no_more_prototypes_than_samples_with_a_weight():
    weight = np.where(np.arange(len(X)) < 2, 1.0, np.where(Y == 0, 0.0, 1.0))
    with pytest.raises(
        ValueError,
        match="`per_class` asks for 3 prototypes, but class 0 has only 2 samples of a weight "
        "above zero",
    ):
        pz.Prototypes.from_classes(X, Y, 3, key=KEY, sample_weight=weight)


def test_an_array_that_is_written_afterwards_changes_nothing():
    """JAX takes over an array of NumPy that begins at a multiple of 64 bytes, and copies others in
    the background."""
    for n, offset in ((200, 0), (200, 16), (100_000, 0), (100_000, 16)):
        memory = np.ones(16 * n + 32, np.float32)
        start = (-memory.ctypes.data % 64 + offset) // 4
        points = memory[start : start + 16 * n].reshape(n, 16)
        prototypes = pz.Prototypes(points)
        points[:] = 5
        assert float(prototypes.points.max()) == 1
