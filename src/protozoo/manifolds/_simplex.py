"""Shares that sum to one."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold
from ._membership import first, known, rounding
from ._squares import shared_squares


class Simplex(AbstractManifold):
    """n shares, none negative, that sum to one, with the Euclidean distance: compositions, mixing
    weights, coefficients of a convex combination.

    **Arguments:**

    - `n`: the number of shares, at least two; the dimension is one less.

    A point has shape (n,). It is a flat space with a border, on which points may lie: displacements
    are plain differences, means are arithmetic ones, and a step that would leave the simplex ends
    at the nearest of its points. So shares become exactly zero, and may grow again.

    **Raises:** `ValueError` if `n` is less than two.

    Source: J. Duchi, S. Shalev-Shwartz, Y. Singer, T. Chandra, *Efficient projections onto the
    l1-ball for learning in high dimensions*, ICML 2008.
    """

    n: int = static()
    displacement_is_difference: ClassVar[bool] = True

    def __init__(self, n: int):
        positive_integer(n, "n")
        if n < 2:
            raise ValueError(f"`n` must be at least 2, got {n}: one share is always one.")
        self.n = int(n)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.n,)

    @property
    def dimension(self) -> int:
        return self.n - 1

    @property
    def coordinate_size(self) -> int:
        return self.n

    @property
    def injectivity_radius(self) -> float:
        return math.inf

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.full(self.n, 1 / self.n)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        return x[:, None] - points[None]

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        return shared_squares(x, points)

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        return self.project(points + coordinates)

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest points.

        Its derivative is that of the projection on the plane of shares that sum to one, on the
        border as well: what is zero may grow again.
        """
        return _projected(points)

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        values = known(points)
        if values is None:
            return None
        off = np.maximum(np.abs(values.sum(axis=-1) - 1), -values.min(axis=-1))
        reason = (
            "is off by {off:.3g}: shares are not negative and sum to one; divide by their sum, or "
            "ask `space.project`"
        )
        return first(values, off, rounding(points), reason)

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Uniformly distributed."""
        return jax.random.dirichlet(key, jnp.ones(self.n), (count,))


@jax.custom_jvp
def _nearest(points: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """The same number is taken from all shares, as much as leaves a sum of one above zero."""
    # What all have in common changes nothing: so sums are as exact as shares.
    shares = points - jnp.max(points, axis=-1, keepdims=True)
    falling = -jnp.sort(-shares, axis=-1)
    excess = jnp.cumsum(falling, axis=-1) - 1
    count = jnp.arange(1, points.shape[-1] + 1, dtype=points.dtype)
    some = jnp.broadcast_to(count, falling.shape)
    left = jnp.sum(falling * some > excess, axis=-1, keepdims=True)
    taken = jnp.take_along_axis(excess / some, left - 1, axis=-1)
    nearest = jnp.maximum(shares - taken, 0)
    # Points of the simplex stay where they are: zeros stay zeros.
    total = jnp.sum(points, axis=-1, keepdims=True)
    slack = points.shape[-1] ** 0.5 * 4 * float(jnp.finfo(points.dtype).eps)
    inside = (jnp.min(points, axis=-1, keepdims=True) >= 0) & (jnp.abs(total - 1) <= slack)
    return jnp.where(
        inside, points / jnp.where(inside, total, 1), nearest / jnp.sum(nearest, -1, keepdims=True)
    )


@_nearest.defjvp
def _nearest_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (points,), (change,) = primals, tangents
    return _nearest(points), change - jnp.mean(change, axis=-1, keepdims=True)


#: One program; without it, one for each of its operations.
_projected = jax.jit(_nearest)
