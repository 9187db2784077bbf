"""What a feature contributes to distances on data, and what a unit of it counts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from zoo import blobs, matrices

import protozoo as pz
from protozoo.models import _chunks


X, Y = blobs()
D = X.shape[1]
RNG = np.random.default_rng(0)
OMEGA = RNG.normal(size=(D, 3))
LOCAL = RNG.normal(size=(6, D, 3))


def model(metric, points=None, space=None, encoder=None) -> pz.PrototypeModel:
    prototypes = pz.Prototypes(
        X[::10] if points is None else points, np.repeat([0, 1, 2], 2), space
    )
    return pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ(), encoder or eqx.nn.Identity())


def share(contributions) -> np.ndarray:
    return contributions / contributions.sum()


def omega(matrix=OMEGA) -> pz.metrics.Omega:
    return pz.metrics.Omega(jnp.asarray(matrix, jnp.float32))


def test_relevances_are_the_diagonal_times_the_variance():
    lambdas = np.sum(OMEGA**2, axis=1)
    variances = X.var(axis=0, dtype=float)
    np.testing.assert_allclose(model(omega()).relevance_diagonal(), share(lambdas), rtol=1e-5)
    np.testing.assert_allclose(model(omega()).relevances(X), share(lambdas * variances), rtol=1e-5)
    logits = RNG.normal(size=D)
    expected = share(np.exp(logits) * variances)
    np.testing.assert_allclose(
        model(pz.metrics.Relevance(jnp.asarray(logits))).relevances(X), expected, rtol=1e-5
    )
    np.testing.assert_allclose(
        model(pz.metrics.SquaredEuclidean()).relevances(X), share(variances), rtol=1e-5
    )
    kernel = pz.metrics.GaussianKernel(omega())
    np.testing.assert_allclose(model(kernel).relevances(X), share(lambdas * variances), rtol=1e-5)


def test_maps_of_each_prototype_are_averaged():
    metric = pz.metrics.LocalOmega(jnp.asarray(LOCAL, jnp.float32))
    lambdas = np.sum(LOCAL**2, axis=2).mean(axis=0)
    np.testing.assert_allclose(model(metric).relevance_diagonal(), share(lambdas), rtol=1e-5)
    np.testing.assert_allclose(
        model(metric).relevances(X), share(lambdas * X.var(axis=0, dtype=float)), rtol=1e-5
    )


@pytest.mark.parametrize(("scale", "offset"), [(2.0**40, 0), (2.0**-40, 0), (1, 4096)])
def test_units_and_offsets_do_not_matter(scale, offset):
    """A feature in other units, and a metric that has learned them; a feature measured from
    elsewhere."""
    expected = model(omega()).relevances(X)
    units, offsets = np.ones(D), np.zeros(D)
    units[1], offsets[3] = scale, offset
    other = model(omega(OMEGA / units[:, None]), X[::10] * units + offsets)
    np.testing.assert_allclose(other.relevances(X * units + offsets), expected, rtol=1e-5)


def test_a_feature_that_does_not_vary_has_no_relevance():
    constant = X.copy()
    constant[:, 2] = 1e4 / 3  # its float32 sum over the samples is not exact
    relevances = np.asarray(model(omega(100 * OMEGA)).relevances(constant))
    assert relevances[2] == 0
    np.testing.assert_allclose(relevances.sum(), 1, rtol=1e-6)


def test_weights_are_copies():
    weight = np.arange(len(X)) % 3
    copies = np.repeat(X, weight, axis=0)
    fitted = model(omega())
    np.testing.assert_allclose(fitted.relevances(X, weight), fitted.relevances(copies), rtol=1e-6)
    np.testing.assert_allclose(
        fitted.relevances(X, weight * 1e307), fitted.relevances(copies), rtol=1e-6
    )


def test_gaps_are_left_out():
    gaps = np.where(RNG.random(X.shape) < 0.3, np.nan, X)
    gaps[:, 0] = X[:, 0]  # no sample is empty
    expected = share(np.sum(OMEGA**2, axis=1) * np.nanvar(gaps.astype(float), axis=0))
    np.testing.assert_allclose(
        model(pz.metrics.Missing(omega())).relevances(gaps), expected, rtol=1e-5
    )
    gaps[:, 4] = np.nan
    assert model(pz.metrics.Missing(omega())).relevances(gaps)[4] == 0


def test_in_a_curved_space_features_are_tangent_coordinates():
    x, _ = matrices()
    space = pz.manifolds.SPD(3)
    metric = pz.metrics.LocalOmega(jnp.asarray(RNG.normal(size=(6, 6, 2)), jnp.float32))
    curved = model(metric, x[::10], space)
    v = np.asarray(space.coordinates(curved.prototypes.points, jnp.asarray(x)), float)
    lambdas = np.sum(np.asarray(metric.matrix, float) ** 2, axis=2)
    np.testing.assert_allclose(
        curved.relevances(x), share((lambdas * v.var(axis=0)).mean(axis=0)), rtol=1e-4
    )


def test_behind_an_encoder_features_are_latent(key):
    encoder = pz.backbones.MLP((D, 4, 3), key=key)
    latent = np.asarray(jax.vmap(encoder)(jnp.asarray(X)), float)
    behind = model(omega(OMEGA[:3]), latent[::10], encoder=encoder)
    expected = share(np.sum(OMEGA[:3] ** 2, axis=1) * latent.var(axis=0))
    np.testing.assert_allclose(behind.relevances(X), expected, rtol=1e-5)
    broken = eqx.tree_at(lambda m: m.encoder.layers[0].bias, behind, jnp.full(4, jnp.nan))
    with pytest.raises(ValueError, match="the model has parameters that are NaN"):
        broken.relevances(X)


def test_chunks_change_nothing(monkeypatch):
    x = np.concatenate([X, X + 1, 2 * X, X - 3, X + 1000]).astype(np.float32)
    weight = RNG.random(len(x))
    variances = np.average(
        (x - np.average(x.astype(float), axis=0, weights=weight)) ** 2, axis=0, weights=weight
    )
    monkeypatch.setattr(_chunks, "BLOCK", 1)  # 128 samples in a chunk, the last one shorter
    expected = share(np.sum(OMEGA**2, axis=1) * variances)
    np.testing.assert_allclose(model(omega()).relevances(x, weight), expected, rtol=1e-5)


def test_what_has_no_relevances_is_refused():
    fitted = model(omega())
    for x in (X[:1], np.ones_like(X)):
        with pytest.raises(ValueError, match="`x` varies in no feature that the metric looks at"):
            fitted.relevances(x)
    with pytest.raises(ValueError, match="`x` varies in no feature"):
        fitted.relevances(X, np.arange(len(X)) == 7)
    for asked in (lambda m: m.relevances(X), lambda m: m.relevance_diagonal()):
        with pytest.raises(ValueError, match="`relevance.*`: Cosine has no linear adaptation"):
            asked(model(pz.metrics.Cosine()))
    with pytest.raises(ValueError, match=r"`x` must have shape \(n, 5\), got \(60, 4\)"):
        fitted.relevances(X[:, :4])
    with pytest.raises(ValueError, match="`x` has 1 values that are NaN"):
        fitted.relevances(np.where(np.arange(X.size).reshape(X.shape) == 3, np.nan, X))
    for weight, message in (
        (np.ones(3), r"`sample_weight` must have shape \(60,\), got \(3,\)"),
        (-np.ones(60), "`sample_weight` must be finite and not negative, got -1"),
        (np.zeros(60), "`sample_weight`: the weights of all samples are zero"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.relevances(X, weight)
    curved = model(pz.metrics.SquaredEuclidean(), matrices()[0][::10], pz.manifolds.SPD(3))
    with pytest.raises(ValueError, match="`x` does not lie in SPD"):
        curved.relevances(-matrices()[0])


@pytest.fixture(scope="module")
def digits():
    # As the demo trains it.
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, stratify=y, random_state=0)
    return (
        pz.fit("GMLVQ", x, y, key=jax.random.key(0), prototypes_per_class=2, epochs=300).model,
        x,
        x_test,
        y_test,
    )


def test_what_is_relevant_decides(digits):
    """Accuracy falls when the most relevant pixels are taken away; pixels of the largest λ are
    those without ink."""
    fitted, x, x_test, y_test = digits

    def accuracy_without(pixels) -> float:
        blurred = x_test.copy()
        blurred[:, pixels] = x.mean(axis=0)[pixels]
        return float(np.mean(np.asarray(fitted.predict(blurred)) == y_test))

    by_contribution = np.argsort(-np.asarray(fitted.relevances(x)))[:5]
    by_unit = np.argsort(-np.asarray(fitted.relevance_diagonal()))[:5]
    whole = accuracy_without([])
    assert whole > 0.9
    assert whole - accuracy_without(by_unit) < 0.05
    assert whole - accuracy_without(by_contribution) > 0.1


def test_relevances_are_drawn(digits):
    fitted, x, _, _ = digits
    expected = np.asarray(fitted.relevances(x)).reshape(8, 8)
    drawn = pz.plots.relevance_map(fitted, x, (8, 8)).axes[0].images[0]
    np.testing.assert_array_equal(drawn.get_array(), expected)
    assert drawn.get_clim()[0] == 0
    two_colours = pz.plots.relevance_map(fitted, x, (8, 4, 2)).axes[0].images[0]
    np.testing.assert_allclose(
        two_colours.get_array(), expected.reshape(8, 4, 2).sum(-1), rtol=1e-6
    )
    heights = [bar.get_height() for bar in pz.plots.relevance_matrix(fitted, x=x).axes[1].patches]
    np.testing.assert_allclose(heights, expected.ravel(), rtol=1e-6)
    heights = [bar.get_height() for bar in pz.plots.relevance_matrix(fitted).axes[1].patches]
    np.testing.assert_allclose(heights, fitted.relevance_diagonal(), rtol=1e-6)
    for shape in ((8, 7), (64,), None):
        with pytest.raises(
            ValueError, match="`shape` .* is no image of the 64 numbers|`shape` is missing"
        ):
            pz.plots.relevance_map(fitted, x, shape)
    latent = eqx.tree_at(
        lambda m: m.encoder, fitted, pz.backbones.MLP((64, 64), key=jax.random.key(0))
    )
    with pytest.raises(ValueError, match="`relevance_map` shows features of samples"):
        pz.plots.relevance_map(latent, x, (8, 8))
