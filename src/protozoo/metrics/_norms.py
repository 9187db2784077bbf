"""Dissimilarities without a quadratic form."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import smallest_row
from .._module import AbstractScaleFree, static
from .._products import accumulated, flattened
from .._types import Array, ArrayLike, Bool, Float
from ..manifolds import shared_squares
from ..prototypes import Prototypes
from ._base import AbstractMetric, AbstractSeminorm, refuse_curved


class LpNorm(AbstractSeminorm, AbstractScaleFree):
    """\\(\\delta = \\bigl(\\sum_j |x_j - w_j|^q\\bigr)^{1/q}\\), in the units of the data;
    `float("inf")`: the largest |x_j - w_j|.

    **Arguments:**

    - `order`: q ≥ 1.

    The derivative at x = w is zero. **Raises:** `ValueError` if q < 1 (no norm).
    """

    order: float = static()
    degree: ClassVar[int] = 1

    def __check_init__(self):
        if not self.order >= 1:
            raise ValueError(f"`order` must be at least 1, got {self.order}.")

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        refuse_curved(self, prototypes)
        x, points = flattened(x), flattened(prototypes.points)

        @jax.checkpoint
        def to(w: Float[Array, " d"]) -> Float[Array, " n"]:
            absolute = jnp.abs(x - w[None])
            if self.order == float("inf"):
                return -smallest_row(-absolute.T)
            largest = jnp.max(absolute, axis=1)
            # In units of the largest entry, so that no power over- or underflows. What is not a
            # number stays one.
            scale = jax.lax.stop_gradient(jnp.where(largest == 0, 1, largest))
            total = jnp.sum((absolute / scale[:, None]) ** self.order, axis=1)
            norm = scale * jnp.where(total == 0, 1, total) ** (1 / self.order)
            return jnp.minimum(jnp.where(total == 0, 0, norm), jnp.finfo(norm.dtype).max)

        return jax.lax.map(to, points).T

    def seminorms(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        return self(x, prototypes)

    def of_seminorms(self, seminorms: Float[Array, "a b"]) -> Float[Array, "a b"]:
        return seminorms

    def lipschitz(
        self,
        prototypes: Prototypes,
        norm: float | int = 2,
        through: Float[ArrayLike, "k d"] | None = None,
    ) -> Float[np.ndarray, " p"]:
        d = flattened(prototypes.points).shape[1]
        matrix = np.eye(d) if through is None else np.asarray(through, np.float64)
        # ‖·‖_q ≤ d^(1/q - 1/p) ‖·‖_p, where the exponent is positive.
        apart = d ** max(0.0, 1 / self.order - 1 / norm)
        if norm == 1:
            most = np.linalg.norm(matrix, self.order, axis=1).max()
        else:
            # Of rows vM, the largest entry is bounded by the sums of columns.
            most = apart * np.linalg.norm(matrix, 2 if norm == 2 else 1)
        return np.full(len(prototypes), most)


class Cosine(AbstractMetric, AbstractScaleFree):
    """\\(\\delta = 1 - x\\cdot w / (\\lVert x\\rVert \\lVert w\\rVert) \\in [0, 2]\\); a sample at
    the origin is at 1 from everything.

    Computed as half the squared distance of vectors of length one, so that small angles are not
    lost beside 1.
    """

    degree: ClassVar[int] = 0

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        refuse_curved(self, prototypes)
        (unit, is_direction), (other, are_directions) = (
            _unit(flattened(v)) for v in (x, prototypes.points)
        )
        half = jnp.minimum(0.5 * shared_squares(unit, other).T, 2)
        return jnp.where(is_direction & are_directions[:, None], half, 1).T


def _unit(x: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Bool[Array, " n"]]:
    """Each row with length one, and whether it has a direction: the origin has none, and stays
    where it is."""
    # By the largest entry first: no square over- or underflows.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=1, keepdims=True))
    scaled = x / jnp.where(largest == 0, 1, largest)
    squared = jnp.sum(accumulated(scaled) ** 2, axis=1, keepdims=True)
    return (scaled / jnp.sqrt(jnp.where(squared == 0, 1, squared))).astype(x.dtype), largest[
        :, 0
    ] != 0
