"""The scale of the data belongs to the model: it takes raw data, and is otherwise the model that it
is on scaled data."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES, Case, blobs, sampled

import protozoo as pz


X, Y = blobs()
#: The same in units that differ by orders of magnitude, far from zero.
UNITS = np.array([1.0, 1e3, 1e-2, 10.0, 1.0])
RAW = (X * UNITS + 5 * UNITS).astype(np.float32)
SCALES = {
    "standardise": pz.backbones.Standardise,
    "minmax": pz.backbones.MinMax,
    "robust": pz.backbones.Robust,
    "whitening": pz.backbones.Whitening,
}
each_scale = pytest.mark.parametrize("kind", SCALES.values(), ids=SCALES)
each_word = pytest.mark.parametrize("word", SCALES)


def scaled(scale: pz.backbones.AbstractScale, x: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(scale)(jnp.asarray(x, jnp.float32)))


# What scales are.


def test_scales_do_what_they_say():
    z = {word: scaled(kind.from_data(RAW), RAW) for word, kind in SCALES.items()}
    np.testing.assert_allclose(z["standardise"].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z["standardise"].std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(
        (z["minmax"].min(axis=0), z["minmax"].max(axis=0)), [[0] * 5, [1] * 5]
    )
    np.testing.assert_allclose(np.median(z["robust"], axis=0), 0, atol=1e-5)
    quartiles = np.quantile(z["robust"], [0.25, 0.75], axis=0, method="inverted_cdf")
    np.testing.assert_allclose(quartiles[1] - quartiles[0], 1.3489795, rtol=1e-4)
    np.testing.assert_allclose(np.cov(z["whitening"].T, bias=True), np.eye(5), atol=1e-4)


def test_whitened_features_are_as_like_their_originals_as_can_be():
    """Kessy et al.: of all whitenings, the sum of correlations with the originals is the largest,
    the trace of the root of the correlations."""
    z = scaled(pz.backbones.Whitening.from_data(RAW), RAW).astype(float)
    between = np.corrcoef(RAW.T.astype(float), z.T)[:5, 5:]
    roots = np.sqrt(np.linalg.eigvalsh(np.corrcoef(RAW.T.astype(float))))
    np.testing.assert_allclose(np.trace(between), roots.sum(), rtol=1e-4)


@each_scale
def test_weights_are_copies(kind):
    weight = np.arange(len(RAW)) % 3
    one = kind.from_data(RAW, weight)
    other = kind.from_data(np.repeat(RAW, weight, axis=0))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@each_scale
def test_a_constant_feature_is_shifted_alone(kind):
    x = np.concatenate([RAW, np.full((len(RAW), 1), 0.1, np.float32)], axis=1)
    scale = kind.from_data(x)
    z = scaled(scale, x)
    assert np.isfinite(z).all() and not z[:, 5].any()
    moved = scaled(scale, x + np.eye(6)[5])
    np.testing.assert_allclose(moved[:, 5], 1, rtol=1e-5)


@each_scale
def test_scales_are_undone(kind):
    scale = kind.from_data(RAW)
    back = jax.vmap(scale.inverse)(scaled(scale, RAW))
    np.testing.assert_allclose(back / UNITS, RAW / UNITS, atol=1e-4)
    apart = jax.vmap(scale.inverse_displacement)(scaled(scale, RAW) - scaled(scale, RAW[:1]))
    np.testing.assert_allclose(apart / UNITS, (RAW - RAW[:1]) / UNITS, atol=1e-4)
    one = jnp.asarray(RAW[0])
    volume = np.linalg.slogdet(np.asarray(jax.jacobian(scale)(one), float))[1]
    np.testing.assert_allclose(scale.log_volume, volume, rtol=1e-4)


@each_scale
def test_features_that_depend_on_others_have_a_scale(kind):
    x = np.concatenate([RAW, RAW[:, :1] + RAW[:, 2:3]], axis=1)[:4]  # fewer samples than features
    scale = kind.from_data(x)
    z = scaled(scale, x)
    assert np.isfinite(z).all() and np.abs(z).max() < 10
    np.testing.assert_allclose(jax.vmap(scale.inverse)(z), x, rtol=1e-3)


@pytest.mark.parametrize("word", ["standardise", "minmax", "robust"])
def test_gaps_are_left_out(word):
    weight, gappy = 1 + np.arange(len(RAW)) % 3, RAW.copy()
    gappy[::4, 1] = np.nan
    scale = SCALES[word].from_data(gappy, weight)
    without = SCALES[word].from_data(np.delete(RAW, np.s_[::4], 0), np.delete(weight, np.s_[::4]))
    whole = SCALES[word].from_data(RAW, weight)
    for found, there, rest in zip(*map(jax.tree.leaves, (scale, without, whole)), strict=True):
        np.testing.assert_allclose(found[1], there[1], rtol=1e-6)
        np.testing.assert_allclose(np.delete(found, 1), np.delete(rest, 1), rtol=1e-6)
    assert (np.isnan(scaled(scale, gappy)) == np.isnan(gappy)).all()


def test_what_has_no_scale_is_refused(unchecked):
    gappy = np.where(np.arange(5) == 3, np.nan, RAW)
    with pytest.raises(ValueError, match="`x` has no value of feature 3"):
        pz.backbones.Standardise.from_data(gappy)
    with pytest.raises(ValueError, match="whitening mixes features: impute them"):
        pz.backbones.Whitening.from_data(np.where(np.arange(60)[:, None] == 3, np.nan, RAW))
    with pytest.raises(ValueError, match="NaN or infinite"):
        pz.backbones.MinMax.from_data(RAW * np.where(np.arange(5) == 1, np.inf, 1))
    with pytest.raises(ValueError, match="feature 0 with a spread of .* beyond the range"):
        pz.backbones.Robust.from_data(X[:, :1] * np.float32(1e-39))
    with pytest.raises(ValueError, match="`factor` must be positive"):
        pz.backbones.Standardise([0.0], [0.0])
    with pytest.raises(ValueError, match="`matrix` must have shape"):
        pz.backbones.Whitening([0.0, 0.0], [1.0, 1.0], [[1.0]])


# Rows with a scale.


#: By gradient, by exchange among samples, by growth; of one class, siamese, and on a curved space.
ROWS = ("GMLVQ", "MedianLVQ", "GrowingNeuralGas", "OCRSLVQ_NG", "SiameseGTLVQ", "RiemannianSRNG")


@pytest.mark.parametrize("case", sampled(CASES, [c for c in CASES if str(c) in ROWS]), ids=str)
def test_a_scaled_row_is_the_row_on_scaled_data(case: Case):
    x, y = 3 * case.x + 1, case.y
    trainer = case.trainer(2)
    space = case.recipe.space(case.x.shape[1:])
    if not (case.model.flat and space.has_features) or case.recipe.pairwise is True:
        with pytest.raises(ValueError, match=f"`standardise`: {case.name} compares points of"):
            case.recipe(x, y, key=0, standardise=True, **case.options)
        return
    scale = pz.backbones.Standardise.from_data(x)
    z = scaled(scale, x)
    raw = trainer.fit(case.recipe(x, y, key=0, standardise=True, **case.options), x, y, key=1)
    plain = trainer.fit(case.recipe(z, y, key=0, **case.options), z, y, key=1)
    bare = dataclasses.replace(raw.model, scale=None)
    assert eqx.tree_equal(bare, plain.model)
    for name in raw.history:
        np.testing.assert_array_equal(raw.history[name], plain.history[name])
    np.testing.assert_array_equal(raw.model.predict(x), plain.model.predict(z))
    np.testing.assert_allclose(
        raw.model.distances(x), plain.model.distances(z), rtol=1e-5, atol=1e-5
    )
    assert eqx.tree_equal(raw.model.scale, scale)
    if not raw.model.latent:
        points = plain.model.prototypes.points
        np.testing.assert_allclose(
            jax.vmap(scale)(raw.model.in_data_units()), points, rtol=1e-3, atol=1e-4
        )


@each_word
def test_fit_finds_the_scale(word):
    fit = pz.fit("GMLVQ", RAW, Y, standardise=word, epochs=5)
    scale = SCALES[word].from_data(RAW)
    assert eqx.tree_equal(fit.model.scale, scale)
    plain = pz.fit("GMLVQ", scaled(scale, RAW), Y, epochs=5)
    np.testing.assert_array_equal(fit.model.predict(RAW), plain.model.predict(scaled(scale, RAW)))
    assert fit.model.card is not None and fit.model.card.scale == SCALES[word].__name__
    given = pz.fit("GMLVQ", RAW, Y, standardise=scale, epochs=5)
    assert eqx.tree_equal(given.model, fit.model)


def test_units_of_features_do_not_matter():
    """Not even to whitening, which mixes features."""
    for word in SCALES:
        one, other = (
            pz.fit("GLVQ", x, Y, standardise=word, epochs=20).model for x in (X, X * 2.0**-5)
        )
        np.testing.assert_array_equal(one.predict(X), other.predict(X * 2.0**-5))
        powers = 2.0 ** np.array([3, -8, 0, 5, 1])
        mixed = pz.fit("GLVQ", X * powers, Y, standardise=word, epochs=20).model
        np.testing.assert_allclose(mixed.predict_proba(X * powers), one.predict_proba(X), atol=1e-3)


def test_weights_weigh_the_scale():
    weight = np.arange(len(RAW)) % 3
    model = pz.fit("GLVQ", RAW, Y, standardise=True, sample_weight=weight, epochs=1).model
    assert eqx.tree_equal(model.scale, pz.backbones.Standardise.from_data(RAW, weight))


def test_cross_validation_scales_within_the_folds():
    # An outlier that is held out once: the scale of the others must not know it.
    x = RAW.copy()
    x[0] += 1000 * UNITS
    result = pz.cross_validate("GMLVQ", x, Y, folds=3, standardise="minmax", epochs=2)
    for i, fit in enumerate(result.fits):
        inside = result.folds != i
        assert eqx.tree_equal(fit.model.scale, pz.backbones.MinMax.from_data(x[inside]))
        own = result.folds == i
        right = np.asarray(fit.model.predict(x[own])) == Y[own]
        np.testing.assert_allclose(result.scores[i], right.mean())


def test_compositions_are_scaled():
    def compose(x, y, *, key):
        assert abs(float(np.mean(x))) < 1e-5
        return pz.zoo.GLVQ(x, y, key=key)

    how = {"rule": pz.GradientDescent("adam", 1e-2), "epochs": 1}
    fit = pz.fit(compose, RAW, Y, standardise=True, **how)
    assert isinstance(fit.model.scale, pz.backbones.Standardise)

    def network(x, y, *, key):
        return pz.networks.RecurrentNetwork.layered((5, 4, 3), key=key)

    with pytest.raises(ValueError, match="`standardise`: what network returned has no scale"):
        pz.fit(network, RAW, Y, standardise=True, **how)


def test_restarts_share_a_scale():
    fit = pz.fit("HCM", RAW, standardise=True, restarts=2, epochs=3)
    assert eqx.tree_equal(fit.model.scale, pz.backbones.Standardise.from_data(RAW))


def test_an_encoder_of_ones_own_sees_scaled_samples():
    network = pz.backbones.MLP((5, 4), key=0)
    model = pz.zoo.GLVQ(RAW, Y, key=0, encoder=network, standardise=True)
    z = scaled(pz.backbones.Standardise.from_data(RAW), RAW)
    np.testing.assert_allclose(model.encode(jnp.asarray(RAW)), jax.vmap(network)(z), atol=1e-5)
    assert model.sample_shape == (5,)
    with pytest.raises(ValueError, match="live in the output space of its MLP"):
        model.in_data_units()


def test_dissimilarities_and_curved_spaces_have_no_scale(unchecked):
    apart = np.square(X[:, None] - X[None]).sum(-1)
    with pytest.raises(ValueError, match="`standardise`: `x` holds dissimilarities"):
        pz.fit("MedianLVQ", apart, Y, standardise=True)
    sphere = X / np.linalg.norm(X, axis=1, keepdims=True)
    with pytest.raises(ValueError, match="`standardise`: GLVQ compares points of Sphere"):
        pz.fit("GLVQ", sphere, Y, standardise=True, space=pz.manifolds.Sphere(5))
    with pytest.raises(ValueError, match="`standardise` must be True or False or 'standardise'"):
        pz.fit("GLVQ", X, Y, standardise="standard")
    with pytest.raises(ValueError, match="`standardise` is a scale of samples of shape"):
        pz.fit("GLVQ", X[:, :3], Y, standardise=pz.backbones.Standardise.from_data(X))
    model = pz.zoo.GLVQ(X, Y, key=0)
    with pytest.raises(ValueError, match="`scale` is one of samples of shape"):
        dataclasses.replace(model, scale=pz.backbones.Standardise([0.0], [1.0]))
    with pytest.raises(TypeError, match="`scale` must be of kind AbstractScale"):
        dataclasses.replace(model, scale=jnp.tanh)


# Whatever trains and whatever asks.


def pair(epochs: int = 3) -> tuple[pz.PrototypeModel, pz.PrototypeModel, np.ndarray, pz.Trainer]:
    """A model with a scale, the same without, and scaled data."""
    model = pz.zoo.GMLVQ(RAW, Y, key=0, standardise=True)
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), epochs, batch_size=20)
    assert model.scale is not None
    return model, dataclasses.replace(model, scale=None), scaled(model.scale, RAW), trainer


def test_validation_streams_and_steps_are_scaled():
    model, bare, z, trainer = pair()
    one = trainer.fit(model, RAW, Y, key=0, validation=(RAW[::2], Y[::2]))
    other = trainer.fit(bare, z, Y, key=0, validation=(z[::2], Y[::2]))
    assert eqx.tree_equal(dataclasses.replace(one.model, scale=None), other.model)
    np.testing.assert_array_equal(one.history["validation_loss"], other.history["validation_loss"])
    for held in (None, "stream"):
        fits = []
        for start, x in ((model, RAW), (bare, z)):
            batches = [(x[i::3], Y[i::3]) for i in range(3)]
            streamed = dataclasses.replace(trainer, batch_size=None)
            fits.append(streamed.fit(start, batches, key=0, validation=held and batches))
        assert eqx.tree_equal(dataclasses.replace(fits[0].model, scale=None), fits[1].model)
    # In memory, with a stream to be monitored.
    one, other = (
        trainer.fit(start, x, Y, key=0, validation=[(x[:30], Y[:30])])
        for start, x in ((model, RAW), (bare, z))
    )
    assert eqx.tree_equal(dataclasses.replace(one.model, scale=None), other.model)
    state, plain = trainer.init(model), trainer.init(bare)
    for _ in range(2):
        (state, loss), (plain, same) = trainer.step(state, RAW, Y), trainer.step(plain, z, Y)
        np.testing.assert_array_equal(loss, same)
    assert eqx.tree_equal(state.model.scale, model.scale)
    assert eqx.tree_equal(dataclasses.replace(state.model, scale=None), plain.model)


def test_callbacks_see_the_whole_model():
    model, *_, trainer = pair()
    seen = []

    class Look(pz.training.AbstractCallback):
        def on_fit_start(self, view):
            seen.append(view.model)

        def on_chunk_end(self, view):
            seen.append(view.model)

        def on_fit_end(self, view):
            seen.append(view.model)

    dataclasses.replace(trainer, callbacks=[Look()]).fit(model, RAW, Y, key=0)
    assert all(eqx.tree_equal(one.scale, model.scale) for one in seen) and len(seen) > 2


def test_prototypes_grow_in_units_of_the_scale():
    model, bare, z, trainer = pair()
    resize = pz.Resize(split=2)
    one, other = resize(model, RAW, Y, key=0), resize(bare, z, Y, key=0)
    assert eqx.tree_equal(dataclasses.replace(one, scale=None), other)
    state = resize(trainer.init(model), RAW, Y, key=0)
    assert eqx.tree_equal(state.model, one)
    siamese = pz.zoo.SiameseGLVQ(RAW, Y, key=0, standardise=True)
    grown, plain = (
        resize(siamese, RAW, Y, key=0),
        resize(dataclasses.replace(siamese, scale=None), z, Y, key=0),
    )
    assert eqx.tree_equal(dataclasses.replace(grown, scale=None), plain)


def test_a_saved_and_an_exported_model_take_raw_data(tmp_path):
    model = pz.fit("GMLVQ", RAW, Y, standardise="whitening", epochs=2).model
    pz.save(tmp_path / "model", model)
    again = pz.load(tmp_path / "model")
    assert eqx.tree_equal(again, model)
    np.testing.assert_array_equal(again.predict(RAW), model.predict(RAW))
    (n,) = jax.export.symbolic_shape("n")
    shape = jax.ShapeDtypeStruct((n, 5), jnp.float32)
    exported = jax.export.export(jax.jit(lambda x: model(x)))(shape)
    scores = exported.call(jnp.asarray(RAW[:7]))
    np.testing.assert_allclose(scores, model(jnp.asarray(RAW[:7])), rtol=1e-4, atol=1e-5)


def test_a_run_with_another_scale_is_another_run(tmp_path):
    model, *_, trainer = pair()
    trainer = dataclasses.replace(trainer, batch_size=None, checkpoints=pz.Checkpoints(tmp_path))
    batches = [(RAW[i::3], Y[i::3]) for i in range(3)]
    trainer.fit(model, batches, key=0)
    trainer.fit(model, batches, key=0, resume=True)
    other = dataclasses.replace(model, scale=pz.backbones.MinMax.from_data(RAW))
    with pytest.raises(ValueError, match="belongs to another run: its scale differs"):
        trainer.fit(other, batches, key=0, resume=True)


class Own(pz.manifolds.AbstractManifold):
    """A flat space of one's own."""

    size: int = pz.static()
    displacement_is_difference: ClassVar[bool] = True
    has_features: ClassVar[bool] = True

    @property
    def injectivity_radius(self):
        return np.inf

    @property
    def point_shape(self):
        return (self.size,)

    @property
    def dimension(self):
        return self.size

    @property
    def coordinate_size(self):
        return self.size

    @property
    def origin(self):
        return jnp.zeros(self.size)

    def coordinates(self, points, x):
        return x[:, None] - points[None]

    def squared_distances(self, points, x):
        return jnp.sum(self.coordinates(points, x) ** 2, axis=-1)

    def exp(self, points, coordinates):
        return points + coordinates

    def project(self, points):
        return points

    def violation(self, points):
        return None

    def random_points(self, key, count):
        return jax.random.normal(key, (count, self.size))


def test_a_space_says_itself_whether_it_can_be_scaled():
    own = pz.zoo.GLVQ(RAW, Y, key=0, standardise=True, space=Own(5))
    flat = pz.zoo.GLVQ(RAW, Y, key=0, standardise=True)
    assert isinstance(own.prototypes.space, Own)
    np.testing.assert_allclose(own.distances(RAW), flat.distances(RAW), rtol=1e-4, atol=1e-4)
    shares = np.abs(X) / np.abs(X).sum(axis=1, keepdims=True)
    with pytest.raises(ValueError, match="`standardise`: GLVQ compares points of Simplex"):
        pz.zoo.GLVQ(shares, Y, key=0, standardise=True, space=pz.manifolds.Simplex(5))


def test_gaps_go_through_a_scale():
    gappy = RAW.copy()
    gappy[::7, 2] = np.nan
    scale = pz.backbones.Standardise.from_data(gappy)
    points = pz.Prototypes(scaled(scale, RAW[::20]), [0, 1, 2])
    metric = pz.metrics.Missing(pz.metrics.SquaredEuclidean())
    model = pz.PrototypeModel(points, metric, pz.losses.GLVQ(), scale=scale)
    bare = dataclasses.replace(model, scale=None)
    assert model.takes_gaps
    np.testing.assert_allclose(model.distances(gappy), bare.distances(scaled(scale, gappy)), 1e-5)
    mixing = dataclasses.replace(model, scale=pz.backbones.Whitening.from_data(RAW))
    with pytest.raises(ValueError, match="NaN or infinite"):
        mixing.predict(gappy)


def test_densities_are_those_of_the_data():
    plain = pz.fit("GaussianMixture", RAW / UNITS, prototypes=1, epochs=3).model
    expected = np.asarray(pz.mixtures.log_prob(plain, RAW / UNITS))
    for word in SCALES:
        model = pz.fit(
            "GaussianMixture", RAW / UNITS, prototypes=1, epochs=3, standardise=word
        ).model
        np.testing.assert_allclose(pz.mixtures.log_prob(model, RAW / UNITS), expected, atol=0.02)
        drawn, _ = pz.mixtures.sample(model, 0, 2000)
        np.testing.assert_allclose(np.mean(drawn, axis=0), (RAW / UNITS).mean(axis=0), atol=0.2)
    with pytest.raises(ValueError, match="`to_sklearn` needs a mixture of raw data"):
        pz.mixtures.to_sklearn(model)


def test_relevances_of_a_scaled_model_are_those_on_scaled_data():
    model, bare, z, _ = pair()
    np.testing.assert_allclose(model.relevances(RAW), bare.relevances(z), rtol=1e-4)


def test_pictures_are_in_the_units_of_the_data():
    pytest.importorskip("matplotlib")
    x = RAW[:, :2]
    model = pz.fit("GaussianMixture", x, prototypes=1, standardise="whitening", epochs=2).model
    ax = pz.plots.covariances(model, x).axes[0]
    (ellipse, _) = ax.patches
    np.testing.assert_allclose(ellipse.center, x.mean(axis=0), rtol=1e-3)
    # The axes of an ellipse of one standard deviation are those of the covariance.
    radii = np.sort([ellipse.width, ellipse.height]) / 2
    expected = np.sqrt(np.linalg.eigvalsh(np.cov(x.T.astype(float), bias=True)))
    np.testing.assert_allclose(radii, expected, rtol=1e-2)
    som = pz.fit("KohonenSOM", RAW, grid=(3, 2), standardise=True, epochs=1).model
    planes = pz.plots.component_planes(som, features=[1])
    drawn = np.asarray(planes.axes[0].collections[0].get_array())
    np.testing.assert_allclose(drawn, np.asarray(som.in_data_units())[:, 1], rtol=1e-6)
