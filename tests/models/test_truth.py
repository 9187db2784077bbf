"""What a model answers is what exact arithmetic would, or refused: near and far, in any unit, of
any dtype.

Each test holds data that once were answered wrongly without a word, and the right value.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_wine
from zoo import CASES, blobs

import protozoo as pz


X, Y = blobs()
KEY = jax.random.key(0)
CORNERS = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], np.float32)


def trained(name: str) -> pz.PrototypeModel:
    (case,) = [c for c in CASES if str(c) == name]
    return case.model


def squares(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Squared distances by differences, in float64."""
    v = np.asarray(x, np.float64)[:, None] - np.asarray(points, np.float64)[None]
    return np.sum(v**2, axis=2)


# Far away.


def soft_models() -> dict[str, pz.PrototypeModel]:
    prototypes = pz.Prototypes(CORNERS, [0, 1, 2])
    euclidean, omega = pz.metrics.SquaredEuclidean(), pz.metrics.Omega(np.eye(2), normalised=True)
    return {
        "RSLVQ": pz.PrototypeModel(prototypes, euclidean, pz.losses.RSLVQ(0.3)),
        "SLVQ": pz.PrototypeModel(prototypes, euclidean, pz.losses.SoftLVQ(0.3)),
        "MRSLVQ": pz.PrototypeModel(prototypes, omega, pz.losses.RSLVQ(0.3)),
        "CELVQ": pz.PrototypeModel(prototypes, euclidean, pz.losses.CrossEntropy(0.3)),
    }


@pytest.mark.parametrize("name", soft_models())
def test_far_queries_get_the_limit_of_the_posterior(name):
    model = soft_models()[name]
    x = np.zeros((13, 2), np.float32)
    x[0] = 0.1, 0.2
    for k, far in enumerate((1e5, 1e18, 1e30)):
        x[1 + 4 * k : 5 + 4 * k] = [[far, 0], [-far, 0], [0, far], [far, far]]
    # By differences of squares, ‖w_j‖² - 2 x·w_j: what decides between prototypes grows with the
    # distance.
    winner = np.tile([1, 0, 2, 2], 3)
    proba = model.predict_proba(x)
    np.testing.assert_allclose(proba[1:], np.eye(3)[winner], atol=1e-6)
    np.testing.assert_array_equal(model.predict(x)[1:], winner)
    np.testing.assert_allclose(model.confidence(x)[1:], 1, atol=1e-6)
    # Far samples change nothing for another one.
    np.testing.assert_array_equal(proba[0], model.predict_proba(np.repeat(x[:1], 13, axis=0))[0])


def test_where_nothing_is_known_confidence_is_zero():
    """Beyond prototypes that are equally far, in the limit, a relative distance tells nothing; nor
    does a kernel."""
    prototypes = pz.Prototypes(CORNERS, [0, 1, 2])
    x = np.array([[f, f] for f in (1e5, 1e8, 1e18, 1e30, -1e30)], np.float32)
    for metric in (
        pz.metrics.SquaredEuclidean(),
        pz.metrics.GaussianKernel(pz.metrics.SquaredEuclidean()),
    ):
        model = pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ())
        np.testing.assert_allclose(model.predict_proba(x), 1 / 3, atol=2e-5)
        assert (model.confidence(x) < 5e-5).all()


# Not a number.


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
def test_norms_of_what_is_no_number_are_none(order):
    points = jnp.array([[0.0, 0.0], [jnp.nan, 0.0], [3.0, 4.0]])
    prototypes = eqx.tree_at(lambda p: p.points, pz.Prototypes(CORNERS), points)
    metric = pz.metrics.LpNorm(order)
    delta = np.asarray(metric(jnp.asarray([[0.0, 0.0], [0.0, jnp.nan]]), prototypes))
    assert np.isnan(delta).tolist() == [[False, True, False], [True, True, True]]
    np.testing.assert_allclose(delta[0, [0, 2]], [0, np.linalg.norm([3, 4], order)], rtol=1e-6)
    model = pz.PrototypeModel(pz.Prototypes(CORNERS, [0, 1, 2]), metric, pz.losses.GLVQ())
    with pytest.raises(ValueError, match=r"`x` has 1 values that are NaN or infinite"):
        model.predict(np.array([[0.0, np.nan]]))


@pytest.mark.parametrize("bandwidths", [0.1, np.full(3, 0.1), np.array([0.1, 0.2, 0.1])])
@pytest.mark.parametrize("loss", [pz.losses.GLVQ(), pz.losses.Fuzzy()], ids=["GLVQ", "Fuzzy"])
def test_a_kernel_that_saturates_tells_who_is_nearest(loss, bandwidths):
    """In 64 bits, where it does not yet, and by directions farther out."""
    kernel = pz.metrics.GaussianKernel.with_bandwidths(pz.metrics.SquaredEuclidean(), bandwidths)
    labels = [0, 1, 2] if loss.supervised else None
    model = pz.PrototypeModel(pz.Prototypes(CORNERS, labels), kernel, loss)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    for size in (1.0, 3.0, 30.0, 1e4, 1e18):
        far = (CORNERS.mean(axis=0) + size * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(
            np.float32
        )
        # Without what those of a sample have in common.
        precisions, wide = 1 / np.broadcast_to(bandwidths, 3).astype(float) ** 2, far.astype(float)
        exponents = precisions * (np.sum(CORNERS**2.0, axis=1) - 2 * wide @ CORNERS.T)
        exponents += (precisions - precisions.max()) * np.sum(wide**2, axis=1, keepdims=True)
        ordered = np.sort(exponents, axis=1)
        clear = ordered[:, 1] - ordered[:, 0] > 1e-3 * np.abs(exponents).max(axis=1)
        assert clear.mean() > 0.5
        nearest = exponents.argmin(axis=1)[clear]
        np.testing.assert_array_equal(np.asarray(model.predict(far))[clear], nearest)
        np.testing.assert_array_equal(model.predict_proba(far).argmax(axis=1)[clear], nearest)
        np.testing.assert_array_equal(model.distances(far).argmin(axis=1)[clear], nearest)
        # What is near and equally far from two is answered as if nothing were far.
        between = np.array([[0.0, -0.1]], np.float32)
        together = model.predict_proba(np.concatenate([between, far]))
        np.testing.assert_array_equal(together[:1], model.predict_proba(between))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", ["Gaussian", "exponential"])
def test_kernels_that_saturate_refuse_what_is_not_finite(kernel, value):
    metrics = {
        "Gaussian": pz.metrics.GaussianKernel(pz.metrics.SquaredEuclidean()),
        "exponential": pz.metrics.ExponentialKernel(0.3 * np.eye(2)),
    }
    model = pz.PrototypeModel(pz.Prototypes(CORNERS, [0, 1, 2]), metrics[kernel], pz.losses.GLVQ())
    x = np.zeros((5, 2), np.float32)
    x[3, 1] = value
    with pytest.raises(
        ValueError,
        match=r"`x` has 1 values that are NaN or infinite, the first one at index \(3, 1\)",
    ):
        model.predict(x)
    broken = eqx.tree_at(
        lambda m: m.prototypes.points, model, model.prototypes.points.at[1, 0].set(value)
    )
    with pytest.raises(ValueError, match="parameters that are NaN or infinite"):
        broken.predict(np.zeros((5, 2), np.float32))


def test_in_a_program_of_ones_own_what_is_not_known_is_no_class():
    x = np.zeros((5, 2), np.float32)
    x[1, 0], x[3, 1] = np.nan, np.inf
    bad = np.array([False, True, False, True, False])
    model = soft_models()["RSLVQ"]
    label, proba, confidence, delta = jax.jit(
        lambda x: (
            model.predict(x),
            model.predict_proba(x),
            model.confidence(x),
            model.distances(x),
        )
    )(x)
    np.testing.assert_array_equal(label, np.where(bad, -1, label[0]))
    assert label[0] in (0, 1)
    for answer in (proba, confidence[:, None], delta):
        np.testing.assert_array_equal(np.isnan(answer), np.broadcast_to(bad[:, None], answer.shape))
    broken = eqx.tree_at(
        lambda m: m.prototypes.points, model, model.prototypes.points.at[0, 0].set(jnp.nan)
    )
    np.testing.assert_array_equal(eqx.filter_jit(lambda m, x: m.predict(x))(broken, x[:1]), [-1])


# Close together, and far from each other.


def test_four_tight_clusters_far_apart_are_told_apart():
    """Standard deviation 0.25 about ±1e4 ± 1: by expanded squares, 228 of 400 were right."""
    rng = np.random.default_rng(0)
    centres = np.array([[a + b, a + b] for a in (-1e4, 1e4) for b in (-1, 1)])
    y = np.repeat(np.arange(4), 100)
    # In six features, distances go through a matrix product.
    x = np.concatenate(
        [centres[y] + 0.25 * rng.normal(size=(400, 2)), 0.25 * rng.normal(size=(400, 4))], axis=1
    )
    x = x.astype(np.float32)
    points = np.stack([x[y == k].mean(axis=0, dtype=np.float64) for k in range(4)])
    assert (squares(x, points).argmin(axis=1) == y).all()
    prototypes, euclidean = (
        pz.Prototypes(points.astype(np.float32), np.arange(4)),
        pz.metrics.SquaredEuclidean(),
    )
    for metric, loss in (
        (euclidean, pz.losses.GLVQ()),
        (euclidean, pz.losses.RSLVQ(0.1)),
        (pz.metrics.Omega.identity(6, normalised=True), pz.losses.GLVQ()),
        (pz.metrics.LocalOmega.identity(4, 6, normalised=True), pz.losses.GLVQ()),
    ):
        right = np.asarray(pz.PrototypeModel(prototypes, metric, loss).predict(x)) == y
        assert right.sum() == 400, (metric, loss)


def neighbours() -> tuple[np.ndarray, np.ndarray]:
    """Points on a map of 100 km, in metres, in pairs that are five metres apart."""
    rng = np.random.default_rng(1)
    first = rng.uniform(0, 1e5, size=(300, 6))
    step = rng.normal(size=first.shape)
    second = first + 5 * step / np.linalg.norm(step, axis=1, keepdims=True)
    return first.astype(np.float32), second.astype(np.float32)


def test_the_nearest_of_points_five_metres_apart_over_100_km_is_found():
    first, second = neighbours()
    nearest = squares(second, first).argmin(axis=1)
    assert (nearest == np.arange(300)).all()
    labels = np.arange(300)
    for loss in (pz.losses.GLVQ(), pz.losses.NearestNeighbours(1), pz.losses.RSLVQ(25.0)):
        model = pz.PrototypeModel(pz.Prototypes(first, labels), pz.metrics.SquaredEuclidean(), loss)
        np.testing.assert_array_equal(model.predict(second), nearest)
    np.testing.assert_allclose(
        np.asarray(model.distances(second))[labels, nearest],
        squares(second, first).min(axis=1),
        rtol=1e-5,
    )
    y = labels % 3
    model = pz.zoo.KNN(first, y, key=KEY, neighbours=1)
    np.testing.assert_array_equal(model.predict(second), y[nearest])


def em(
    x: np.ndarray, points: np.ndarray, variances: np.ndarray, full: bool, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Expectation-maximisation in float64, with densities by differences: the covariances, or
    variances."""
    x, weights = np.asarray(x, np.float64), np.full(len(points), 1 / len(points))
    covariances = np.stack([np.diag(v) for v in variances])
    for _ in range(steps):
        v = x[:, None] - points[None]
        inverse = np.linalg.inv(covariances)
        logs = (
            np.log(weights)
            - 0.5 * np.einsum("npi,pij,npj->np", v, inverse, v)
            - 0.5 * np.linalg.slogdet(covariances)[1]
        )
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        total = shares.sum(axis=0)
        weights, points = total / len(x), shares.T @ x / total[:, None]
        v = x[:, None] - points[None]
        covariances = np.einsum("np,npi,npj->pij", shares, v, v) / total[:, None, None]
        if not full:
            covariances = covariances * np.eye(x.shape[1])
    return points, covariances


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_variances_of_clusters_at_3000_and_minus_3000_are_their_own(covariance):
    """Moments about a common point gave 2.28 and 0.0 in place of 1."""
    rng = np.random.default_rng(2)
    centres = np.repeat([[-3000.0, -3000.0], [3000.0, 3000.0]], 500, axis=0)
    x = (centres + rng.normal(size=centres.shape)).astype(np.float32)
    model = pz.zoo.GaussianMixture(x, key=KEY, prototypes=2, covariance=covariance)
    order = np.argsort(np.asarray(model.prototypes.points)[:, 0])
    fit = pz.zoo.GaussianMixture.trainer().fit(model, x, key=KEY)
    found = np.asarray(fit.model.metric.covariances)[order]
    points = np.asarray(model.prototypes.points, np.float64)[order]
    start = np.exp(-2 * np.asarray(model.metric.covariance.log_scales, np.float64))
    means, expected = em(x, points, start, covariance == "full", fit.epochs)
    if covariance == "diagonal":
        found = np.stack([np.diag(v) for v in found])
    np.testing.assert_allclose(np.asarray(fit.model.prototypes.points)[order], means, rtol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1, atol=0.15)


# In any unit.


@pytest.mark.parametrize("unit", [1e-9, 1e-13, 1e9])
def test_glvq_in_tiny_units_has_the_probabilities_that_it_has(unit):
    """Between 1/δ at 1 and at 64, 0.985; with a floor of 1e-17 under δ, 0.38, or class 0 for all
    samples."""
    points, x = np.array([[0.0, 0.0], [9.0, 0.0]]), np.array([[1.0, 0.0], [8.0, 0.0], [4.5, 1.0]])
    model = pz.PrototypeModel(
        pz.Prototypes(points * unit, [0, 1]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    expected = 64 / 65
    np.testing.assert_allclose(
        model.predict_proba(x * unit),
        [[expected, 1 - expected], [1 - expected, expected], [0.5, 0.5]],
        atol=1e-5,
    )
    np.testing.assert_array_equal(model.predict(x[:2] * unit), [0, 1])
    assert round(expected, 3) == 0.985


@pytest.mark.parametrize("unit", [1e-9, 1e-15, 1e15])
def test_fuzzy_c_means_finds_the_same_centres_in_any_unit(unit):
    def centres(x: np.ndarray) -> np.ndarray:
        model = pz.zoo.FCM(x, key=KEY, prototypes=3)
        # As many steps in each unit: where the loss has no more digits, centres still move.
        trainer = pz.zoo.FCM.trainer(epochs=30, stopping=None)
        return np.asarray(trainer.fit(model, x, key=KEY).model.prototypes.points, np.float64)

    one = X[:, :2].astype(np.float64)
    np.testing.assert_allclose(centres(one * unit) / unit, centres(one), rtol=1e-4, atol=1e-5)


def test_a_mixture_of_raw_wine_keeps_its_smallest_variance():
    """Features of variance .015 and of 99,000: 2.62 was once added to each."""
    x = load_wine().data
    until = pz.Stopping(tolerance=1e-6)
    fit = pz.fit(
        "GaussianMixture",
        x,
        key=KEY,
        covariance="diagonal",
        prototypes=3,
        epochs=500,
        stopping=until,
    )
    variances = np.asarray(fit.model.metric.covariances)
    smallest = x.var(axis=0).min()
    assert 0.01 < smallest < 0.02
    k = int(x.var(axis=0).argmin())
    # A component's variance lies below that of all data, and is no regularisation.
    assert (variances[:, k] < 1.5 * smallest).all() and (variances[:, k] > 0.1 * smallest).all()
    responsibilities = np.asarray(fit.model.predict_proba(x), np.float64)
    shares = responsibilities / responsibilities.sum(axis=0)
    means = shares.T @ x
    expected = np.stack([s @ (x - m) ** 2 for s, m in zip(shares.T, means, strict=True)])
    np.testing.assert_allclose(variances, expected, rtol=0.05)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_two_normal_distributions_100_apart_have_deviation_one(covariance):
    x = np.random.default_rng(3).normal(size=(1000, 1))
    x[500:] += 100
    fit = pz.fit("GaussianMixture", x, key=KEY, prototypes=2, covariance=covariance)
    deviations = np.sqrt(np.asarray(fit.model.metric.covariances)).reshape(-1)
    expected = np.array([x[:500].std(), x[500:].std()])
    order = np.argsort(np.asarray(fit.model.prototypes.points)[:, 0])
    np.testing.assert_allclose(deviations[order], expected, rtol=1e-3)
    np.testing.assert_allclose(expected, 1, atol=0.1)


@pytest.mark.parametrize("unit", [1e-25, 1e-35, 1e25, 1e37])
def test_cosines_know_no_length(unit):
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    x = np.array([[3.0, 4.0], [-3.0, 0.0], [0.0, 0.0]])
    expected = np.array([[0.4, 0.2], [2.0, 1.0], [1.0, 1.0]])
    metric = pz.metrics.Cosine()
    prototypes = pz.Prototypes(points)
    np.testing.assert_allclose(
        metric(jnp.asarray(x * unit, jnp.float32), prototypes), expected, atol=1e-6
    )
    scaled = pz.Prototypes((points * unit).astype(np.float32))
    np.testing.assert_allclose(metric(jnp.asarray(x, jnp.float32), scaled), expected, atol=1e-6)


# Of any dtype.


@pytest.mark.parametrize("dtype", [int, np.uint8, bool])
def test_prototypes_of_whole_numbers_move(dtype, unchecked):
    points = np.array([[0, 0], [1, 0]]).astype(dtype)
    x, y = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]).astype(dtype), np.array([0, 1, 0, 1])
    same = [pz.Prototypes(points.tolist(), [0, 1]), pz.Prototypes(points, [0, 1])]
    same.append(pz.Prototypes.from_classes(x, y, key=jax.random.key(0)))
    trainer = pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), epochs=3)
    for prototypes in same:
        assert prototypes.points.dtype == jnp.float32
        model = pz.PrototypeModel(prototypes, pz.metrics.SquaredEuclidean(), pz.losses.RSLVQ(1.0))
        float_x = x.astype(np.float32)
        # Of small unsigned integers, differences below zero would wrap around.
        np.testing.assert_allclose(
            model.distances(x), squares(float_x, prototypes.points), atol=1e-6
        )
        fit = trainer.fit(model, x, y, key=KEY)
        assert not np.array_equal(fit.model.prototypes.points, prototypes.points)
        other = trainer.fit(model, float_x, y, key=KEY)
        np.testing.assert_array_equal(fit.model.prototypes.points, other.model.prototypes.points)


def test_parameters_of_16_bits_are_float32():
    half = CORNERS.astype(np.float16)
    model = pz.PrototypeModel(
        pz.Prototypes(half, [0, 1, 2]),
        pz.metrics.Omega(np.eye(2, dtype=np.float16)),
        pz.losses.RSLVQ(np.float16(0.5)),
    )
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(jnp.float32)}


def test_seventy_thousand_samples_of_16_bits_have_a_loss():
    """A float16 holds no count beyond 65,504: n was infinite, and the loss zero."""
    x, y = np.tile(X, (1200, 1)).astype(np.float16), np.tile(Y, 1200)
    model = trained("GLVQ")
    few = model.loss_of(jnp.asarray(X), jnp.asarray(Y, jnp.int32), jnp.full(len(X), 1 / len(X)))
    fit = pz.zoo.GLVQ.trainer(epochs=2).fit(model, x, y, key=KEY)
    np.testing.assert_allclose(fit.history["loss"][0], few, rtol=1e-4)
    assert fit.history["loss"][1] < fit.history["loss"][0] < 0


def test_distinct_values_that_become_equal_are_told_of():
    seconds = 1.7e9 + np.arange(100.0)
    x = np.stack([np.linspace(0, 1, 100), seconds], axis=1)
    assert len(np.unique(seconds.astype(np.float32))) < 5
    y = np.arange(100) % 2
    with pytest.warns(
        UserWarning,
        match=r"`x` become equal in float32, in feature 1 \(100 values become \d\): subtract",
    ):
        model = pz.zoo.GLVQ(x, y, key=KEY)
    with pytest.warns(UserWarning, match="in feature 1"):
        model.predict(x)
    with pytest.warns(UserWarning, match="in feature 1"):
        pz.zoo.GLVQ.trainer(epochs=1).fit(model, x, y, key=KEY)
    # Without an offset, nothing is lost, and nothing said.
    pz.zoo.GLVQ(x - x.mean(axis=0), y, key=KEY)
