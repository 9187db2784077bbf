"""A model without prototypes: a linear map with a hinge loss. `AbstractTrainable` is all that it
has of the library."""

import equinox as eqx
import jax
import jax.numpy as jnp

import protozoo as pz
from protozoo._checks import as_samples, refuse_nonfinite


class Linear(pz.models.AbstractTrainable):
    """\\(\\ell = \\max(0, 1 - s_y + \\max_{k \\ne y} s_k)\\), \\(s = xA + b\\)."""

    matrix: jax.Array
    bias: jax.Array

    @property
    def supervised(self):
        return True

    @property
    def classes(self):
        return len(self.bias)

    @property
    def sample_shape(self):
        return (len(self.matrix),)

    @property
    def loss_name(self):
        return "hinge"

    @property
    def additive(self):
        return True

    @property
    def flat(self):
        return True

    def check_values(self, x, name="x"):
        x = as_samples(x, self.sample_shape, name)
        refuse_nonfinite(x, name)
        return x

    def check_training(self, x):
        pass

    def check_differentiable(self):
        pass

    def encode(self, x):
        return x

    def encoder_in(self, tree):
        return None

    def scores(self, x):
        return (
            jnp.matmul(x, self.matrix.astype(x.dtype), preferred_element_type=jnp.float32)
            + self.bias
        )

    def losses(self, x, y, progress=1.0, already_encoded=False):
        own = jax.nn.one_hot(y, self.classes, dtype=bool)
        scores = self.scores(x)
        other = jnp.max(jnp.where(own, -jnp.inf, scores), axis=1)
        return jax.nn.relu(1 - jnp.sum(jnp.where(own, scores, 0), axis=1) + other)

    def loss_of(self, x, y, weight, progress=1.0, already_encoded=False):
        return weight @ self.losses(x, y)

    def chunk_rows(self, n, features):
        return min(n, 16)

    def lowered(self, dtype):
        return eqx.tree_at(lambda m: m.matrix, self, self.matrix.astype(dtype))

    def outline(self):
        return f"Linear({self.matrix.shape[0]} features, {self.classes} classes)"


def linear(seed: int = 0, features: int = 5) -> Linear:
    """An untrained one, for three classes."""
    return Linear(0.1 * jax.random.normal(jax.random.key(seed), (features, 3)), jnp.zeros(3))
