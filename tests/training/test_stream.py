"""Batches that arrive one after the other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas
import pytest
import scipy.sparse
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
    with pytest.raises(ValueError, match=r"^batch 1 of .* `x` has 1 values that are NaN.*\(0, 0\)"):
        trainer(1).fit(model, iter_again([(X[20:], Y[20:]), (bad, Y[:20])]), key=key)
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


HIDDEN = np.ma.masked_equal(Y, 0)
REST = (X[20:], Y[20:])
#: A batch with a fault, what comes after it, and what is said of it.
FAULTS = {
    "fewer labels": ((X[:20], Y[:19]), (X[20:], Y[19:]), "`y` must have one label for each of the"),
    "masked labels": ((X[:20], HIDDEN[:20]), REST, r"`y` is a masked.*`y\.filled\(value\)`"),
    "truth values": ((X[:20], Y[:20] > 0), REST, r"got bool; .*`classes, y = np\.unique\(y, "),
    "unsigned integers": ((X[:20], Y[:20].astype("u8") + 3), REST, r"`y` has class \d, but"),
    "dates": ((X[:20], Y[:20].astype("M8[s]")), REST, "`y` must hold integers.*datetime64"),
    "one label": ((X[:20], 1), REST, r"each of the 20 samples, shape \(20,\), got \(\)"),
    "no labels": ((X[:20], None), REST, "`y` is missing"),
    "fewer features": ((X[:20, :3], Y[:20]), REST, r"`x` must have shape \(n, 5\), got \(20, 3\)"),
    "a number": (3, 4, r"`x` must have shape \(n, 5\), got \(\)"),
    "one sample": ((X[0], Y[:1]), REST, r"pass x\[None\]"),
    "masked samples": ((np.ma.masked_less(X[:20], 0), Y[:20]), REST, "`x` is a masked array"),
    "masked weights": ((X[:20], Y[:20], 1.0 * HIDDEN[:20]), REST, "`weight` is a masked array"),
    "too many things": ((X, Y, None, 1), REST, "a batch must be `.x, y.`"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_batch_is_checked_by_itself(model, what):
    *pieces, message = FAULTS[what]
    with pytest.raises((ValueError, TypeError), match=f"^batch 0 of the stream `x`: .*{message}"):
        trainer(1).fit(model, iter_again(pieces), key=0)
    if what == "fewer labels":
        held_out = iter_again([REST, *pieces])
        with pytest.raises(ValueError, match=f"^batch 1 of the stream `validation`: .*{message}"):
            trainer(1).fit(model, X, Y, key=0, validation=held_out)


def test_few_samples_of_many_classes():
    many = np.arange(1500)
    model = pz.zoo.GLVQ(X[many % 60] + many[:, None], many, key=0)
    assert trainer(1).fit(model, [(X[:20], Y[:20]), (X[:3], Y[:3] + 1497)], key=0).epochs == 1


@pytest.mark.parametrize("stream", ["batches", "Slices", "validation"])
def test_the_columns_of_a_data_frame_are_those_of_the_model(stream, unchecked):
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = pz.fit("GLVQ", frame, Y, key=0, epochs=1).model
    other = frame[list("bacde")]
    wrong = Slices(other, Y, batch_size=20) if stream == "Slices" else [(other[:30], Y[:30])]
    given, held_out = ((frame, Y), wrong) if stream == "validation" else ((wrong,), None)
    with pytest.raises(ValueError, match="has other columns than the data.*`x.list.model.card"):
        trainer(1).fit(model, *given, key=0, validation=held_out)
    trainer(1).fit(model, Slices(frame, Y, batch_size=20), key=0)


def test_a_stream_of_one_class_is_refused_when_it_has_been_seen(model):
    alone = [(X[Y == 1][:10], Y[Y == 1][:10])] * 3
    with pytest.raises(ValueError, match="the stream `x`: `y` has the single class 1"):
        trainer(2).fit(model, iter_again(alone), key=0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            lambda: batches(20),
            "`x` must be a function of the epoch, .*lambda.* of \\(\\): too many",
        ),
        (lambda epoch, key: batches(20), "`x` must be a function of the epoch, .*'key'"),
        (lambda epoch: None, "the stream `x` must be batches, .*got None"),
        (Slices, "`x` must be a function of the epoch, .*batch_size"),
        (int, "the stream `x` must be batches, .*got 0"),
    ],
    ids=["no argument", "two", "none", "class", "number"],
)
def test_functions_that_are_no_streams(model, source, message, unchecked):
    with pytest.raises(TypeError, match=message):
        trainer(1).fit(model, source, key=0)
    if "function of the epoch" in message:
        with pytest.raises(TypeError, match=message.replace("`x`", "`validation`")):
            trainer(1).fit(model, X, Y, key=0, validation=source)


def test_slices_neither_lose_a_mask_nor_take_what_is_sparse():
    hidden = np.ma.masked_equal(np.where(X > 1, -999, X), -999)
    with pytest.raises(ValueError, match=r"`x` is a masked array.*`x\.filled\(value\)`"):
        Slices(hidden, Y, batch_size=20)
    with pytest.raises(ValueError, match="`y` is a masked array"):
        Slices(X, HIDDEN, batch_size=20)
    with pytest.raises(TypeError, match=r"`x` is sparse.*`x\.toarray\(\)`"):
        Slices(scipy.sparse.csr_array(X), Y, batch_size=20)

    class File:
        """Masked as soon as it is read, and not before."""

        shape = X.shape
        __len__ = X.__len__
        __getitem__ = hidden.__getitem__

    with pytest.raises(ValueError, match="`x` is a masked array"):
        next(Slices(File(), Y, batch_size=20)(0))
    with pytest.raises(ValueError, match=r"`transform\(x\)` is a masked array"):
        next(Slices(X, Y, batch_size=20, transform=lambda x: np.ma.masked_less(x, 0))(0))
    with pytest.raises(TypeError, match="`transform` must be a function of a batch's samples"):
        Slices(X, Y, batch_size=20, transform=lambda: X)


def test_a_batch_of_no_samples_is_not_there(model):
    pieces = batches(20)
    one, other = (
        trainer(1).fit(model, iter_again(given), key=0)
        for given in (pieces, [pieces[0], (X[:0], Y[:0]), *pieces[1:]])
    )
    assert eqx.tree_equal(one.model, other.model)


def test_a_series_weighs_classes_by_its_index(model, unchecked):
    weights, words = {2: 0.5, 0: 1.0, 1: 3.0}, {"c": 0.5, "a": 1.0, "b": 3.0}
    named = pz.fit("GLVQ", X, np.array(list("abc"))[Y], key=0, epochs=1).model
    for one, given in ((model, weights), (named, words)):
        for data in ((X, Y), (Slices(X, Y, batch_size=60),)):
            fits = [
                trainer(1).fit(one, *data, key=0, class_weight=made(given))
                for made in (dict, pandas.Series)
            ]
            assert eqx.tree_equal(fits[0].model, fits[1].model)
    with pytest.raises(ValueError, match=r"once, got \[0, 1, 1, 2\]"):
        trainer(1).fit(model, X, Y, key=0, class_weight=pandas.Series([1, 2, 3, 4], [0, 1, 1, 2]))


def test_validation_from_a_stream_is_part_of_a_run(model, tmp_path):
    """Which neither came nor went when a run is resumed."""

    def held_out(epoch):
        yield X[:10], Y[:10]

    def fit(epochs: int, **options: object):
        checkpoints = pz.Checkpoints(tmp_path, every=1)
        trainer = pz.Trainer(pz.GradientDescent("sgd", 0.1), epochs, checkpoints=checkpoints)
        return trainer.fit(model, lambda epoch: batches(20), key=0, **options)

    fit(2, validation=held_out)
    with pytest.raises(ValueError, match="another run: its validation differs"):
        fit(4, resume=True)
    assert fit(4, validation=held_out, resume=True).epochs == 4
