"""Gaussian mixtures: four kinds of covariance, beside scikit-learn's, from the same start."""

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits, load_iris
from sklearn.mixture import GaussianMixture

import protozoo as pz
from protozoo import mixtures


KINDS = {"full": "full", "tied": "tied", "diagonal": "diag", "spherical": "spherical"}
X = load_iris().data
KEY = jax.random.key(0)


def start(kind):
    """Three components of iris: given parameters, in the form of the kind."""
    variances = np.stack([X[i : i + 50].var(axis=0) + 0.1 for i in (0, 50, 100)])
    matrices = np.stack([np.cov(X[i : i + 50].T) + 0.1 * np.eye(4) for i in (0, 50, 100)])
    given = {
        "full": matrices,
        "tied": matrices[1],
        "diagonal": variances,
        "spherical": variances.mean(axis=1),
    }
    return np.array([0.5, 0.3, 0.2]), X[[10, 60, 110]], given[kind]


def of_sklearn(kind, **options):
    weights, means, covariances = start(kind)
    precisions = np.linalg.inv(covariances) if kind in ("full", "tied") else 1 / covariances
    given = {"weights_init": weights, "means_init": means, "precisions_init": precisions}
    return GaussianMixture(3, covariance_type=KINDS[kind], reg_covar=1e-6, **given, **options).fit(
        X
    )


def fitted(kind, **settings):
    model = mixtures.from_parameters(*start(kind), kind)
    trainer = pz.zoo.GaussianMixture.trainer(**settings)
    return trainer.fit(model, X, key=KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_is_that_of_scikit_learn_from_the_same_start(kind, x64):
    fit, other = fitted(kind), of_sklearn(kind, tol=1e-3)
    assert (fit.reason, fit.epochs) == ("converged", other.n_iter_)
    np.testing.assert_allclose(-fit.history["loss"][-1], other.lower_bound_, rtol=1e-8)
    np.testing.assert_allclose(fit.model.prototypes.points, other.means_, rtol=1e-6)
    np.testing.assert_allclose(
        fit.model.metric.covariances, other.covariances_, rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(fit.model.loss.weights, other.weights_, rtol=1e-6)
    np.testing.assert_allclose(mixtures.log_prob(fit.model, X), other.score_samples(X), rtol=1e-6)
    np.testing.assert_allclose(mixtures.bic(fit.model, X), other.bic(X), rtol=1e-8)
    np.testing.assert_allclose(mixtures.aic(fit.model, X), other.aic(X), rtol=1e-8)
    np.testing.assert_allclose(fit.model.predict_proba(X), other.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_in_single_precision_too(kind):
    fit, other = fitted(kind), of_sklearn(kind, tol=1e-3)
    assert fit.model.prototypes.points.dtype == np.float32
    np.testing.assert_allclose(-fit.history["loss"][-1], other.lower_bound_, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_to_scikit_learn_and_back(kind, x64):
    model = fitted(kind, epochs=5).model
    there = mixtures.to_sklearn(model)
    np.testing.assert_allclose(there.score_samples(X), mixtures.log_prob(model, X), rtol=1e-10)
    np.testing.assert_array_equal(there.predict(X), model.predict(X))
    np.testing.assert_allclose(there.predict_proba(X), model.predict_proba(X), atol=1e-12)
    back = mixtures.from_sklearn(there)
    for one, other in zip(jax.tree.leaves(back), jax.tree.leaves(model), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_likelihood_is_finite_and_learns(kind):
    model = mixtures.from_parameters(*start(kind), kind)
    import optax

    fit = pz.Trainer(pz.GradientDescent(optax.adam(0.02)), 30).fit(model, X, key=KEY)
    assert np.isfinite(fit.history["loss"]).all()
    assert fit.history["loss"][-1] < fit.history["loss"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_moments_of_the_mixture(kind):
    model = fitted(kind, epochs=3).model
    points, component = mixtures.sample(model, 1, 20_000)
    weights = np.asarray(model.loss.weights)
    np.testing.assert_allclose(np.bincount(component, minlength=3) / 20_000, weights, atol=0.02)
    matrices = np.asarray(model.metric.covariance.matrices(3, 4))
    for j in range(3):
        own = np.asarray(points)[np.asarray(component) == j]
        np.testing.assert_allclose(own.mean(axis=0), model.prototypes.points[j], atol=0.06)
        np.testing.assert_allclose(np.cov(own.T), matrices[j], atol=0.06)


def test_log_prob_and_entropy_are_those_of_the_density(x64):
    model = fitted("full", epochs=3).model
    densities = np.stack(
        [
            w * multivariate_normal(m, c).pdf(X)
            for w, m, c in zip(
                model.loss.weights, model.prototypes.points, model.metric.covariances, strict=True
            )
        ]
    )
    np.testing.assert_allclose(
        mixtures.log_prob(model, X), np.log(densities.sum(axis=0)), rtol=1e-9
    )
    share = densities / densities.sum(axis=0)
    expected = -np.sum(share * np.log(np.maximum(share, 1e-300)), axis=0)
    np.testing.assert_allclose(mixtures.entropy(model, X), expected, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_no_unit_of_the_data_matters(kind, unit):
    one, other = (
        pz.zoo.fit("GaussianMixture", X * u, covariance=kind, prototypes=3, key=0)
        for u in (1.0, unit)
    )
    assert one.epochs == other.epochs
    np.testing.assert_allclose(
        other.model.predict_proba(X * unit), one.model.predict_proba(X), rtol=2e-2, atol=2e-3
    )
    expected = mixtures.log_prob(one.model, X) - 4 * np.log(unit)
    np.testing.assert_allclose(
        mixtures.log_prob(other.model, X * unit), expected, rtol=1e-3, atol=1e-3
    )


def test_a_start_of_ones_own_is_taken_whole():
    weights, means, covariances = start("tied")
    options = {"weights": weights, "means": means, "covariances": covariances, "covariance": "tied"}
    model = pz.zoo.GaussianMixture(X, key=0, **options)
    np.testing.assert_allclose(model.loss.weights, weights, rtol=1e-6)
    np.testing.assert_allclose(model.prototypes.points, means, rtol=1e-6)
    np.testing.assert_allclose(model.metric.covariances, covariances, rtol=1e-4)
    for name, wrong in {
        "weights": np.ones(4),
        "means": np.ones((3, 5)),
        "covariances": np.ones(3),
    }.items():
        with pytest.raises(ValueError, match=f"`{name}` must have shape"):
            pz.zoo.GaussianMixture(X, key=0, **{**options, name: wrong})


def test_a_weight_is_copies_from_the_start_on():
    """A start, and so a fit, with whole weights is that of copies."""
    weight = np.arange(len(X)) % 3
    copies = np.repeat(X, weight, axis=0)
    options = {"means": X[[10, 60, 110]], "key": 0}
    one = pz.zoo.fit("GaussianMixture", X, sample_weight=weight, epochs=4, **options)
    other = pz.zoo.fit("GaussianMixture", copies, epochs=4, **options)
    np.testing.assert_allclose(
        one.model.metric.covariances, other.model.metric.covariances, rtol=1e-3
    )
    np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-4)


def test_means_leave_nothing_to_choose():
    for option in ({"prototypes": 3}, {"initialiser": "kmeans"}):
        with pytest.raises(ValueError, match="`means` says how many"):
            pz.zoo.GaussianMixture(X, key=0, means=X[:3], **option)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_of_equal_samples_starts_finite_without_regularisation(kind):
    x = np.vstack([np.tile([[50.0, 50.0, 50.0, 50.0]], (9, 1)), X])
    model = pz.zoo.GaussianMixture(x, key=0, prototypes=3, covariance=kind, regularisation=0.0)
    assert np.isfinite(model.metric.covariances).all() and np.isfinite(model.predict_proba(x)).all()


def test_samples_of_a_covariance_that_rounding_hides_are_finite():
    """The parameters are any numbers; a matrix made of them need not be positive definite in
    float32."""
    upper = np.triu(np.random.default_rng(0).normal(size=(1, 4, 4)), 1) * 1e4
    covariance = pz.metrics.Full(np.array([[0.0, 5.0, 9.0, 12.0]]), upper)
    metric = pz.metrics.Mahalanobis(covariance)
    model = pz.PrototypeModel(pz.Prototypes(np.zeros((1, 4))), metric, pz.losses.Mixture.uniform(1))
    assert np.isnan(jax.numpy.linalg.cholesky(covariance.matrices(1, 4))).any()
    assert np.isfinite(mixtures.sample(model, 0, 2000)[0]).all()


def test_features_that_hardly_covary_have_covariances():
    """Those of digits are sums of rounding here and there, which are not the same in both halves of
    a matrix."""
    x = np.float32(load_digits().data)
    model = pz.zoo.GaussianMixture(x, key=KEY, prototypes=10, standardise=True)
    assert np.isfinite(mixtures.log_prob(model, x[:5])).all()
    matrix = np.array([[4.0, 1e-9, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
    model = mixtures.from_parameters(np.ones(1), np.zeros((1, 3)), matrix[None])
    symmetric = mixtures.from_parameters(
        np.ones(1), np.zeros((1, 3)), np.maximum(matrix, matrix.T)[None]
    )
    np.testing.assert_allclose(
        mixtures.log_prob(model, np.eye(3)), mixtures.log_prob(symmetric, np.eye(3)), rtol=1e-6
    )
    with pytest.raises(ValueError, match="`covariances` must be symmetric"):
        mixtures.from_parameters(np.ones(1), np.zeros((1, 3)), np.triu(matrix)[None])


def test_what_is_no_gaussian_mixture_is_refused():
    model = pz.zoo.FCM(X, key=0)
    for ask in (mixtures.log_prob, mixtures.entropy, mixtures.bic, mixtures.aic):
        with pytest.raises(ValueError, match="needs a Gaussian mixture"):
            ask(model, X)
    with pytest.raises(ValueError, match="needs a Gaussian mixture"):
        mixtures.sample(pz.zoo.GathGeva(X, key=0), 0, 3)
    with pytest.raises(ValueError, match="not fitted"):
        mixtures.from_sklearn(GaussianMixture(2))
