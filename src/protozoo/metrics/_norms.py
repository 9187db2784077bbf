"""Dissimilarities without a quadratic form."""

import jax
import jax.numpy as jnp

from .._module import static
from .._products import accumulated, product
from .._types import Array, Float
from ..prototypes import Prototypes
from ._base import AbstractMetric


class LpNorm(AbstractMetric):
    """\\(\\delta = \\bigl(\\sum_j |x_j - w_j|^q\\bigr)^{1/q}\\), in the units of the data; `float("inf")`: the
    largest |x_j - w_j|.

    **Arguments:**

    - `order`: q ≥ 1.

    The derivative at x = w is zero. **Raises:** `ValueError` if q < 1 (no norm).
    """

    order: float = static()

    def __check_init__(self):
        if not self.order >= 1:
            raise ValueError(f"`order` must be at least 1, got {self.order}.")

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        x, points = x.reshape(len(x), -1), prototypes.points.reshape(len(prototypes), -1)

        @jax.checkpoint
        def to(w: Float[Array, " d"]) -> Float[Array, " n"]:
            absolute = jnp.abs(x - w)
            largest = jnp.max(absolute, axis=1)
            if self.order == float("inf"):
                return largest
            # In units of the largest entry, so that no power over- or underflows.
            scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1))
            total = jnp.sum((absolute / scale[:, None]) ** self.order, axis=1)
            positive = total > 0
            return jnp.where(positive, scale * jnp.where(positive, total, 1) ** (1 / self.order), 0)

        return jax.lax.map(to, points).T


class Cosine(AbstractMetric):
    """\\(\\delta = 1 - x\\cdot w / (\\lVert x\\rVert \\lVert w\\rVert) \\in [0, 2]\\); a sample at the origin is at
    1 from everything."""

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        unit, other = _unit(x.reshape(len(x), -1)), _unit(prototypes.points.reshape(len(prototypes), -1))
        return jnp.clip(1 - product(other, unit.T), 0, 2).T


def _unit(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    squared = jnp.sum(accumulated(x) ** 2, axis=1, keepdims=True)
    return (x / jnp.sqrt(jnp.where(squared > 0, squared, 1))).astype(x.dtype)
