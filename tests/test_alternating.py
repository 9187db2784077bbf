"""Alternating optimisation is the textbook's algorithms: monotone objectives, fixed points, other libraries' results."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture
from zoo import blobs, matrices

import protozoo as pz
from protozoo.training._alternating import displacement_moments


def run(model, x, key, epochs=200, tolerance: float | None = 0.0, **settings) -> pz.training.Fit:
    stopping = pz.Stopping(tolerance=tolerance)
    return pz.Trainer(pz.AlternatingOptimization(), epochs, stopping=stopping, **settings).fit(model, x, key=key)


def clustering(loss, x, points, metric=None, space=None):
    metric = pz.metrics.SquaredEuclidean() if metric is None else metric
    return pz.PrototypeModel(pz.Prototypes(points, None, space), metric, loss)


def mixture(x, points, covariance) -> pz.PrototypeModel:
    prototypes = pz.Prototypes(points)
    metric = pz.metrics.Mahalanobis.from_data(x, prototypes, covariance, regularisation=1e-6)
    return pz.PrototypeModel(prototypes, metric, pz.losses.Mixture.uniform(len(points)))


LOSSES = {
    "hard": pz.losses.HardClustering,
    "fuzzy": lambda: pz.losses.Fuzzy(1.7),
    "neural gas": lambda: pz.losses.Cooperative(pz.RankCooperation(1.3)),
    "mixture": lambda: pz.losses.Mixture.uniform(4),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kernel", [False, True], ids=["", "kernel"])
def test_the_objective_never_increases(loss, kernel, key):
    x, _ = blobs()
    metric = pz.metrics.SquaredEuclidean()
    if kernel:
        metric = pz.metrics.GaussianKernel.with_bandwidths(metric, 2.0)
    model = clustering(LOSSES[loss](), x, x[:4], metric)
    fit = run(model, x, key, epochs=40, tolerance=None, freeze="metric" if kernel else None)
    losses = fit.history["loss"]
    assert len(losses) == 40
    assert np.diff(losses).max() <= 1e-6 * abs(losses[0])
    assert losses[-1] < 0.99 * losses[0]


def test_the_objective_never_increases_with_covariances(key, x64):
    x = jnp.asarray(load_iris().data)
    for covariance in ("full", "diagonal"):
        losses = run(mixture(x, x[::50], covariance), x, key, epochs=60, tolerance=None).history["loss"]
        # Regularised covariances are not quite the maximisers; the objective may rise by as little.
        assert np.diff(losses).max() <= 1e-5
        assert losses[-1] < losses[0] - 0.5


def test_the_objective_never_increases_on_curved_spaces(key):
    x, _ = matrices()
    space = pz.manifolds.SPD(3)
    fit = run(clustering(pz.losses.Fuzzy(), x, x[::20], space=space), x, key, epochs=15, tolerance=None)
    assert np.diff(fit.history["loss"]).max() <= 1e-6
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert space.violation(fit.model.prototypes.points) is None


@pytest.mark.parametrize("k", [3, 7])
def test_k_means_reaches_the_inertia_of_scikit_learn(k, key):
    x = load_iris().data.astype(np.float32)
    start = x[np.random.default_rng(k).choice(len(x), k, replace=False)]
    fit = run(clustering(pz.losses.HardClustering(), x, start), x, key)
    other = KMeans(k, init=start, n_init=1, tol=0, algorithm="lloyd").fit(x)
    assert fit.reason == "converged"
    inertia = float(fit.model.distances(x).min(axis=1).sum())
    np.testing.assert_allclose(inertia, other.inertia_, rtol=1e-5)
    np.testing.assert_array_equal(fit.model.predict(x), other.labels_)


def test_an_empty_cluster_keeps_its_place(key):
    x, _ = blobs()
    points = np.concatenate([x[:2], np.full((1, x.shape[1]), 1e3, np.float32)])
    fit = run(clustering(pz.losses.HardClustering(), x, points), x, key)
    np.testing.assert_allclose(fit.model.prototypes.points[2], points[2], rtol=1e-6)
    assert jnp.isfinite(fit.model.prototypes.points).all()


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_a_mixture_is_that_of_scikit_learn(covariance, key, x64):
    x = load_iris().data
    model = mixture(jnp.asarray(x), jnp.asarray(x[::50]), covariance)
    given = np.asarray(model.metric.covariances)
    other = GaussianMixture(
        3,
        covariance_type={"full": "full", "diagonal": "diag"}[covariance],
        weights_init=np.ones(3) / 3,
        means_init=x[::50],
        precisions_init=np.linalg.inv(given) if covariance == "full" else 1 / given,
        tol=1e-3,
        reg_covar=1e-6,
    ).fit(x)
    fit = run(model, x, key, tolerance=1e-3)
    assert (fit.reason, fit.epochs) == ("converged", other.n_iter_)
    np.testing.assert_allclose(-fit.history["loss"][-1], other.lower_bound_, rtol=1e-10)
    np.testing.assert_allclose(fit.model.prototypes.points, other.means_, rtol=1e-8)
    np.testing.assert_allclose(fit.model.metric.covariances, other.covariances_, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(fit.model.loss.weights, other.weights_, rtol=1e-8)
    np.testing.assert_allclose(fit.model.predict_proba(x), other.predict_proba(x), atol=1e-8)


def test_a_mixture_of_tight_clusters_far_from_the_origin(key):
    """Variances survive a large offset in float32 (full covariances: also clusters far from each other)."""
    rng = np.random.default_rng(0)
    for covariance, gap in (("full", 1e3), ("diagonal", 10.0)):
        centres = np.array([[0.0, 0.0], [gap, gap]]) + 1e3
        x = (np.repeat(centres, 500, axis=0) + rng.normal(size=(1000, 2))).astype(np.float32)
        fit = run(mixture(jnp.asarray(x), jnp.asarray(x[[0, -1]]), covariance), x, key, tolerance=1e-5)
        variances = fit.model.metric.covariances
        variances = np.diagonal(variances, axis1=-2, axis2=-1) if covariance == "full" else np.asarray(variances)
        expected = np.stack([x[:500].astype(np.float64).var(0), x[500:].astype(np.float64).var(0)])
        np.testing.assert_allclose(variances, expected, rtol=2e-2)


def test_fuzzy_c_means_satisfies_its_fixed_point_equations(key, x64):
    x, m = load_iris().data, 2.0
    fit = run(clustering(pz.losses.Fuzzy(m), x, x[::50]), x, key, epochs=500)
    w = np.asarray(fit.model.prototypes.points)
    delta = ((x[:, None] - w) ** 2).sum(-1)
    u = delta ** (-1 / (m - 1))
    u /= u.sum(1, keepdims=True)
    np.testing.assert_allclose((u**m).T @ x / (u**m).sum(0)[:, None], w, atol=1e-10)
    np.testing.assert_allclose(fit.model.predict_proba(x), u, atol=1e-10)


def test_batch_neural_gas_is_its_update_rule(key):
    x, _ = blobs()
    model = clustering(pz.losses.Cooperative(pz.RankCooperation(0.9)), x, x[:4])
    fit = run(model, x, key, epochs=1)
    h = np.exp(-((x[:, None] - x[:4]) ** 2).sum(-1).argsort(1).argsort(1) / 0.9)
    np.testing.assert_allclose(fit.model.prototypes.points, h.T @ x / h.sum(0)[:, None], rtol=1e-5, atol=1e-5)


def test_a_damped_step_goes_part_of_the_way(key):
    x, _ = blobs()
    model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), "full")

    def after(step: float):
        return pz.Trainer(pz.AlternatingOptimization(step), 1).fit(model, x, key=key).model

    whole, half = after(1.0), after(0.5)
    for read in (lambda m: m.prototypes.points, lambda m: m.loss.weights):
        np.testing.assert_allclose(read(half), (read(model) + read(whole)) / 2, rtol=1e-4, atol=1e-5)
    only_points = pz.Trainer(pz.AlternatingOptimization(refit=False), 1).fit(model, x, key=key).model
    assert eqx.tree_equal((only_points.metric, only_points.loss), (model.metric, model.loss))
    np.testing.assert_array_equal(only_points.prototypes.points, whole.prototypes.points)


def test_frozen_points_still_have_covariances_about_themselves(key):
    x, _ = blobs()
    points = jnp.asarray(x[:1])
    fit = run(mixture(jnp.asarray(x), points, "full"), x, key, epochs=1, freeze="prototypes")
    v = x - x[:1]
    np.testing.assert_allclose(fit.model.metric.covariances[0], v.T @ v / len(x), rtol=1e-3, atol=1e-3)


def test_moments_do_not_depend_on_the_chunks(key, monkeypatch):
    import protozoo.models._chunks as chunks

    x, _ = blobs()
    model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), "full")
    whole = run(model, x, key, epochs=3)
    monkeypatch.setattr(chunks, "BLOCK", 3 * 130)
    big = np.concatenate([x] * 5)  # 300 samples in chunks of 130, the last one reaching back
    chunked = run(model, big, key, epochs=3)
    for a, b in zip(jax.tree.leaves(whole.model), jax.tree.leaves(chunked.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(whole.history["loss"], chunked.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(model.distances(big), np.concatenate([model.distances(x)] * 5), rtol=1e-5)
    assert model.distances(big).shape == (300, 3)


def test_signed_weights_pull_and_push():
    """The moments of negative weights push away, by the mean over all that take part (as LVQ1 does)."""
    x = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    prototypes = pz.Prototypes(jnp.zeros((1, 2)))
    moments = displacement_moments(prototypes, x, jnp.array([[1.0], [-1.0]]), "none")
    np.testing.assert_allclose(moments.mean(), [[0.5, -0.5]])


def test_gradient_descent_improves_a_mixture_too(key):
    x, _ = blobs()
    for covariance in ("full", "diagonal"):
        model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), covariance)
        fit = pz.Trainer(pz.GradientDescent(optax.adam(2e-2)), 50).fit(model, x, key=key)
        assert fit.history["loss"][-1] < fit.history["loss"][0] - 0.3
        assert np.linalg.eigvalsh(fit.model.relevance_matrix(per_prototype=True)).min() > 0


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda x, y, key: pz.zoo.GMLVQ(x, y, key=key), "metric Omega have no closed form.*freeze='metric'"),
        (lambda x, y, key: pz.zoo.SiameseGLVQ(x, y, key=key), "through the encoder have no closed form"),
        (lambda x, y, key: pz.zoo.LVQMLN(x, y, key=key), "encoder has no closed form.*freeze='encoder'"),
    ],
)
def test_models_without_closed_forms_are_refused(make, message, key):
    x, y = blobs()
    model = make(x, y, key)
    with pytest.raises(ValueError, match=message):
        pz.Trainer(pz.AlternatingOptimization(), 1).fit(model, x, y, key=key)
