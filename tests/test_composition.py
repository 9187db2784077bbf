"""Networks, rows and models of one's own, wherever the table's are taken."""

import dataclasses
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES, Case, N, blobs, images, matrices, relations

import protozoo as pz
from protozoo._module import replaced
from protozoo.training import Slices
from protozoo.zoo._recipe import taken


X, Y = blobs()
KEY = jax.random.key(3)


class Congruence(eqx.Module):
    """Positive definite matrices to smaller ones: BXBᵀ."""

    matrix: jax.Array

    def __call__(self, x):
        return self.matrix @ x @ self.matrix.T


NETWORK = pz.backbones.MLP((X.shape[1], 8, 4), key=jax.random.key(7))
CONGRUENCE = Congruence(jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5]]))


def doubled(row: jax.Array) -> jax.Array:
    """Dissimilarities to the same samples, in another unit."""
    return 2 * row


ENCODERS = {matrices: CONGRUENCE, relations: eqx.nn.Lambda(doubled)}


def latent(case: Case) -> tuple[eqx.Module, np.ndarray]:
    encoder = ENCODERS.get(case.data, NETWORK)
    return encoder, np.asarray(jax.jit(jax.vmap(encoder))(jnp.asarray(case.x)))


OWN = ("hidden", "channels", "activation", "pool", "latent_dim")  # of the rows' networks
WITH_NETWORK = [case for case in CASES if case.encoded]
WITHOUT = [case for case in CASES if case not in WITH_NETWORK]


# An encoder of one's own.


@pytest.mark.parametrize("case", WITHOUT, ids=str)
def test_a_row_behind_an_encoder_is_the_row_of_what_it_makes(case):
    encoder, points = latent(case)
    behind = case.recipe(case.x, case.y, key=KEY, encoder=encoder, **case.options)
    row = case.recipe(points, case.y, key=KEY, **case.options)
    assert behind.prototypes.space == row.prototypes.space and not behind.encode_prototypes
    assert eqx.tree_equal(behind.encoder, encoder)
    assert eqx.tree_equal(
        eqx.tree_at(lambda m: m.encoder, behind, row.encoder), row, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("case", WITH_NETWORK, ids=str)
def test_the_network_of_a_row_given_by_hand_makes_the_same_model(case):
    options = {name: value for name, value in case.options.items() if name not in OWN}
    given = case.recipe(case.x, case.y, key=KEY, encoder=case.model.encoder, **options)
    assert eqx.tree_equal(given, case.model)


def test_an_encoder_of_ones_own_learns_and_is_saved(tmp_path):
    x, y = images()
    encoder = eqx.nn.Sequential(
        [
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(36, 8, key=KEY),
            eqx.nn.Lambda(jax.nn.tanh),
            eqx.nn.Linear(8, 3, key=KEY),
        ]
    )
    for name in ("ImageGMLVQ", "GMLVQ"):
        fit = pz.fit(name, x, y, key=KEY, encoder=encoder, epochs=60)
        assert np.mean(np.asarray(fit.model.predict(x)) == y) > 0.9
        assert not eqx.tree_equal(fit.model.encoder, encoder)
        pz.save(tmp_path / name, fit.model)
        np.testing.assert_array_equal(pz.load(tmp_path / name).predict(x), fit.model.predict(x))
    frozen = pz.fit("HCM", x, key=KEY, encoder=encoder, prototypes=3, freeze="encoder")
    assert frozen.model.prototypes.points.shape == (3, 3)
    assert pz.cross_validate(
        "SiameseGLVQ", x, y, key=KEY, folds=3, epochs=3, encoder=encoder
    ).scores.shape == (3,)


def test_an_encoder_need_not_learn():
    """A plain function is structure."""
    model = pz.zoo.GLVQ(X, Y, key=KEY, encoder=jnp.square)
    np.testing.assert_allclose(
        model.distances(X), pz.zoo.GLVQ(X**2, Y, key=KEY).distances(X**2), rtol=1e-5
    )


@pytest.mark.parametrize("row", ["KMeans", "GaussianMixture"])
def test_functions_within_a_model_pass_through_alternating_optimisation(row):
    """Parts are chosen array by array, and functions are none."""
    encoder = eqx.nn.Sequential([eqx.nn.Lambda(jnp.tanh), lambda x, key=None: 2 * x])
    fit = pz.fit(row, X, key=0, epochs=1, prototypes=2, encoder=encoder)
    plain = pz.fit(row, 2 * np.tanh(X), key=0, epochs=1, prototypes=2)
    points = fit.model.prototypes.points, plain.model.prototypes.points
    np.testing.assert_allclose(*points, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["bool", "int32", "complex64"])
def test_encoders_return_floats(kind):
    def mapped(x):
        return x.astype(kind)

    model = pz.PrototypeModel(
        pz.Prototypes(X[::20], [0, 1, 2]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ(), mapped
    )
    for ask in (
        lambda: pz.zoo.GLVQ(X, Y, key=KEY, encoder=mapped),
        lambda: pz.zoo.SiameseGLVQ(X, Y, key=KEY, encoder=mapped),
        lambda: model.predict(X),
    ):
        with pytest.raises(ValueError, match=f"`encoder` must map .* to floats.* returns {kind}"):
            ask()
    # Samples that are integers become floats before.
    pz.zoo.GLVQ(X.astype(int), Y, key=KEY, encoder=lambda x: 2 * x).predict(X)


class Layers(eqx.Module):
    """Layers one after the other."""

    layers: tuple

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_what_an_encoder_cannot_be(unchecked):
    beside = pz.zoo.SiameseGLVQ, pz.zoo.LVQMLN, pz.zoo.ImageGLVQ
    for row, options, said in zip(
        beside,
        (
            {"hidden": (3,), "latent_dim": 4},
            {"activation": jax.nn.relu},
            {"channels": (2,), "pool": 1},
        ),
        ("`hidden`, `latent_dim`", "`activation`", "`channels`, `pool`"),
        strict=True,
    ):
        with pytest.raises(
            ValueError,
            match=f"{said}: an option of the network of {row.name}, whose place `encoder` takes",
        ):
            row(X, Y, key=KEY, encoder=NETWORK, **options)
    # Ω's own option stays one.
    assert pz.zoo.GMLVQ(X, Y, key=KEY, encoder=NETWORK, latent_dim=2).metric.matrix.shape == (4, 2)
    with pytest.raises(TypeError, match="`encoder` must be a callable module of one sample, got 3"):
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=3)
    with pytest.raises(ValueError, match=r"`encoder` refuses `x` of shape \(60, 4\)"):
        pz.zoo.GLVQ(X[:, :4], Y, key=KEY, encoder=NETWORK)
    with pytest.raises(
        ValueError, match="`encoder` must map a sample of `x` to one array with an axis at least"
    ):
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=jnp.sum)
    with pytest.raises(ValueError, match="`encoder` must map a sample of `x` to one array"):
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=lambda x: (x, x))
    with pytest.raises(ValueError, match=r"`encoder\(x\)` has 300 values that are NaN or infinite"):
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=lambda x: x / 0)
    with pytest.raises(
        ValueError, match=r"`encoder\(x\)` must have shape .* to lie in Euclidean.*, got \(60, 4\)"
    ):
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=NETWORK, space=pz.manifolds.Euclidean(5))
    with pytest.raises(ValueError, match=r"`encoder\(x\)` does not lie in SPD"):
        pz.zoo.RiemannianSRNG(matrices()[0], Y, key=KEY, encoder=lambda x: -x)


@pytest.mark.parametrize("siamese", [True, False])
def test_networks_in_training_mode_are_told_what_to_do(siamese):
    layers = eqx.nn.Linear(5, 4, key=KEY), eqx.nn.Dropout(0.5)
    dropping, (normed, state) = (
        Layers(layers),
        eqx.nn.make_with_state(eqx.nn.BatchNorm)(5, "batch", mode="batch"),
    )
    row = pz.zoo.SiameseGLVQ if siamese else pz.zoo.GLVQ
    said = (
        r"There is a Dropout at `encoder.layers\[1\]` in training mode.*pass "
        r"`eqx.nn.inference_mode\(encoder\)`"
    )
    prototypes = pz.Prototypes(X[::20] if siamese else X[::20, :4], [0, 1, 2])

    def composed(encoder):
        model = pz.PrototypeModel(
            prototypes, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ(), encoder, siamese
        )
        return model.predict(X)

    for make in (lambda encoder: row(X, Y, key=KEY, encoder=encoder), composed):
        with pytest.raises(ValueError, match=said):
            make(dropping)
        with pytest.raises(
            ValueError,
            match=r"of shape \([\d, ]*\)\. It has a state .*Stateful\(encoder, state\)`",
        ):
            make(normed)
        make(eqx.nn.inference_mode(dropping))
    held = row(X, Y, key=KEY, encoder=pz.backbones.Stateful(normed, state))
    assert held.predict(X).shape == (N,)


# Rows and functions of one's own.


def composed(x, y, *, key, per_class=1, temperature=1.0):
    prototypes = pz.Prototypes.from_classes(x, y, per_class, key=key, initialiser="means")
    kernel = pz.metrics.GaussianKernel.from_data(
        pz.metrics.Omega.identity(x.shape[1], 2), jnp.asarray(x), prototypes
    )
    return pz.PrototypeModel(prototypes, kernel, pz.losses.CrossEntropy(temperature))


RULE = pz.GradientDescent("adam", 2e-2)
MINE = dataclasses.replace(
    pz.zoo.GMLVQ, name="Mine", loss=lambda context, *, variance=0.5: pz.losses.RSLVQ(variance)
)


def test_a_composition_is_fitted_like_a_row():
    fit = pz.fit(
        composed, X, Y, key=KEY, per_class=2, temperature=0.5, rule=RULE, epochs=40, batch_size=30
    )
    built, trained = jax.random.split(KEY)
    model = composed(X, Y, key=built, per_class=2, temperature=0.5)
    by_hand = pz.Trainer(RULE, 40, batch_size=30).fit(model, X, Y, key=trained)
    assert fit.model.card is not None and fit.model.card.row == "composed"
    assert eqx.tree_equal(fit.model, replaced(by_hand.model, card=fit.model.card))
    clusters = pz.fit(
        lambda x, y, *, key: pz.zoo.HCM(x, key=key),
        X,
        key=KEY,
        rule=pz.AlternatingOptimization(),
        epochs=5,
    )
    assert clusters.model.prototypes.points.shape == (3, 5)


def test_a_row_of_ones_own_is_fitted_like_a_row():
    assert MINE.options["variance"] == 0.5 and "transfer" not in MINE.options
    fit = pz.fit(MINE, X, Y, key=KEY, variance=0.3, latent_dim=2, epochs=5)
    assert float(fit.model.loss.variance(1.0)) == pytest.approx(0.3)
    assert fit.model.metric.matrix.shape == (5, 2)
    same = pz.fit(pz.zoo.GMLVQ, X, Y, key=KEY, epochs=5)
    assert eqx.tree_equal(same.model, pz.fit("GMLVQ", X, Y, key=KEY, epochs=5).model)


def test_compositions_are_cross_validated():
    result = pz.cross_validate(composed, X, Y, folds=3, key=KEY, rule=RULE, epochs=30)
    assert result.mean > 0.7
    again = pz.cross_validate(composed, X, Y, folds=3, key=KEY, trainer=pz.Trainer(RULE, 30))
    np.testing.assert_array_equal(result.scores, again.scores)
    assert pz.cross_validate(MINE, X, Y, folds=3, key=KEY, epochs=30, variance=0.3).mean > 0.7
    named = pz.cross_validate(pz.zoo.GLVQ, X, Y, folds=3, key=KEY, epochs=5)
    np.testing.assert_array_equal(
        named.scores, pz.cross_validate("GLVQ", X, Y, folds=3, key=KEY, epochs=5).scores
    )


def test_compositions_are_fitted_together():
    models = [composed(X, Y, key=key) for key in jax.random.split(KEY, 2)]
    fits = pz.fit_many(pz.Trainer(RULE, 5), models, X, Y, key=KEY)
    assert {fit.member for fit in fits} == {0, 1}
    behind = [
        pz.zoo.GLVQ(X, Y, key=KEY, encoder=eqx.nn.MLP(5, 3, 4, 1, key=key))
        for key in jax.random.split(KEY, 2)
    ]
    assert len(pz.fit_many(pz.Trainer(RULE, 2), behind, X, Y, key=KEY)) == 2
    anew = [pz.zoo.GLVQ(X, Y, key=KEY, encoder=lambda x: 2 * x) for _ in range(2)]
    with pytest.raises(
        ValueError, match="a function that is made anew for each of them is another one each time"
    ):
        pz.fit_many(pz.Trainer(RULE, 2), anew, X, Y, key=KEY)


def test_what_is_no_composition_is_refused(unchecked):
    for ask in (pz.fit, pz.cross_validate):
        with pytest.raises(
            ValueError,
            match="composed is a function, .* give `rule` and `epochs`, such as `rule=pz.Gradient",
        ):
            ask(composed, X, Y)
        with pytest.raises(ValueError, match="give `epochs`"):
            ask(composed, X, Y, rule=RULE)
        with pytest.raises(
            TypeError,
            match="`model` must be a name of the table, .*got a model, which `Trainer.fit` trains",
        ):
            ask(composed(X, Y, key=KEY), X, Y)
        with pytest.raises(
            TypeError,
            match="`model` must be a name of the table, a `Recipe`, or a function .*, got 3",
        ):
            ask(3, X, Y)
        with pytest.raises(
            TypeError, match="`model` must return a `PrototypeModel`, and <lambda> returned 7"
        ):
            ask(lambda x, y, *, key: 7, X, Y, rule=RULE, epochs=1)
        with pytest.raises(ValueError, match="the zoo has no model 'GMLV'"):
            ask("GMLV", X, Y)
    with pytest.raises(ValueError, match="HCM learns without labels: there is no accuracy"):
        pz.cross_validate(pz.zoo.HCM, X, Y)


# Streams.


def test_slices_are_transformed_when_they_are_read():
    raw = np.round(255 * np.random.default_rng(0).uniform(size=(60, 5))).astype(np.uint8)
    seen = []

    def scaled(x):
        assert type(x) is np.ndarray and x.dtype == np.uint8
        seen.append(len(x))
        return x / np.float32(255)

    plain = Slices(raw / np.float32(255), Y, batch_size=16, block=2, seed=4)
    transformed = Slices(raw, Y, batch_size=16, block=2, seed=4, transform=scaled)
    for epoch in range(2):
        for (x, y), (expected, labels) in zip(transformed(epoch), plain(epoch), strict=True):
            np.testing.assert_array_equal(x, expected, strict=True)
            np.testing.assert_array_equal(y, labels)
    assert seen == [16, 16, 16, 12] * 2
    model = pz.zoo.GLVQ(raw / np.float32(255), Y, key=KEY)
    one, two = (pz.Trainer(RULE, 3).fit(model, source, key=KEY) for source in (plain, transformed))
    assert eqx.tree_equal(one.model, two.model)
    unlabelled = Slices(raw, batch_size=60, transform=scaled)
    ((x,),) = unlabelled(0)
    np.testing.assert_array_equal(np.max(x), raw.max() / np.float32(255))
    flat = Slices(images()[0], Y, batch_size=30, transform=lambda x: x.reshape(len(x), -1))
    assert [np.shape(x) for x, _ in flat(0)] == [(30, 36)] * 2


def test_transforms_that_lose_samples_are_refused(unchecked):
    for transform, returned in (
        (lambda x: x[:3], r"\(3, 5\)"),
        (lambda x: None, r"\(\)"),
        (lambda x: x.sum(), r"\(\)"),
    ):
        source = Slices(X, Y, batch_size=20, transform=transform)
        with pytest.raises(
            ValueError,
            match=f"`transform` must return as many samples as it is given, 20, and returned "
            f"{returned}",
        ):
            pz.Trainer(RULE, 1).fit(pz.zoo.GLVQ(X, Y, key=KEY), source, key=KEY)
    with pytest.raises(TypeError, match="`transform` must be a function or None, got 255"):
        Slices(X, Y, batch_size=20, transform=255)


def test_what_no_model_is_built_from_or_no_fold_can_have():
    stream = pz.training.Slices(X, Y, batch_size=20)
    batches = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    for given in (stream, batches, lambda epoch: batches):
        # Here, arguments are checked by their annotations before the library sees them.
        with pytest.raises(TypeError, match="`x` is a stream .*`pz.Trainer"):
            inspect.unwrap(taken)(pz.zoo.GLVQ, given, None, None)
    for settings, said in (
        ({"metrics": ["accuracy"]}, r"`metrics` .*`of\('log_loss'\)`"),
        ({"progress": True}, "`progress` belongs to .* one model, and there is one for each fold"),
        ({"restarts": 3}, "`restarts` belongs to .* one model, and there is one for each fold"),
    ):
        with pytest.raises(ValueError, match=said):
            pz.cross_validate("GLVQ", X, Y, folds=2, **settings)
