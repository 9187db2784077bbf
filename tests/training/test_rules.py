"""What a rule is handed: a batch as it is to be used, a random key, and a gradient that is a part
as well."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import blobs

import protozoo as pz
from protozoo.training import _note, _trainer


X, Y = blobs()
N, D = X.shape
KEY = jax.random.key(0)
UPDATES = 12


class Listening(pz.training.AbstractRule):
    """Learns nothing: points become a record of what each update was handed, a number drawn with
    its key and the share of the samples that count."""

    def check(self, model, mask, objective, batch_size):
        pass

    def init(self, params, objective):
        return jnp.asarray(0)

    def evaluated(self, params, state):
        return params

    def step(self, params, rest, state, batch, objective, progress, *, key):
        assert batch.x.dtype == jnp.dtype(objective.precision or jnp.float32)
        heard = jnp.stack([jax.random.uniform(key), jnp.mean(batch.weight > 0)])
        points = params.prototypes.points.at[state].set(heard)
        value = objective(eqx.combine(params, rest), batch, progress)
        return eqx.tree_at(lambda m: m.prototypes.points, params, points), state + 1, value


def heard(data, epochs: int = 3, key=KEY, resume: bool = False, **settings) -> np.ndarray:
    """The record of all updates."""
    model = pz.PrototypeModel(
        pz.Prototypes(np.zeros((UPDATES, 2))),
        pz.metrics.SquaredEuclidean(),
        pz.losses.HardClustering(),
    )
    fit = pz.Trainer(Listening(), epochs, **settings).fit(model, data, key=key, resume=resume)
    return np.asarray(fit.model.prototypes.points)


def test_every_update_has_a_key_of_its_own(tmp_path):
    few = X[:, :2]
    keys = heard(few, batch_size=15)[:, 0]
    assert len(np.unique(keys)) == UPDATES
    np.testing.assert_array_equal(heard(few, batch_size=15)[:, 0], keys)
    assert not np.isin(heard(few, batch_size=15, key=1), keys).any()
    # A run that goes on, and a stream with or without a length.
    checkpoints = pz.Checkpoints(tmp_path, every=1)
    heard(few, 2, batch_size=15, checkpoints=checkpoints)
    np.testing.assert_array_equal(
        heard(few, batch_size=15, checkpoints=checkpoints, resume=True)[:, 0], keys
    )
    batches = [(few[i : i + 15],) for i in range(0, N, 15)]
    np.testing.assert_array_equal(heard([(x, None) for (x,) in batches])[:, 0], keys)
    np.testing.assert_array_equal(heard(lambda epoch: (x for (x,) in batches))[:, 0], keys)


def test_a_batch_arrives_in_its_precision_and_with_the_shares_of_a_curriculum():
    few = X[:, :2]
    for data in (few, lambda epoch: [few]):
        shares = heard(data, curriculum=pz.SelfPaced(0.5), precision="bfloat16")[:3, 1]
        np.testing.assert_allclose(shares, 0.5, atol=0.02)
    np.testing.assert_array_equal(heard(few)[:3, 1], 1)


class Perturbation(pz.training.AbstractGradient):
    """Two values of the objective, on both sides, tell the slope along a random direction: no
    derivative is needed.

    Source: J. Spall, Multivariate stochastic approximation using a simultaneous perturbation
    gradient approximation, 1992.
    """

    length: float = eqx.field(static=True, default=1e-2)

    def check(self, model):
        pass

    def __call__(self, objective, params, rest, batch, progress, pieces=1, factor=1.0, *, key):
        leaves, structure = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        signs = [
            jax.random.rademacher(k, leaf.shape, leaf.dtype)
            for k, leaf in zip(keys, leaves, strict=True)
        ]
        direction = jax.tree.unflatten(structure, signs)

        def value(length):
            moved = objective.move(params, jax.tree.map(lambda s: length * s, direction))
            return objective(eqx.combine(moved, rest), batch, progress, pieces)

        slope = (value(self.length) - value(-self.length)) / (2 * self.length)
        return value(0.0), jax.tree.map(lambda s: slope * s, direction)


class Rounded(pz.metrics.AbstractMetric):
    """A staircase: its derivative is zero wherever there is one."""

    differentiable = False

    def __call__(self, x, prototypes):
        return jnp.round(4 * jnp.sum((x[:, None] - prototypes.points[None]) ** 2, axis=2)) / 4 + 0.1


def test_a_gradient_is_a_part():
    model = pz.zoo.GMLVQ(X, Y, key=KEY)
    plain, named = (
        pz.Trainer(pz.GradientDescent(optax.sgd(0.1), **given), 5).fit(model, X, Y, key=KEY)
        for given in ({}, {"gradient": pz.training.Autodiff()})
    )
    assert eqx.tree_equal(plain.model, named.model)
    rule = pz.GradientDescent(optax.sgd(0.02), gradient=Perturbation())
    fit = pz.Trainer(rule, 200).fit(model, X, Y, key=KEY)
    assert fit.history["loss"][-1] < fit.history["loss"][0] - 0.05
    np.testing.assert_allclose(np.sum(np.square(fit.model.metric.matrix)), 1, rtol=1e-5)


def test_what_has_no_derivative_may_have_a_gradient():
    model = pz.PrototypeModel(
        pz.Prototypes.from_classes(X, Y, 1, key=KEY), Rounded(), pz.losses.GLVQ()
    )
    with pytest.raises(
        ValueError, match="Rounded has no derivative: train the model by another rule"
    ):
        pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), 1).fit(model, X, Y, key=KEY)
    rule = pz.GradientDescent(optax.sgd(0.5), gradient=Perturbation(0.1))
    fit = pz.Trainer(rule, 200, restore_best=True).fit(model, X, Y, key=KEY)
    assert fit.history["loss"].min() < fit.history["loss"][0]


def test_a_schedule_that_leaves_a_variable_without_a_value():
    """Optax's own, without a last value: a closure has an empty cell then."""

    def trained(schedule) -> np.ndarray:
        rule = pz.GradientDescent(optax.adam(schedule))
        model = pz.zoo.GLVQ(X, Y, key=0)
        return np.asarray(pz.Trainer(rule, 3).fit(model, X, Y, key=0).model.prototypes.points)

    rates = trained(lambda count: 0.1 * 0.5 ** (count / 10))
    np.testing.assert_allclose(trained(optax.exponential_decay(0.1, 10, 0.5)), rates, rtol=1e-5)


def test_a_checkpoint_of_an_earlier_version_goes_on(tmp_path, monkeypatch):
    """Rules were described without the way in which they find their gradients."""

    def run(epochs, rate=0.1, **settings):
        trainer = pz.Trainer(
            pz.GradientDescent(optax.sgd(rate)),
            epochs,
            checkpoints=pz.Checkpoints(tmp_path),
            **settings,
        )
        return trainer.fit(pz.zoo.GLVQ(X, Y, key=KEY), X, Y, key=KEY, resume=True)

    def before(*arguments):
        note = _note.note(*arguments)
        del note["format"]
        return note | {"rule": "in other words"}

    with monkeypatch.context() as patch:
        patch.setattr(_trainer, "note", before)
        run(2)
    with pytest.raises(ValueError, match="belongs to another run: its rule in .*step_size differs"):
        run(4, rate=0.2)
    assert run(4).epochs == 4
