"""The example of a metric with a derivative of its own: what it computes, by hand."""

import runpy
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import blobs

import protozoo as pz


EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_derivative.py"
X, Y = blobs()


@pytest.fixture(scope="module")
def example() -> dict:
    """Everything that the example defines; its own assertions hold."""
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture(scope="module")
def metric(example) -> type[pz.metrics.AbstractMetric]:
    return example["FeatureCount"]


def slope(
    points: jax.Array, x: np.ndarray, metric: pz.metrics.AbstractMetric, cotangent: np.ndarray
) -> jax.Array:
    def total(points: jax.Array) -> jax.Array:
        return jnp.sum(cotangent * metric(jnp.asarray(x), pz.Prototypes(points)))

    return jax.grad(total)(points)


def test_the_value_is_a_count(metric):
    x = np.array([[0.0, 0.0, 0.0], [0.49, 0.51, -2.0]])
    delta = metric(0.5)(
        jnp.asarray(x), pz.Prototypes(jnp.asarray([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    )
    np.testing.assert_array_equal(delta, [[0, 1], [2, 2]])
    np.testing.assert_array_equal(
        delta,
        metric(0.5, surrogate=False)(
            jnp.asarray(x), pz.Prototypes(jnp.asarray([[0.0] * 3, [0, 3, 0]]))
        ),
    )


def test_the_gradient_is_that_of_the_sigmoid(metric):
    rng = np.random.default_rng(0)
    x, w, cotangent = rng.normal(size=(7, 4)), rng.normal(size=(3, 4)), rng.normal(size=(7, 3))
    threshold, width = 0.7, 0.3
    difference = x[:, None] - w[None]
    s = 1 / (1 + np.exp(-(np.abs(difference) - threshold) / width))
    expected = np.sum(cotangent[..., None] * s * (1 - s) / width * -np.sign(difference), axis=0)
    np.testing.assert_allclose(
        slope(jnp.asarray(w), x, metric(threshold, width), cotangent),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )
    assert not np.any(
        slope(jnp.asarray(w), x, metric(threshold, width, surrogate=False), cotangent)
    )


def test_the_gradient_is_finite_wherever_samples_are(metric):
    """On a prototype, on the threshold, and so far away that an exponential would overflow."""
    x = np.array([[0.0], [0.5], [-0.5], [1e6], [-1e30]])
    gradient = slope(jnp.zeros((2, 1)), x, metric(0.5, 0.01), np.ones((5, 2)))
    assert np.isfinite(gradient).all()
    assert not np.any(slope(jnp.zeros((1, 1)), x[3:], metric(0.5, 0.01), np.ones((2, 1))))


@pytest.mark.parametrize(
    "settings",
    [{}, {"batch_size": 16}, {"curriculum": pz.SelfPaced(0.5)}],
    ids=["whole", "batches", "paced"],
)
def test_training_moves_points_by_the_surrogate_alone(metric, settings):
    start = pz.Prototypes.from_classes(X, Y, per_class=2, key=jax.random.key(0))
    trainer = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), epochs=5, **settings)

    def trained(surrogate: bool) -> pz.training.Fit:
        model = pz.PrototypeModel(start, metric(0.5, surrogate=surrogate), pz.losses.GLVQ())
        return trainer.fit(model, X, Y, key=jax.random.key(0))

    assert eqx.tree_equal(trained(False).model.prototypes.points, start.points)
    moved = trained(True)
    assert np.isfinite(moved.history["loss"]).all()
    assert np.max(np.abs(moved.model.prototypes.points - start.points)) > 1e-2


def test_it_is_saved_by_its_registered_name(metric, tmp_path):
    start = pz.Prototypes.from_classes(X, Y, per_class=1, key=jax.random.key(0))
    model = pz.PrototypeModel(start, metric(0.5, 0.2), pz.losses.GLVQ())
    pz.save(tmp_path / "model", model)
    loaded = pz.load(tmp_path / "model")
    assert eqx.tree_equal(loaded, model)
    assert (loaded.metric.threshold, loaded.metric.width) == (0.5, 0.2)
