"""What can be trained without a prototype: a linear map with a hinge loss, for which nobody but
`AbstractTrainable` speaks."""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from linear import Linear, linear
from zoo import blobs

import protozoo as pz


X, Y = blobs()
N = len(X)
KEY = jax.random.key(0)
HELD_OUT = np.arange(N) % 4 == 0
TRAIN, VALIDATION = (X[~HELD_OUT], Y[~HELD_OUT]), (X[HELD_OUT], Y[HELD_OUT])


def train(model=None, data=TRAIN, validation=None, key=KEY, resume=False, rule=None, **settings):
    rule = pz.GradientDescent("adam", 0.05) if rule is None else rule
    settings = {"epochs": 8, "batch_size": 15} | settings
    model = linear() if model is None else model
    return pz.Trainer(rule, **settings).fit(
        model, *data, key=key, validation=validation, resume=resume
    )


def same(one, other) -> bool:
    return bool(eqx.tree_equal(one.model, other.model)) and all(
        np.array_equal(values, other.history[name]) for name, values in one.history.items()
    )


def close(one, other) -> None:
    for a, b in zip(jax.tree.leaves(one.model), jax.tree.leaves(other.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_it_trains_like_a_loop_by_hand():
    model, optimiser = linear(), optax.adam(0.05)
    state, losses = optimiser.init(model), []
    for _ in range(30):
        value, gradient = jax.value_and_grad(
            lambda m: jnp.mean(m.losses(jnp.asarray(X), jnp.asarray(Y)))
        )(model)
        update, state = optimiser.update(gradient, state)
        model = optax.apply_updates(model, update)
        losses.append(float(value))
    fit = train(data=(X, Y), epochs=30, batch_size=None)
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-4, atol=1e-6)
    close(fit, type("", (), {"model": model}))
    assert np.mean(np.argmax(fit.model.scores(jnp.asarray(X)), axis=1) == Y) > 0.9
    assert repr(fit).startswith("Fit(model=Linear(5 features, 3 classes), epochs=30")


def test_it_freezes():
    for freeze in ("bias", lambda m: m.bias):
        fit = train(freeze=freeze)
        np.testing.assert_array_equal(fit.model.bias, 0)
        assert not np.array_equal(fit.model.matrix, linear().matrix)
    parts = train(rule=pz.GradientDescent({"matrix": optax.sgd(0.1), "bias": optax.adam(0.1)}))
    assert np.all(parts.model.bias != 0)


def test_it_is_validated():
    fit = train(
        validation=VALIDATION, epochs=100, restore_best=True, stopping=pz.Stopping(patience=3)
    )
    assert fit.reason == "patience" and fit.epochs < 100
    x, y = map(jnp.asarray, VALIDATION)
    np.testing.assert_allclose(
        np.mean(fit.model.losses(x, y)), fit.history["validation_loss"].min(), rtol=1e-5
    )
    weighted = train(validation=(*VALIDATION, np.ones(len(y))), epochs=4)
    np.testing.assert_array_equal(
        weighted.history["validation_loss"], fit.history["validation_loss"][:4]
    )


def test_it_is_checkpointed_and_goes_on(tmp_path):
    checkpoints = pz.Checkpoints(tmp_path, every=2)
    train(epochs=4, checkpoints=checkpoints)
    assert same(train(checkpoints=checkpoints, resume=True), train())
    with pytest.raises(ValueError, match="belongs to another run: its start model differs"):
        train(linear(1), checkpoints=checkpoints, resume=True)


def test_it_streams():
    batches = [(X[i : i + 15], Y[i : i + 15]) for i in range(0, N, 15)]
    one = train(data=(batches,), batch_size=None, validation=VALIDATION)
    assert one.history["loss"][-1] < one.history["loss"][0]
    two = train(data=(lambda epoch: iter(batches),), batch_size=None, validation=[VALIDATION])
    assert one.history.keys() == two.history.keys()
    weight = train(data=([(x, y, np.full(len(y), 3.0)) for x, y in batches],), batch_size=None)
    close(one, weight)
    whole = train(data=([(X, Y)],), batch_size=None)
    close(whole, train(data=(X, Y), batch_size=None))


def test_it_is_spread_over_devices():
    mesh = jax.sharding.Mesh(jax.devices(), ("samples",))
    close(train(sharding=mesh), train())


def test_it_is_one_of_many():
    models, rates = [linear(seed) for seed in range(3)], [0.01, 0.05, 0.1]
    trainers = [pz.Trainer(pz.GradientDescent("adam", rate), 8, batch_size=15) for rate in rates]
    fits = pz.fit_many(trainers, models, *TRAIN, key=KEY, validation=VALIDATION)
    for fit, key in zip(
        sorted(fits, key=lambda fit: fit.member), jax.random.split(KEY, 3), strict=True
    ):
        alone = trainers[fit.member].fit(models[fit.member], *TRAIN, key=key, validation=VALIDATION)
        close(fit, alone)


def test_it_has_all_options():
    weight = np.arange(len(TRAIN[1])) % 3
    twice = [np.repeat(a, weight, axis=0) for a in TRAIN]
    rule = pz.GradientDescent(optax.sgd(0.1))
    trainer = pz.Trainer(rule, 3)
    close(
        trainer.fit(linear(), *TRAIN, key=KEY, sample_weight=weight),
        trainer.fit(linear(), *twice, key=KEY),
    )
    close(train(rule=pz.GradientDescent(optax.sgd(0.1), accumulate=3)), train(rule=rule))
    settings = {
        "curriculum": pz.SelfPaced(0.5),
        "precision": "bfloat16",
        "regularisers": [pz.training.WeightDecay("matrix")],
    }
    for average in (pz.Averaged, pz.Lookahead):
        fit = train(rule=average(rule), **settings)
        assert fit.history["loss"][-1] < fit.history["loss"][0]
    phases = pz.Phases([pz.Trainer(rule, 2, freeze="bias"), pz.Trainer(rule, 2)]).fit(
        linear(), *TRAIN, key=KEY
    )
    assert phases.epochs == 4
    state = trainer.init(linear())
    state, loss = trainer.step(state, *TRAIN)
    np.testing.assert_allclose(loss, np.mean(linear().losses(*map(jnp.asarray, TRAIN))), rtol=1e-5)
    assert isinstance(state.model, Linear)


def test_callbacks_see_it():
    class Seen(pz.training.AbstractCallback):
        def on_fit_start(self, view):
            self.began = time.monotonic()

        def on_chunk_end(self, view):
            return view.epoch >= 3 and repr(view).startswith("View(model=Linear(5 features")

        def on_fit_end(self, view):
            self.model = view.model

    seen = Seen()
    seen.every = 1
    fit = train(callbacks=[seen])
    assert (fit.epochs, fit.reason) == (3, "callback")
    assert eqx.tree_equal(seen.model, fit.model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rule": pz.AlternatingOptimization()},
            "Linear has no closed form: train it with `GradientDescent`",
        ),
        (
            {"rule": pz.MedianOptimization(), "batch_size": None},
            "moves prototypes, and Linear has none",
        ),
        (
            {"regularisers": [pz.training.Diversity()]},
            "`Diversity` is about prototypes, and Linear has none",
        ),
        (
            {"regularisers": [pz.training.OmegaLogDet()]},
            "`OmegaLogDet` is about prototypes, and Linear has none",
        ),
        (
            {"regularisers": [pz.training.SparseRelevances()]},
            "`SparseRelevances` is about prototypes, and Linear has none",
        ),
        (
            {"rematerialise": True},
            "`rematerialise` recomputes an encoder that learns, and this model has none",
        ),
        (
            {"freeze": "prototypes"},
            "'prototypes' names no part of the model: Linear has 'matrix', 'bias'",
        ),
        ({"data": (X[:, :2], Y)}, r"`x` must have shape \(n, 5\)"),
        ({"data": (X, None)}, "`y` is missing: hinge learns from labelled samples"),
        ({"data": (X, Y + 1)}, "class 3"),
    ],
)
def test_what_does_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        train(**settings)


def test_what_is_no_model(unchecked):
    with pytest.raises(TypeError, match="`model` must be of kind AbstractTrainable, got MLP"):
        train(eqx.nn.MLP(2, 2, 2, 1, key=KEY))
