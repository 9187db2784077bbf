"""The trainer against a plain loop that anyone can read, and what it promises besides."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from zoo import CLASSES, N, blobs

import protozoo as pz
from protozoo._module import chart, retract
from protozoo.training import Reason, _loop, trainable_mask
from protozoo.training._shuffle import shuffled


X, Y = blobs()
HELD_OUT = np.arange(N) % 3 == 0
REPEATS = np.arange(N) % 3  # they sum to N, so that repeated samples have the shape of the others


def gmlvq(x=X, y=Y) -> pz.PrototypeModel:
    """Generalized matrix LVQ without a constraint: steps of length zero leave every bit alone."""
    prototypes = pz.Prototypes.from_classes(x, y, 2, key=jax.random.key(3))
    return pz.PrototypeModel(prototypes, pz.metrics.Omega.identity(x.shape[1]), pz.losses.GLVQ())


def smng(x=X, y=Y) -> pz.PrototypeModel:
    """Annealed, and with a constraint (the trace of a matrix)."""
    return pz.zoo.SMNG(x, y, key=jax.random.key(3), prototypes_per_class=2)


def adam(learning_rate: float = 0.05) -> pz.GradientDescent:
    return pz.GradientDescent(optax.adam(learning_rate))


def arrays(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def identical(one: Any, other: Any) -> bool:
    a, b = arrays(one), arrays(other)
    return len(a) == len(b) and all(
        np.array_equal(p, q) and p.dtype == q.dtype for p, q in zip(a, b, strict=True)
    )


def assert_close(one: Any, other: Any, **tolerance) -> None:
    for p, q in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_allclose(p, q, **tolerance)


# The oracle: what `Trainer`, `Stopping` and `Fit` promise, as a loop in Python.


@eqx.filter_jit
def objective(model, x, y, weight, progress: Any = 1.0):
    return model.loss_of(x, y, weight, progress)


@eqx.filter_jit
def slope(params, rest, x, y, weight, progress):
    def objective(coordinates):
        return eqx.combine(retract(coordinates, params), rest).loss_of(x, y, weight, progress)

    return jax.value_and_grad(objective)(chart(params))


def finite(tree: Any) -> bool:
    return all(np.isfinite(leaf).all() for leaf in arrays(tree))


@dataclasses.dataclass
class Plain:
    model: pz.PrototypeModel
    loss: list[float]
    validation_loss: list[float]
    reason: str


def plain_loop(
    model,
    optimiser,
    x,
    y,
    key,
    epochs,
    batch_size=None,
    freeze=None,
    weight=None,
    validation=None,
    patience=None,
    min_delta=0.0,
    tolerance=None,
    restore_best=False,
) -> Plain:
    params, rest = eqx.partition(model, trainable_mask(model, freeze))
    optimiser = optax.with_extra_args_support(optimiser)
    state = optimiser.init(chart(params))

    @jax.jit
    def update(params, state, value, gradient):
        change, state = optimiser.update(gradient, state, chart(params), value=value, grad=gradient)
        return retract(optax.apply_updates(chart(params), change), params), state

    n = len(x)
    size = n if batch_size is None else batch_size
    batches = int(np.ceil(n / size))
    weight = np.ones(n) if weight is None else n * weight / weight.sum()
    history, validation_history, updates, waited = [], [], 0, 0
    previous = best = np.inf
    good = best_params = params
    reason = "max epochs"

    def progress_of(update: int) -> jax.Array:
        return jnp.asarray(update / (epochs * batches - 1))

    for epoch in range(epochs):
        order = np.arange(n)
        if batch_size is not None:
            order = np.asarray(shuffled(jax.random.fold_in(key, epoch), jnp.arange(n), n))
        before, loss = params, 0.0
        for start in range(0, n, size):
            rows = order[start : start + size]
            progress = progress_of(updates)
            value, gradient = slope(
                params, rest, x[rows], y[rows], weight[rows] / len(rows), progress
            )
            params, state = update(params, state, value, gradient)
            loss += float(value) * len(rows) / n
            updates += 1
        history.append(loss)
        monitored, judged = loss, before if batch_size is None else params
        if validation is not None:
            xv, yv = validation
            share = jnp.full(len(xv), 1 / len(xv))
            judged = params
            monitored = float(objective(eqx.combine(params, rest), xv, yv, share, jnp.asarray(1.0)))
            validation_history.append(monitored)

        sound = np.isfinite(loss) and np.isfinite(monitored) and finite(judged)
        if sound:
            good = judged
            waited = 0 if best - monitored > min_delta else waited + 1
            if monitored < best:
                best, best_params = monitored, judged
        if not (sound and finite(params)):
            params, reason = good, "diverged"
            break
        if tolerance is not None and abs(previous - monitored) <= tolerance:
            reason = "converged"
            break
        if patience is not None and waited >= patience:
            reason = "patience"
            break
        previous = monitored
    if restore_best:
        params = best_params
    return Plain(eqx.combine(params, rest), history, validation_history, reason)


@dataclasses.dataclass(frozen=True)
class Run:
    name: str
    reason: str
    optimiser: Callable[[], optax.GradientTransformation]
    epochs: int = 100
    make: Callable[..., pz.PrototypeModel] = gmlvq
    validated: bool = False
    weighted: bool = False
    stopping: dict[str, Any] = dataclasses.field(default_factory=dict)
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def breaking_after(updates: float) -> Callable[[], optax.GradientTransformation]:
    """Gradient descent whose step is NaN from this update on."""
    return lambda: optax.sgd(lambda count: jnp.where(jnp.asarray(count) < updates, 0.2, jnp.nan))


# With 40 samples, batches of 16 make an epoch of three updates.
RUNS = [
    Run("full batch", "max epochs", lambda: optax.adam(0.05), 25, weighted=True),
    Run(
        "mini-batches",
        "max epochs",
        lambda: optax.adam(0.05),
        12,
        weighted=True,
        settings={"batch_size": 16},
    ),
    Run(
        "annealed",
        "max epochs",
        lambda: optax.sgd(0.2, 0.9),
        10,
        smng,
        True,
        True,
        settings={"batch_size": 16},
    ),
    Run(
        "patience",
        "patience",
        lambda: optax.adam(2.0),
        stopping={"patience": 2, "min_delta": 1e-3},
        settings={"restore_best": True},
    ),
    Run(
        "patience in validation",
        "patience",
        lambda: optax.adam(0.1),
        validated=True,
        stopping={"patience": 4},
        settings={"batch_size": 16, "restore_best": True},
    ),
    Run(
        "frozen metric",
        "patience",
        lambda: optax.adamw(0.2, weight_decay=0.1),
        validated=True,
        stopping={"patience": 3},
        settings={"freeze": "metric", "restore_best": True},
    ),
    Run(
        "tolerance",
        "converged",
        lambda: optax.adam(0.05),
        stopping={"tolerance": 2e-3, "patience": 50},
    ),
    Run(
        "plateaus",
        "max epochs",
        lambda: optax.chain(
            optax.sgd(2.0), optax.contrib.reduce_on_plateau(factor=0.5, patience=1)
        ),
        30,
    ),
    Run("broken", "diverged", breaking_after(7.0)),
    Run("broken at once", "diverged", breaking_after(0.0)),
    Run("broken, best", "diverged", breaking_after(7.0), settings={"restore_best": True}),
    Run("broken within an epoch", "diverged", breaking_after(10.0), settings={"batch_size": 16}),
    Run("broken by the last batch", "diverged", breaking_after(11.0), settings={"batch_size": 16}),
]


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_the_compiled_loop_is_the_plain_loop(run, key, x64):
    x, y = X[~HELD_OUT].astype(float), Y[~HELD_OUT]
    validation = (X[HELD_OUT].astype(float), Y[HELD_OUT]) if run.validated else None
    model = run.make(x, y)
    weight, fitted = None, {}
    if run.weighted:
        share, of_class = np.arange(1.0, 41), np.array([1.0, 3.0, 0.5])
        weight = share * of_class[y]
        fitted = {"sample_weight": share, "class_weight": dict(enumerate(of_class))}
    trainer = pz.Trainer(
        pz.GradientDescent(run.optimiser()),
        run.epochs,
        stopping=pz.Stopping(**run.stopping),
        **run.settings,
    )
    fit = trainer.fit(model, x, y, key=key, validation=validation, **fitted)
    plain = plain_loop(
        model,
        run.optimiser(),
        jnp.asarray(x),
        jnp.asarray(y, jnp.int32),
        key,
        run.epochs,
        weight=weight,
        validation=None
        if validation is None
        else (jnp.asarray(validation[0]), jnp.asarray(validation[1], jnp.int32)),
        **run.stopping,
        **run.settings,
    )
    assert fit.reason == plain.reason == run.reason
    assert (fit.epochs < run.epochs) == (run.reason != "max epochs")
    assert fit.epochs == len(plain.loss)
    histories = {"loss": plain.loss} | (
        {"validation_loss": plain.validation_loss} if run.validated else {}
    )
    assert fit.history.keys() == histories.keys()
    for name, values in histories.items():
        assert fit.history[name].dtype == np.float64
        np.testing.assert_allclose(fit.history[name], values, rtol=1e-9)
    assert finite(fit.model)
    assert_close(fit.model, plain.model, rtol=1e-7, atol=1e-9)
    if run.settings.get("restore_best") and (run.validated or "batch_size" not in run.settings):
        xs, ys = (x, y) if validation is None else validation
        share = jnp.full(len(xs), 1 / len(xs))
        again = objective(
            fit.model, jnp.asarray(xs), jnp.asarray(ys, jnp.int32), share, jnp.asarray(1.0)
        )
        monitored = fit.history["validation_loss" if run.validated else "loss"]
        np.testing.assert_allclose(again, np.nanmin(monitored), rtol=1e-12)
        assert run.reason == "diverged" or monitored.argmin() < fit.epochs - 1, (
            "the last model is the best: nothing restored"
        )


@pytest.mark.parametrize("min_delta", [0.0, 0.02])
@pytest.mark.parametrize("patience", [1, 2, 4])
def test_patience_is_a_number_of_epochs_in_a_row_without_improvement(patience, min_delta, key):
    model, epochs = gmlvq(), 60
    history = pz.Trainer(adam(0.6), epochs).fit(model, X, Y, key=key).history["loss"]
    best_before = np.minimum.accumulate(np.append(np.inf, history))[:-1]

    def ends_with(min_delta):
        failed = ~(best_before - history > min_delta)
        return [e for e in range(patience, epochs + 1) if failed[e - patience : e].all()]

    ends = ends_with(min_delta)
    assert ends and ends[0] > patience
    assert (ends[0] < ends_with(0.0)[0]) == (min_delta > 0), (
        "small improvements make no difference here"
    )
    fit = pz.Trainer(adam(0.6), epochs, stopping=pz.Stopping(patience, min_delta)).fit(
        model, X, Y, key=key
    )
    assert (fit.epochs, fit.reason) == (ends[0], "patience")
    np.testing.assert_array_equal(fit.history["loss"], history[: ends[0]])
    # The first value improves on nothing before; an equal one is no improvement.
    still = pz.Trainer(adam(0.0), epochs, stopping=pz.Stopping(patience, min_delta)).fit(
        model, X, Y, key=key
    )
    assert (still.epochs, still.reason) == (patience + 1, "patience")


def test_a_tolerance_of_zero_ends_where_nothing_changes(key):
    model = pz.zoo.HCM(X, key=key, prototypes=4)

    def run(**stopping):
        trainer = pz.Trainer(pz.AlternatingOptimization(), 50, stopping=pz.Stopping(**stopping))
        return trainer.fit(model, X, key=key)

    fit, forever = run(tolerance=0.0), run()
    assert (forever.reason, forever.epochs) == ("max epochs", 50)
    assert fit.reason == "converged"
    loss = forever.history["loss"]
    still = (
        1
        + np.flatnonzero(np.abs(np.diff(loss)) <= 4 * np.finfo(np.float32).eps * np.abs(loss[1:]))[
            0
        ]
    )
    assert fit.epochs == still + 1
    np.testing.assert_allclose(loss[still:], loss[still], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_divergence_returns_a_finite_model_and_a_remedy(batch_size, key):
    model = gmlvq()
    fit = pz.Trainer(pz.GradientDescent(optax.sgd(1e15)), 50, batch_size=batch_size).fit(
        model, X, Y, key=key
    )
    assert fit.reason == "diverged"
    assert "learning rate" in fit.reason.remedy
    assert fit.epochs == len(fit.history["loss"]) < 50
    assert finite(fit.model)
    fit.model.predict(X)
    fit = pz.Trainer(pz.GradientDescent(optax.sgd(float("nan"))), 50, batch_size=batch_size).fit(
        model, X, Y, key=key
    )
    assert (fit.reason, fit.epochs) == ("diverged", 1)
    assert identical(fit.model, model)


def test_every_reason_has_a_remedy():
    assert {reason.value for reason in Reason} == {
        "converged",
        "patience",
        "max epochs",
        "diverged",
        "callback",
    }
    assert len({reason.remedy for reason in Reason}) == 5


# Mini-batches.


def orders(n: int, count: int) -> np.ndarray:
    keys = jax.random.split(jax.random.key(1), count)
    return np.asarray(
        jax.jit(jax.vmap(lambda key: shuffled(key, jnp.arange(n, dtype=jnp.int32), n)))(keys)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 7, 60, 64, 1000])
def test_an_order_is_a_permutation(n):
    some = orders(n, 20)
    np.testing.assert_array_equal(np.sort(some, axis=1), np.broadcast_to(np.arange(n), some.shape))
    assert len(np.unique(some, axis=0)) > (10 if n >= 7 else min(n, 2) - 1)


@pytest.mark.parametrize("n", [2, 3, 7, 16])
def test_orders_are_roughly_uniform(n):
    many = 100_000
    some = orders(n, many)
    where = np.stack([np.bincount(column, minlength=n) for column in some.T]) * n / many
    np.testing.assert_allclose(where, 1, atol=0.1)
    first_two = (
        np.bincount(some[:, 0] * n + some[:, 1], minlength=n * n).reshape(n, n) * n * (n - 1) / many
    )
    assert np.all(np.diag(first_two) == 0)
    np.testing.assert_allclose(first_two[~np.eye(n, dtype=bool)], 1, atol=0.35)


class Recording(pz.training.AbstractRule):
    """Learns nothing: with x the identity matrix, the points become a record of what each sample
    was given."""

    def check(self, model, mask, objective, batch_size):
        pass

    def init(self, params, objective):
        return jnp.asarray(0.0)

    def evaluated(self, params, state):
        return params

    def step(self, params, rest, state, batch, objective, progress, *, key):
        present = jnp.where(batch.weight > 0, 1.0, 0.0)
        record = jnp.stack([batch.weight @ batch.x, present @ batch.x, state * (present @ batch.x)])
        points = params.prototypes.points + record
        return (
            eqx.tree_at(lambda m: m.prototypes.points, params, points),
            state + 1,
            jnp.sum(batch.weight),
        )


def record(key: jax.Array, batch_size: int | None, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    model = pz.PrototypeModel(
        pz.Prototypes(jnp.zeros((3, N))), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    weight = np.arange(1.0, N + 1)
    fit = pz.Trainer(Recording(), epochs, batch_size=batch_size).fit(
        model, np.eye(N), key=key, sample_weight=weight
    )
    return np.asarray(fit.model.prototypes.points), fit.history["loss"]


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(16, [16, 16, 16, 12]), (20, [20, 20, 20]), (59, [59, 1]), (None, [60])],
)
def test_every_epoch_sees_every_sample_once(batch_size, sizes, key):
    weight = np.arange(1, N + 1) / np.mean(np.arange(1, N + 1))
    (share, seen, when), loss = record(key, batch_size, epochs=1)
    np.testing.assert_array_equal(seen, 1)
    np.testing.assert_array_equal(np.bincount(when.astype(int)), sizes)
    np.testing.assert_allclose(share, weight / np.array(sizes)[when.astype(int)], rtol=1e-6)
    np.testing.assert_allclose(loss, 1, rtol=1e-6)
    (_, twice, when_two), losses = record(key, batch_size, epochs=2)
    np.testing.assert_array_equal(twice, 2)
    np.testing.assert_allclose(losses, 1, rtol=1e-6)
    second = when_two - when - len(sizes)
    np.testing.assert_array_equal(np.bincount(second.astype(int)), sizes)
    if batch_size is not None:
        assert np.any(second != when), "two epochs have the same order"
        assert np.any(record(jax.random.key(5), batch_size, epochs=1)[0][2] != when), (
            "two keys have the same order"
        )


@pytest.mark.parametrize("together", [1, 3])
def test_batches_are_the_same_however_many_are_fetched_at_once(together, key, monkeypatch):
    expected = record(key, batch_size=16, epochs=2)
    monkeypatch.setattr(_loop, "FETCHED", together * 16 * N)
    jax.clear_caches()  # a compiled program does not look again
    found = record(key, batch_size=16, epochs=2)
    jax.clear_caches()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_of_all_samples_is_the_full_batch(key):
    model = gmlvq()
    full = pz.Trainer(adam(), 10).fit(model, X, Y, key=key)
    for batch_size in (N, N + 4):
        other = pz.Trainer(adam(), 10, batch_size=batch_size).fit(model, X, Y, key=key)
        assert identical(other.model, full.model)
        np.testing.assert_array_equal(other.history["loss"], full.history["loss"])


@pytest.mark.parametrize("kind", ["typed", "raw", "rbg"])
def test_keys_of_every_kind(kind, key):
    make = {
        "typed": lambda s: jax.random.key(s),
        "raw": jax.random.PRNGKey,
        "rbg": lambda s: jax.random.key(s, impl="rbg"),
    }[kind]

    def run(key):
        return pz.Trainer(adam(), 3, batch_size=16).fit(gmlvq(), X, Y, key=key).model

    assert identical(run(make(0)), run(make(0)))
    assert not identical(run(make(0)), run(make(1)))
    assert identical(run(make(0)), run(key)) == (kind != "rbg")


# Weights.


def test_class_weights_and_sample_weights(key):
    y = np.repeat(np.arange(CLASSES), [30, 20, 10])
    model, weight = gmlvq(X, y), np.linspace(0.5, 2.0, N)

    def run(**weights):
        return pz.Trainer(adam(), 5).fit(model, X, y, key=key, **weights)

    balanced = run(class_weight="balanced")
    assert identical(
        balanced.model,
        run(class_weight={0: 60 / (3 * 30), 1: 60 / (3 * 20), 2: 60 / (3 * 10)}).model,
    )
    assert not identical(balanced.model, run().model)
    both = run(sample_weight=weight, class_weight={2: 4.0, 0: 1.0, 1: 0.25})
    assert identical(both.model, run(sample_weight=weight * np.array([1, 0.25, 4])[y]).model)
    assert not identical(both.model, run(sample_weight=weight).model)
    # The mean weight is one, whatever it was: neither the scale of the weights nor equal weights
    # change anything.
    assert identical(run(sample_weight=8 * weight).model, run(sample_weight=weight).model)
    assert identical(run(sample_weight=np.full(N, 4.0)).model, run().model)


@pytest.mark.parametrize(
    ("row", "rule"),
    [("GMLVQ", "descent"), ("FCM", "alternating"), ("GaussianMixture", "alternating")],
)
def test_integer_weights_are_repeated_samples(row, rule, key, x64):
    recipe = getattr(pz.zoo, row)
    x = X.astype(float)
    y = Y if recipe.supervised else None
    model = recipe(x, y, key=jax.random.key(3))
    trainer = pz.Trainer(pz.AlternatingOptimization() if rule == "alternating" else adam(), 8)
    weighted = trainer.fit(model, x, y, key=key, sample_weight=REPEATS)
    copies = trainer.fit(
        model, np.repeat(x, REPEATS, axis=0), None if y is None else np.repeat(y, REPEATS), key=key
    )
    np.testing.assert_allclose(weighted.history["loss"], copies.history["loss"], rtol=1e-10)
    assert_close(weighted.model, copies.model, rtol=1e-8, atol=1e-10)
    plain = trainer.fit(model, x, y, key=key)
    assert np.abs(weighted.history["loss"] - plain.history["loss"]).max() > 1e-3


# Freezing.


@pytest.mark.parametrize(
    "spellings",
    [
        ["metric", ("metric.matrix",), lambda m: m.metric, lambda m: (m.metric.matrix, m.loss)],
        ["prototypes.points", ["prototypes", "loss"], lambda m: m.prototypes],
    ],
    ids=["metric", "points"],
)
def test_frozen_parts_do_not_move(spellings, key):
    model = gmlvq()
    frozen, free = (lambda m: m.metric), (lambda m: m.prototypes)
    if spellings[0] != "metric":
        frozen, free = free, frozen
    rule = pz.GradientDescent(optax.adamw(0.05, weight_decay=0.5))
    fits = [pz.Trainer(rule, 10, freeze=freeze).fit(model, X, Y, key=key) for freeze in spellings]
    for fit in fits:
        assert identical(frozen(fit.model), frozen(model))
        assert identical(fit.model, fits[0].model)
    assert not identical(free(fits[0].model), free(model))


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (["metric", "nope"], "'nope' names no part.*'prototypes', 'metric', 'loss', 'encoder'"),
        ("prototypes.labels", "Prototypes has 'points', 'space', 'counts', not 'labels'"),
        (lambda m: m, "leaves no parameter to train"),
        (lambda m: 0, "must return parts of the model"),
    ],
)
def test_freezing_what_is_not_there_or_everything(freeze, message, key):
    with pytest.raises(ValueError, match=message):
        pz.Trainer(adam(), 1, freeze=freeze).fit(gmlvq(), X, Y, key=key)


def test_alternating_optimisation_needs_something_to_optimise(key):
    with pytest.raises(ValueError, match="leaves no parameter to train"):
        pz.Trainer(pz.AlternatingOptimization(), 1, freeze="prototypes").fit(
            pz.zoo.HCM(X, key=key), X, key=key
        )


def test_a_frozen_encoder_is_an_encoder_applied_beforehand(key, x64):
    x, y = X[~HELD_OUT].astype(float), Y[~HELD_OUT]
    xv, yv = X[HELD_OUT].astype(float), Y[HELD_OUT]
    model = pz.zoo.LVQMLN(
        x, y, key=jax.random.key(3), prototypes_per_class=2, hidden=(8,), latent_dim=3
    )
    latent = pz.PrototypeModel(model.prototypes, model.metric, model.loss)
    trainer = pz.Trainer(adam(), 15, freeze="encoder")
    fit = trainer.fit(model, x, y, key=key, validation=(xv, yv))
    encode = eqx.filter_jit(model.encode)
    direct = trainer.fit(
        latent, encode(jnp.asarray(x)), y, key=key, validation=(encode(jnp.asarray(xv)), yv)
    )
    assert identical(fit.model.encoder, model.encoder)
    assert not identical(fit.model.prototypes, model.prototypes)
    assert_close(fit.model.prototypes, direct.model.prototypes, rtol=1e-9)
    for name in ("loss", "validation_loss"):
        np.testing.assert_allclose(fit.history[name], direct.history[name], rtol=1e-9)


class Counted(eqx.Module):
    """An encoder that counts how often it is applied to samples."""

    scale: jax.Array
    calls: list = eqx.field(static=True)

    def __call__(self, x):
        jax.debug.callback(lambda: self.calls.append(1))
        return self.scale * x


def test_a_frozen_encoder_is_applied_once(key):
    def calls(freeze):
        encoder = Counted(jnp.asarray(2.0), [])
        model = eqx.tree_at(lambda m: m.encoder, gmlvq(), encoder)
        pz.Trainer(adam(), 7, freeze=freeze).fit(model, X, Y, key=key)
        jax.effects_barrier()
        return len(encoder.calls)

    assert calls("encoder") == 1
    assert calls(None) >= 7


# Callbacks.


class Recorder(pz.training.AbstractCallback):
    def __init__(self, every: int | None = None, stop_at: int | None = None):
        self.every, self.stop_at = every, stop_at
        self.starts, self.chunks, self.ends = [], [], []

    def on_fit_start(self, view):
        self.starts.append(view)

    def on_chunk_end(self, view):
        self.chunks.append(view)
        return None if self.stop_at is None else view.epoch >= self.stop_at

    def on_fit_end(self, view):
        self.ends.append(view)


def test_callbacks_are_called_when_they_asked_to_be_and_change_nothing(key):
    model = gmlvq()
    alone = pz.Trainer(adam(), 20, batch_size=16).fit(model, X, Y, key=key)
    seldom, always = Recorder(every=6), Recorder(every=1)
    for recorders in ([seldom], [always, Recorder()]):
        fit = pz.Trainer(adam(), 20, batch_size=16, callbacks=recorders).fit(model, X, Y, key=key)
        assert fit.reason == "max epochs"
        assert identical(fit.model, alone.model)
        np.testing.assert_array_equal(fit.history["loss"], alone.history["loss"])
        for recorder in recorders:
            (start,), (end,) = recorder.starts, recorder.ends
            assert (start.epoch, end.epoch) == (0, 20)
            assert identical(start.model, model) and identical(end.model, alone.model)
            epochs = [view.epoch for view in recorder.chunks]
            assert epochs == sorted(set(epochs)) and epochs[-1] == 20
            for view in (start, *recorder.chunks, end):
                assert view.epochs == 20
                np.testing.assert_array_equal(
                    view.history["loss"], alone.history["loss"][: view.epoch]
                )
    assert {6, 12, 18, 20} <= {view.epoch for view in seldom.chunks}
    assert [view.epoch for view in always.chunks] == list(range(1, 21))
    six = pz.Trainer(adam(), 6, batch_size=16).fit(model, X, Y, key=key)
    assert identical(always.chunks[5].model, six.model)


def test_a_callback_can_stop_training(key):
    model, stopper, other = gmlvq(), Recorder(every=3, stop_at=5), Recorder()
    fit = pz.Trainer(adam(), 20, batch_size=16, callbacks=[stopper, other]).fit(
        model, X, Y, key=key
    )
    assert (fit.epochs, fit.reason) == (6, "callback")
    assert other.chunks[-1].epoch == 6 and len(other.ends) == 1
    assert identical(
        fit.model, pz.Trainer(adam(), 6, batch_size=16).fit(model, X, Y, key=key).model
    )


# Compilation, and the transformations of Optax.


@pytest.mark.parametrize(
    "optimiser", [optax.adam, lambda rate: optax.lbfgs(rate, memory_size=3)], ids=["adam", "lbfgs"]
)
def test_one_compilation_serves_all_numbers(optimiser, key):
    model = gmlvq()
    x, y = X[~HELD_OUT], Y[~HELD_OUT]
    validation = X[HELD_OUT], Y[HELD_OUT]

    def run(rate, epochs, x, key, **stopping):
        trainer = pz.Trainer(
            pz.GradientDescent(optimiser(rate)),
            epochs,
            stopping=pz.Stopping(**stopping),
            restore_best=True,
        )
        return trainer, trainer.fit(model, x, y, key=key, validation=validation)

    with count_compilations() as first:
        trainer, fit = run(0.02, 20, x, key)
    assert first.names.count("jit(run_epochs)") == 1, "chunks of one fit are different programs"
    assert not identical(fit.model, model)
    with count_compilations() as later:
        trainer.fit(model, x, y, key=key, validation=validation)
        _, longer = run(
            0.03,
            33,
            x * np.float32(1.5),
            jax.random.key(9),
            patience=30,
            min_delta=0.1,
            tolerance=1e-9,
        )
        _, still = run(0.0, 5, x, key)
    assert later.names == []
    assert longer.epochs > 20
    # The new numbers were used: nothing of the first run was compiled in.
    assert identical(still.model, model)


def test_lbfgs_is_given_what_its_line_search_asks_for(key, x64):
    x, y, epochs = X.astype(float), Y, 8
    model = gmlvq(x)
    optimiser = optax.lbfgs(memory_size=2, linesearch=optax.scale_by_backtracking_linesearch(10))
    fit = pz.Trainer(pz.GradientDescent(optimiser), epochs).fit(model, x, y, key=key)
    params, rest = eqx.partition(model, trainable_mask(model))

    def objective(params):
        return eqx.combine(params, rest).loss_of(
            jnp.asarray(x), jnp.asarray(y, jnp.int32), jnp.full(N, 1 / N)
        )

    @jax.jit
    def step(params, state):
        value, gradient = jax.value_and_grad(objective)(params)
        change, state = optimiser.update(
            gradient, state, params, value=value, grad=gradient, value_fn=objective
        )
        return optax.apply_updates(params, change), state, value

    state, losses = optimiser.init(params), []
    for _ in range(epochs):
        params, state, value = step(params, state)
        losses.append(float(value))
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-9)
    assert_close(fit.model, eqx.combine(params, rest), rtol=1e-6, atol=1e-9)
    assert np.all(np.diff(losses) < 0) and losses[-1] < losses[0] - 0.2


def test_a_schedule_counts_updates(key):
    """Three updates an epoch, and a schedule that ends after twelve: four epochs are all that
    anything moves in."""
    model = gmlvq()

    def run(epochs):
        rule = pz.GradientDescent(optax.adam(optax.cosine_decay_schedule(0.1, decay_steps=12)))
        return pz.Trainer(rule, epochs, batch_size=20).fit(model, X, Y, key=key).model

    four = run(4)
    assert identical(run(9), four)
    assert not identical(run(3), four)


# Loops of one's own.


def test_steps_on_all_samples_are_the_epochs_of_a_fit(key):
    model = smng()
    trainer = pz.Trainer(adam(), 6)
    fit = trainer.fit(model, X, Y, key=key)
    state, losses = trainer.init(model, key), []
    assert identical(state.model, model)
    for _ in range(6):
        state, loss = trainer.step(state, X, Y)
        losses.append(float(loss))
    np.testing.assert_allclose(losses, fit.history["loss"], rtol=1e-6)
    assert_close(state.model, fit.model, rtol=1e-6, atol=1e-6)
    assert finite(state.model) and not identical(state.model, model)


def test_steps_of_length_zero_change_nothing():
    model = gmlvq()
    trainer = pz.Trainer(pz.GradientDescent(optax.sgd(0.0)), 10)
    state = trainer.init(model)
    for rows in (slice(0, 60), slice(0, 30)):
        state, loss = trainer.step(state, X[rows], Y[rows])
        share = jnp.full(len(Y[rows]), 1 / len(Y[rows]))
        expected = objective(model, jnp.asarray(X[rows]), jnp.asarray(Y[rows], jnp.int32), share)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert identical(state.model, model)


def test_a_stream_may_lack_classes():
    trainer = pz.Trainer(adam(), 10)
    state = trainer.init(gmlvq())
    state, loss = trainer.step(state, X[:20], Y[:20])
    assert np.all(Y[:20] == 0) and np.isfinite(loss)


# Construction.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pz.Trainer(adam(), 10.0), "`epochs` must be a positive integer, got 10.0"),  # pyright: ignore
        (lambda: pz.Trainer(adam(), -3), "`epochs` must be a positive integer, got -3"),
        (
            lambda: pz.Trainer(adam(), 1, batch_size=True),
            "`batch_size` must be a positive integer, got True",
        ),
        (
            lambda: pz.Trainer(adam(), 1, callbacks=[Recorder(every=0)]),
            "`every` must be a positive integer, got 0",
        ),
        (lambda: pz.Trainer(optax.adam(0.1), 1), "`rule` must be a learning rule"),  # pyright: ignore
        (lambda: pz.GradientDescent(0.1), "`optimiser` must be an Optax transformation"),  # pyright: ignore
        (lambda: pz.Stopping(patience=1.5), "`patience` must be an integer or None, got 1.5"),  # pyright: ignore
        (lambda: pz.Stopping(patience=True), "`patience` must be an integer or None, got True"),
        (lambda: pz.Stopping(min_delta=float("nan")), "`min_delta` must be a number, got nan"),
        (lambda: pz.Checkpoints("x", keep=0), "`keep` must be a positive integer, got 0"),
        (lambda: pz.Checkpoints("x", every=2.5), "`every` must be a positive integer, got 2.5"),  # pyright: ignore
    ],
)
def test_options_out_of_range(make, message, unchecked):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_integers_are_integers(key, recwarn, unchecked):
    trainer = pz.Trainer(adam(), np.int64(3), batch_size=np.int64(16))  # pyright: ignore
    fit = trainer.fit(gmlvq(), X, Y, key=key)
    assert fit.epochs == 3
    assert (type(trainer.epochs), type(trainer.batch_size)) == (int, int)
    assert not recwarn.list


#: Something else than the default for each setting of a trainer.
SETTINGS = {
    "batch_size": 16,
    "freeze": ("metric",),
    "stopping": pz.Stopping(patience=3),
    "restore_best": True,
    "regularisers": (pz.training.Diversity(1e-3),),
    "curriculum": pz.SelfPaced(0.5),
    "precision": "bfloat16",
    "rematerialise": True,
    "sharding": pz.training.Trainer(
        adam(), 1, sharding=jax.sharding.Mesh(jax.devices(), ("samples",))
    ).sharding,
    "checkpoints": pz.Checkpoints("runs"),
    "callbacks": (pz.training.Progress(),),
    "progress": True,
    "metrics": (("accuracy", pz.evaluation.accuracy),),
}


def test_the_arguments_of_a_trainer_are_its_fields():
    rule, names = adam(), [field.name for field in dataclasses.fields(pz.Trainer)]
    assert names == ["rule", "epochs", *SETTINGS]
    one = pz.Trainer(rule, 3, **SETTINGS)
    for name, value in SETTINGS.items():
        assert eqx.tree_equal(getattr(one, name), value), name
    other = dataclasses.replace(one, epochs=5)
    assert (one.epochs, other.epochs) == (3, 5)
    assert eqx.tree_equal(dataclasses.replace(other, epochs=3), one)
    with pytest.raises(TypeError, match="positional"):
        pz.Trainer(rule, 3, 16)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer, got 0"):
        dataclasses.replace(one, batch_size=0)


def test_a_row_keeps_all_settings_of_its_trainer():
    row = dataclasses.replace(pz.zoo.GMLVQ, training=lambda: pz.Trainer(adam(), 3, **SETTINGS))
    for name, value in SETTINGS.items():
        assert eqx.tree_equal(getattr(row.trainer(epochs=7), name), value), name
    assert row.trainer(epochs=7).epochs == 7
    assert row.trainer(freeze=None).freeze is None
    assert row.trainer(freeze=None).batch_size == 16


@pytest.mark.parametrize("name", ["GLVQ", "LGMLVQ", "RSLVQ", "SRNG"])
def test_a_batch_needs_memory_for_a_few_of_its_samples(name, key):
    """And for its own numbers; a matrix of all distances would be ten times as large."""
    small, y = X[:, :2], Y
    model = getattr(pz.zoo, name)(small, y, key=key, prototypes_per_class=20, initialiser="samples")
    params, rest = eqx.partition(model, pz.training.trainable_mask(model))
    rule, objective = adam(), pz.training.Objective()
    state = rule.init(params, objective)

    def temporary(n: int) -> int:
        x, labels, weight = (
            jax.ShapeDtypeStruct((n, *shape), kind)
            for shape, kind in (((2,), "f4"), ((), "i4"), ((), "f4"))
        )

        def step(x: jax.Array, y: jax.Array, weight: jax.Array) -> Any:
            batch = pz.training.Batch(x, y, weight, False)
            return rule.step(params, rest, state, batch, objective, 1.0, key=key)[::2]

        analysis = jax.jit(step).lower(x, labels, weight).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    few, many = temporary(50_000), temporary(200_000)
    assert many - few < 0.2 * 150_000 * len(model.prototypes) * 4
