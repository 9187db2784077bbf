"""A metric with a derivative of its own: hard where it measures, smooth where it learns.

The metric counts the features in which a sample is further than a threshold from a prototype. A
count is a step function: its derivative is zero wherever it has one, and nothing would ever learn.
`jax.custom_vjp` replaces this derivative, and only this one, by that of a sigmoid; the chain rule
does the rest.
"""

import tempfile
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from sklearn.datasets import load_iris

import protozoo as pz


@jax.custom_vjp
def step(u: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 where u > 0, else 0."""
    return (u > 0).astype(u.dtype)


def step_forward(u: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The value, and what the derivative will need."""
    return step(u), u


def step_backward(
    u: Float[Array, "..."], cotangent: Float[Array, "..."]
) -> tuple[Float[Array, "..."]]:
    """The cotangent of u, for each argument of `step`: here σ'(u) = σ(u) σ(-u) stands in for the
    derivative."""
    return (cotangent * jax.nn.sigmoid(u) * jax.nn.sigmoid(-u),)


step.defvjp(step_forward, step_backward)


class FeatureCount(pz.metrics.AbstractMetric):
    """In how many features does |x - w| exceed a threshold?

    **Arguments:**

    - `threshold`: up to here, two values are taken for equal.
    - `width`: of the sigmoid whose derivative is learned from; the smaller, the closer it is to the
      step.
    - `surrogate`: whether it is learned from.
    """

    threshold: float = eqx.field(static=True)
    width: float = eqx.field(static=True, default=0.1)
    surrogate: bool = eqx.field(static=True, default=True)

    def __call__(self, x: Float[Array, "n d"], prototypes: pz.Prototypes) -> Float[Array, "n p"]:
        def to(w: Float[Array, " d"]) -> Float[Array, " n"]:
            u = (jnp.abs(x - w) - self.threshold) / self.width
            return jnp.sum(step(u) if self.surrogate else (u > 0).astype(u.dtype), axis=1)

        return jax.lax.map(to, prototypes.points).T


# A name in a file is never imported: what is not the library's own has to be registered before
# saving and loading.
pz.register(FeatureCount, "examples.FeatureCount")

x, y = load_iris(return_X_y=True)
x = (x - x.mean(axis=0)) / x.std(axis=0)
key = jax.random.key(1)
start = pz.Prototypes.from_classes(x, y, per_class=1, key=key, initialiser="samples")
trainer = pz.Trainer(pz.GradientDescent(optax.adam(2e-2)), epochs=200, restore_best=True)


def accuracy(model: pz.PrototypeModel) -> float:
    """On all samples."""
    return float(np.mean(np.asarray(model.predict(x)) == y))


fits = {}
for surrogate in (False, True):
    model = pz.PrototypeModel(start, FeatureCount(0.7, surrogate=surrogate), pz.losses.GLVQ())
    fits[surrogate] = trainer.fit(model, x, y, key=key)
    moved = float(jnp.max(jnp.abs(fits[surrogate].model.prototypes.points - start.points)))
    print(
        f"{'with' if surrogate else 'without'} the surrogate: prototypes moved by {moved:.2f}, "
        f"accuracy {accuracy(model):.3f} to {accuracy(fits[surrogate].model):.3f}"
    )
assert (fits[False].model.prototypes.points == start.points).all()
assert accuracy(fits[True].model) > 0.9 > accuracy(fits[False].model)

with tempfile.TemporaryDirectory() as directory:
    pz.save(Path(directory) / "model", fits[True].model)
    loaded = pz.load(Path(directory) / "model")
assert (loaded.predict(x) == fits[True].model.predict(x)).all()
print("saved, loaded: the same predictions")
