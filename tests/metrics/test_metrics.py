"""Metrics against their definitions, on flat and curved spaces."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import multivariate_normal

import protozoo as pz
from protozoo import metrics


N, D, P = 11, 4, 3


def problem(space=None):
    space = pz.manifolds.Euclidean(D) if space is None else space
    x = space.random_points(jax.random.key(0), N)
    return x, pz.Prototypes(space.random_points(jax.random.key(1), P), None, space)


def displacement(x, prototypes) -> np.ndarray:
    return np.asarray(prototypes.space.coordinates(prototypes.points, x))


def normal(shape: tuple[int, ...], seed: int = 2) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def make_all(k: int) -> dict[str, tuple[metrics.AbstractQuadratic, np.ndarray]]:
    """Metrics and their Λ, (p, k, k), for coordinates of dimension k."""
    omega, local, logits = normal((k, 2)), normal((P, k, 2)), normal((k,))
    relevances = np.exp(logits) / np.exp(logits).sum()
    scales, upper = 0.3 * normal((P, k)), 0.3 * normal((P, k, k))
    factor = np.stack([np.diag(np.exp(s)) for s in scales]) + np.triu(upper, 1)
    diag = np.exp(np.asarray(scales))

    def all_of(matrix):
        return np.broadcast_to(matrix, (P, k, k))

    two = metrics.Relevance(normal((2,)))
    basis = jnp.linalg.qr(normal((P, k, 2)))[0]
    return {
        "euclidean": (metrics.SquaredEuclidean(), all_of(np.eye(k))),
        "relevance": (metrics.Relevance(logits), all_of(np.diag(relevances))),
        "omega": (metrics.Omega(omega), all_of(omega @ omega.T)),
        "local omega": (metrics.LocalOmega(local), local @ local.swapaxes(1, 2)),
        "omega, relevance": (
            metrics.Chain(metrics.Omega(omega), two),
            all_of(omega @ np.diag(two.relevances) @ omega.T),
        ),
        "relevance, local omega": (
            metrics.Chain(metrics.Relevance(logits), metrics.LocalOmega(local)),
            np.sqrt(relevances)[:, None] * (local @ local.swapaxes(1, 2)) * np.sqrt(relevances),
        ),
        "mahalanobis": (
            metrics.Mahalanobis(metrics.Full(scales, upper), normalisation="none"),
            factor @ factor.swapaxes(1, 2),
        ),
        "diagonal": (
            metrics.Mahalanobis(metrics.Diagonal(scales), normalisation="none"),
            np.stack([np.diag(f**2) for f in diag]),
        ),
        "tangent": (metrics.Tangent(basis), np.eye(k) - basis @ basis.swapaxes(1, 2)),
    }


SPACES = [pz.manifolds.Euclidean(D), pz.manifolds.Euclidean((2, 3)), pz.manifolds.SPD(3)]


@pytest.mark.parametrize("name", make_all(D))
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_quadratic_metric_is_its_quadratic_form(space, name):
    x, prototypes = problem(space)
    metric, matrices = make_all(space.coordinate_size)[name]
    v = displacement(x, prototypes)
    expected = np.einsum("npk,pkl,npl->np", v, matrices, v)
    np.testing.assert_allclose(metric(x, prototypes), expected, rtol=2e-4, atol=2e-5)
    model = pz.PrototypeModel(prototypes, metric, pz.losses.HardClustering())
    np.testing.assert_allclose(
        model.relevance_matrix(per_prototype=True), matrices, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(model.relevance_matrix(), matrices.mean(0), rtol=1e-4, atol=1e-5)


def test_identical_local_maps_are_the_shared_one():
    x, prototypes = problem()
    omega = normal((D, 3))
    np.testing.assert_allclose(
        metrics.LocalOmega(jnp.broadcast_to(omega, (P, D, 3)))(x, prototypes),
        metrics.Omega(omega)(x, prototypes),
        rtol=1e-4,
        atol=1e-5,
    )
    euclidean = metrics.SquaredEuclidean()(x, prototypes)
    np.testing.assert_allclose(
        metrics.Omega.identity(D)(x, prototypes), euclidean, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        D * metrics.Relevance.uniform(D)(x, prototypes), euclidean, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("space", [SPACES[0], SPACES[2]], ids=str)
def test_gaussian_kernel(space):
    x, prototypes = problem(space)
    bandwidths = np.array([0.5, 1.0, 2.0], np.float32)
    inner = metrics.Omega(normal((space.coordinate_size, 2)))
    s = np.asarray(inner(x, prototypes))
    kernel = metrics.GaussianKernel.with_bandwidths(inner, bandwidths)
    np.testing.assert_allclose(
        kernel(x, prototypes), 2 - 2 * np.exp(-s / (2 * bandwidths**2)), rtol=1e-3, atol=1e-5
    )
    wide = metrics.GaussianKernel.with_bandwidths(inner, 1e3)
    np.testing.assert_allclose(1e6 * wide(x, prototypes), s, rtol=1e-3, atol=1e-4)


def test_gaussian_kernel_resolves_small_distances():
    prototypes = pz.Prototypes(jnp.zeros((1, 1)))
    kernel = metrics.GaussianKernel.with_bandwidths(metrics.SquaredEuclidean(), 1.0)
    np.testing.assert_allclose(kernel(jnp.array([[1e-4]]), prototypes), [[1e-8]], rtol=1e-4)


def test_bandwidths_start_at_the_median_distance_of_the_own_class():
    x, _ = problem()
    prototypes = pz.Prototypes(normal((3, D)), np.array([0, 0, 1]))
    y = np.arange(N) % 2
    inner = metrics.Relevance(normal((D,)))
    root = np.sqrt(inner(x, prototypes))
    expected = [np.median(root[y == k, j]) for j, k in enumerate((0, 0, 1))]
    kernel = metrics.GaussianKernel.from_data(inner, x, prototypes, jnp.asarray(y))
    np.testing.assert_allclose(kernel.bandwidths, expected, rtol=1e-5)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_normalised_mahalanobis_is_minus_two_log_density(covariance):
    x, prototypes = problem()
    a = np.asarray(normal((P, D, D)))
    full = a @ a.swapaxes(1, 2) + 0.5 * np.eye(D)
    given = full if covariance == "full" else np.stack([np.diag(f) for f in full])
    metric = metrics.Mahalanobis.from_covariances(given)
    np.testing.assert_allclose(metric.covariances, given, rtol=1e-4, atol=1e-5)
    for j, w in enumerate(prototypes.points):
        density = multivariate_normal(w, full[j] if covariance == "full" else np.diag(given[j]))
        np.testing.assert_allclose(metric(x, prototypes)[:, j], -2 * density.logpdf(x), rtol=1e-4)


def test_a_metric_of_ones_own(key):
    """Ten lines: an L1 distance, with a loss, trained and asked like every other."""

    class Manhattan(metrics.AbstractMetric):
        def __call__(self, x, prototypes):
            return jax.vmap(lambda w: jnp.sum(jnp.abs(x - w), axis=1), out_axes=1)(
                prototypes.points
            )

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)) + np.repeat([[0, 0], [3, 3]], 15, axis=0), np.repeat([0, 1], 15)
    for loss in (pz.losses.GLVQ(), pz.losses.RSLVQ(), pz.losses.CrossEntropy()):
        model = pz.PrototypeModel(pz.Prototypes.from_classes(x, y, key=key), Manhattan(), loss)

        fit = pz.Trainer(pz.GradientDescent(optax.adam(0.05)), 30).fit(model, x, y, key=key)
        assert fit.history["loss"][-1] < fit.history["loss"][0]
        assert np.mean(np.asarray(fit.model.predict(x)) == y) > 0.9
        with pytest.raises(ValueError, match="transform.*quadratic.*Manhattan"):
            fit.model.transform(x)
        with pytest.raises(ValueError, match="Manhattan has no closed form"):
            pz.Trainer(pz.AlternatingOptimization(), 1).fit(model, x, y, key=key)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Omega.identity(3, 4), "latent_dim.*between 1 and.*3, got 4"),
        (lambda: metrics.LocalOmega.identity(2, 3, 0), "latent_dim.*got 0"),
        (
            lambda: metrics.GaussianKernel.with_bandwidths(metrics.SquaredEuclidean(), 0.0),
            "bandwidths.*positive",
        ),
        (
            lambda: metrics.Mahalanobis.from_data(*problem(), covariance="round"),
            "covariance.*'round'",
        ),
        (lambda: pz.manifolds.Euclidean(0), "shape.*positive"),
        (lambda: pz.Prototypes(jnp.zeros((2, 3)), np.array([1, 0])), "ascending"),
        (lambda: pz.Prototypes(jnp.zeros((2, 3)), np.array([0, 2])), "class 1 has no prototype"),
        (lambda: pz.Prototypes(jnp.zeros((2, 3)), np.array([0.0, 1.0])), "integers"),
        (
            lambda: pz.Prototypes(jnp.zeros((2, 3)), None, pz.manifolds.Euclidean(4)),
            "not points of",
        ),
        (lambda: pz.backbones.MLP((3,), key=jax.random.key(0)), "sizes.*two"),
    ],
)
def test_bad_parts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


WRAPPED = {
    "": lambda metric: metric,
    "kernel of one width, ": metrics.GaussianKernel,
    "kernel of ": lambda metric: metrics.GaussianKernel.with_bandwidths(
        metric, np.array([0.5, 1.0, 2.0])
    ),
    "distributions, ": lambda metric: metrics.Wasserstein(metric, 0.3 * normal((P, D), 4)),
}
WINNERS = {
    "GLVQ": pz.losses.GLVQ("sigmoid"),
    "LVQ1": pz.losses.LVQ1(),
    "LVQ21": pz.losses.LVQ21(0.9),
    "clustering": pz.losses.HardClustering(),
    "classwise clustering": pz.losses.ClasswiseClustering(),
}
#: Metrics whose derivatives are found in unlike ways.
UNLIKE = ("omega", "local omega", "tangent")


@pytest.mark.parametrize(
    ("wrapper", "name", "loss", "space"),
    [
        *(("", name, "GLVQ", SPACES[0]) for name in make_all(D)),
        *(
            pytest.param(
                "", name, "GLVQ", space, marks=() if name in UNLIKE else pytest.mark.nightly
            )
            for name in make_all(D)
            for space in SPACES[1:]
        ),
        *(
            (wrapper, name, "LVQ1", SPACES[0])
            for wrapper in list(WRAPPED)[1:]
            for name in ("euclidean", "tangent")
        ),
        *(
            ("", name, loss, SPACES[0])
            for name in ("omega", "local omega")
            for loss in list(WINNERS)[1:]
        ),
        ("", "normalised", "GLVQ", SPACES[0]),
    ],
    ids=str,
)
def test_a_derivative_at_the_winners_is_the_derivative(wrapper, name, loss, space, x64):
    """What training differentiates, against automatic differentiation of the whole matrix."""
    x, prototypes = problem(space)
    prototypes = pz.Prototypes(prototypes.points, np.array([0, 1, 1]), space)
    y = jnp.arange(N, dtype=jnp.int32) % 2
    if name == "normalised":
        metric = metrics.Mahalanobis(metrics.Diagonal(0.3 * normal((P, D))))
    else:
        metric = WRAPPED[wrapper](make_all(space.coordinate_size)[name][0])
    model = pz.PrototypeModel(prototypes, metric, WINNERS[loss])
    params, rest = eqx.partition(model, pz.training.trainable_mask(model))

    def trained(params, x):
        return eqx.combine(params, rest).loss_of(x, y, jnp.arange(N) / N)

    def whole(params, x):
        model = eqx.combine(params, rest)
        delta = model.metric(x, model.prototypes)
        return model.loss.total(delta, model.prototypes.labels, y, jnp.arange(N) / N, 1.0)

    value, gradient = jax.jit(jax.value_and_grad(trained, (0, 1)))(params, x)
    expected, expected_gradient = jax.jit(jax.value_and_grad(whole, (0, 1)))(params, x)
    assert any(jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)
