"""Batches that arrive one after the other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from zoo import blobs

import protozoo as pz
from protozoo._module import chart, retract
from protozoo.training import Slices


X, Y = blobs()


@pytest.fixture(scope="module")
def model() -> pz.PrototypeModel:
    return pz.zoo.GMLVQ(X, Y, key=jax.random.key(0))


def trainer(epochs: int, learning_rate: object = 1e-2, **settings) -> pz.Trainer:
    return pz.Trainer(pz.GradientDescent("adam", learning_rate), epochs, **settings)


def batches(size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(X[i : i + size], Y[i : i + size]) for i in range(0, len(X), size)]


class Source:
    """Can be iterated again and again, and has a length."""

    def __init__(self, size: int):
        self.size = size

    def __len__(self):
        return -(-len(X) // self.size)

    def __iter__(self):
        yield from batches(self.size)


def mean_loss(model: pz.PrototypeModel, x: np.ndarray, y: np.ndarray) -> jax.Array:
    return model.loss_of(jnp.asarray(x), jnp.asarray(y, jnp.int32), jnp.full(len(x), 1 / len(x)))


def by_hand(
    model: pz.PrototypeModel, epochs: int, size: int, learning_rate
) -> tuple[pz.PrototypeModel, list[float]]:
    """The same with Optax alone; the learning rate is a function of the update."""
    params, rest = eqx.partition(model, pz.training.trainable_mask(model))
    optimiser = optax.adam(learning_rate)
    state, losses = optimiser.init(chart(params)), []
    for _ in range(epochs):
        total = 0.0
        for x, y in batches(size):
            n = len(x)

            def loss(coordinates, x=x, y=y, base=params):
                return mean_loss(eqx.combine(retract(coordinates, base), rest), x, y)

            value, gradient = jax.value_and_grad(loss)(chart(params))
            updates, state = optimiser.update(gradient, state)
            params = retract(optax.apply_updates(chart(params), updates), params)
            total += float(value) * n
        losses.append(total / len(X))
    return eqx.combine(params, rest), losses


@pytest.mark.parametrize("size", [20, 25])
def test_a_stream_is_trained_like_a_loop_by_hand(size, model):
    steps = 3 * -(-len(X) // size)
    fit = trainer(3, pz.Linear(1e-2, 1e-3)).fit(model, Source(size), key=jax.random.key(0))
    expected, losses = by_hand(model, 3, size, optax.linear_schedule(1e-2, 1e-3, steps - 1))
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-4)
    np.testing.assert_allclose(
        fit.model.prototypes.points, expected.prototypes.points, rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        fit.model.metric.matrix, expected.metric.matrix, rtol=1e-3, atol=1e-4
    )


def test_a_stream_of_one_batch_is_the_full_batch(model):
    whole = trainer(5).fit(model, X, Y, key=jax.random.key(0))
    one = trainer(5).fit(model, lambda epoch: iter([(X, Y)]), key=jax.random.key(0))
    np.testing.assert_allclose(one.history["loss"], whole.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(
        one.model.prototypes.points, whole.model.prototypes.points, rtol=1e-5, atol=1e-6
    )


def test_a_stream_compiles_once(model):
    trainer(2).fit(model, Source(25), key=jax.random.key(0))
    with count_compilations() as compiled:
        trainer(3, 2e-2).fit(model, Source(25), key=jax.random.key(0))
    assert [name for name in compiled.names if "step" in name or "close" in name] == []


@pytest.mark.parametrize("name", ["HCM", "RSLVQ", "LGMLVQ", "CBC", "KNN"])
def test_every_rule_takes_streams(name):
    recipe = getattr(pz.zoo, name)
    model = recipe(X, Y if recipe.supervised else None, key=jax.random.key(0))
    pieces = [piece if recipe.supervised else piece[0] for piece in batches(20)]
    fit = recipe.trainer(epochs=5).fit(model, iter_again(pieces), key=jax.random.key(0))
    assert np.isfinite(fit.history["loss"]).all()
    assert fit.history["loss"][-1] <= fit.history["loss"][0]


def iter_again(pieces):
    return lambda epoch: pieces


def test_weights_of_a_stream_and_validation_and_stopping(model):
    weight = np.where(Y == 0, 0.0, 1.0)
    pieces = [(X[i : i + 20], Y[i : i + 20], weight[i : i + 20]) for i in range(0, 60, 20)]
    stopping = pz.Stopping(patience=3)
    fit = trainer(100, 0.1, stopping=stopping, restore_best=True).fit(
        model, iter_again(pieces), key=jax.random.key(0), validation=(X[::2], Y[::2])
    )
    assert fit.reason == "patience"
    losses = fit.history["validation_loss"]
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    np.testing.assert_allclose(mean_loss(fit.model, X[::2], Y[::2]), losses.min(), rtol=1e-5)
    unseen = [(X[20:40], Y[20:40]), (X[40:], Y[40:])]
    alone = trainer(1).fit(model, iter_again(unseen), key=jax.random.key(0))
    np.testing.assert_allclose(
        trainer(1).fit(model, iter_again(pieces[1:]), key=jax.random.key(0)).history["loss"],
        alone.history["loss"],
    )


def test_slices_of_a_file_show_every_sample_once_in_every_epoch(tmp_path):
    n = 203
    np.save(tmp_path / "x.npy", np.arange(2.0 * n).reshape(n, 2))
    np.save(tmp_path / "y.npy", np.arange(n))
    files = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy"]
    source = Slices(*files, batch_size=10, block=3, seed=1)
    assert len(source) == 21
    orders = []
    for epoch in range(3):
        found = list(source(epoch))
        assert [len(x) for x, _ in found] == [10] * 20 + [3]
        labels = np.concatenate([y for _, y in found])
        np.testing.assert_array_equal(np.concatenate([x for x, _ in found])[:, 0], 2 * labels)
        np.testing.assert_array_equal(np.sort(labels), np.arange(n))
        orders.append(labels)
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(np.concatenate([y for _, y in source(1)]), orders[1])


class StopAt(pz.training.AbstractCallback):
    every = 1

    def on_fit_start(self, view):
        pass

    def on_chunk_end(self, view):
        return view.epoch == 3

    def on_fit_end(self, view):
        pass


def test_a_stream_that_knows_its_epoch_resumes_bit_identically(model, tmp_path):
    source = Slices(X, Y, batch_size=20, block=2)
    whole = trainer(6).fit(model, source, key=jax.random.key(0))
    checkpoints = pz.Checkpoints(tmp_path / "c", every=2)
    trainer(6, checkpoints=checkpoints, callbacks=[StopAt()]).fit(
        model, source, key=jax.random.key(0)
    )
    rest = trainer(6, checkpoints=checkpoints).fit(
        model, source, key=jax.random.key(0), resume=True
    )
    assert eqx.tree_equal(whole.model, rest.model)
    np.testing.assert_array_equal(whole.history["loss"], rest.history["loss"])


def test_what_streams_refuse(model):
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="an iterator, which can be read once, and `epochs` is 2"):
        trainer(2).fit(model, iter(batches(20)), key=key)
    assert trainer(1).fit(model, iter(batches(20)), key=key).epochs == 1
    with pytest.raises(
        ValueError, match="empty in epoch 1, or without weight: it must be iterable again"
    ):
        trainer(2).fit(model, lambda epoch: batches(20) if epoch == 0 else [], key=key)
    with pytest.raises(ValueError, match="`batch_size` does not go with a stream"):
        trainer(2, batch_size=5).fit(model, Source(20), key=key)
    with pytest.raises(
        ValueError,
        match="`class_weight='balanced'` counts all samples, which a stream shows one after "
        "the other",
    ):
        trainer(2).fit(model, Source(20), key=key, class_weight="balanced")
    with pytest.raises(ValueError, match="`y` does not go with a stream"):
        trainer(2).fit(model, Source(20), Y, key=key)
    bad = X[:20].copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="a batch's x. has 1 values that are NaN"):
        trainer(1).fit(model, iter_again([(bad, Y[:20])]), key=key)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer, got 0"):
        Slices(X, Y, batch_size=0)
    with pytest.raises(ValueError, match="`y` must have one label for each of the 60 samples"):
        Slices(X, Y[:3], batch_size=2)


def test_a_frozen_encoder_is_applied_once_and_its_head_is_trained_alone(tmp_path):
    whole = pz.zoo.LVQMLN(X, Y, key=jax.random.key(0), hidden=(8,), latent_dim=4)
    latent = np.lib.format.open_memmap(tmp_path / "latent.npy", "w+", np.float32, (len(X), 4))
    for start in range(0, len(X), 25):
        latent[start : start + 25] = whole.encode(jnp.asarray(X[start : start + 25]))
    head = pz.PrototypeModel(whole.prototypes, whole.metric, whole.loss)
    fits = [
        trainer(3, freeze=freeze).fit(model, Slices(x, Y, batch_size=20), key=jax.random.key(0))
        for model, x, freeze in ((head, latent, None), (whole, X, "encoder"))
    ]
    np.testing.assert_allclose(fits[0].history["loss"], fits[1].history["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        fits[0].model.prototypes.points, fits[1].model.prototypes.points, rtol=1e-4, atol=1e-5
    )
    again = pz.PrototypeModel(fits[0].model.prototypes, head.metric, head.loss, whole.encoder)
    np.testing.assert_array_equal(again.predict(X), fits[1].model.predict(X))


def test_batches_call_classes_by_the_names_that_the_model_knows():
    words = np.array(["ash", "birch", "cedar"])[Y]
    named = pz.fit("GLVQ", X, words, key=0, epochs=1).model
    weights = {"ash": 1.0, "birch": 3.0, "cedar": 0.5}
    plain = trainer(2).fit(named, Slices(X, Y, batch_size=20), key=0, class_weight=[1.0, 3.0, 0.5])
    for source, weighed in (
        (Slices(X, words, batch_size=20), weights),
        (Slices(X, Y, batch_size=20), weights),
        (Slices(X, words, batch_size=20), [1.0, 3.0, 0.5]),
        (iter_again([(X[i : i + 20], words[i : i + 20]) for i in range(0, len(X), 20)]), weights),
    ):
        fit = trainer(2).fit(
            named, source, key=0, class_weight=weighed, validation=[(X[:20], words[:20])]
        )
        assert len(fit.history["validation_loss"]) == 2
        if isinstance(source, Slices):
            assert eqx.tree_equal(fit.model, plain.model)
    with pytest.raises(ValueError, match="oak"):
        trainer(1).fit(named, [(X[:3], np.array(["ash", "birch", "oak"]))], key=0)
