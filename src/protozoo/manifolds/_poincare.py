"""Hyperbolic space."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold
from ._functions import arcsine_ratio
from ._membership import first, known, rounding


#: How near to the boundary points may be, in float32 and in float64. Nearer, 1 - |x|² has no digits
#: left, and it is what distances are made of.
MARGIN, MARGIN_IN_DOUBLE = 4e-3, 1e-5


class PoincareBall(AbstractManifold):
    """The ball \\(\\lVert x\\rVert < 1\\) with the metric \\(4\\,dx^2/(1-\\lVert x\\rVert^2)^2\\)
    of curvature -1: room for trees, whose leaves are near the boundary.

    \\[ d(w, x) = 2\\,\\mathrm{arsinh}\\frac{\\lVert x - w\\rVert}{\\sqrt{(1-\\lVert w\\rVert^2)
    (1-\\lVert x\\rVert^2)}} \\]

    **Arguments:**

    - `d`: the number of entries of a point, and the dimension.

    A point has shape (d,), and coordinates are those of the tangent that was carried to the centre.
    Points are at least 0.004 away from the boundary (0.00001 in 64 bits), that is at most 6.2
    (12.2) from the centre: farther out, numbers of this precision cannot tell distances.

    **Raises:** `ValueError` if `d` is not positive.

    Source: O. Ganea, G. Bécigneul, T. Hofmann, *Hyperbolic neural networks*, NeurIPS 2018.
    """

    d: int = static()
    displacement_is_difference: ClassVar[bool] = False

    def __init__(self, d: int):
        positive_integer(d, "d")
        self.d = int(d)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.d,)

    @property
    def dimension(self) -> int:
        return self.d

    @property
    def coordinate_size(self) -> int:
        return self.d

    @property
    def injectivity_radius(self) -> float:
        return math.inf

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.zeros(self.d)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        away, depths = x[:, None] - points[None], _depth(x)[:, None] * _depth(points)[None]
        squared = jnp.sum(away**2, axis=-1)
        # (-w) ⊕ x by differences: in the usual formula, large terms cancel.
        moved = _depth(points)[None, :, None] * away - squared[..., None] * points[None]
        moved = moved / (depths + squared)[..., None]
        # Its length is √(q / (1 + q)), and is to be 2 arsinh √q.
        q = squared / depths
        return moved * (2 * arcsine_ratio(-q) * jnp.sqrt(1 + q))[..., None]

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        squared = jnp.sum((x[:, None] - points[None]) ** 2, axis=-1)
        q = squared / (_depth(x)[:, None] * _depth(points)[None])
        return 4 * q * arcsine_ratio(-q) ** 2

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        """Steps that would lead beyond the margin end there."""
        squared = jnp.sum(coordinates**2, axis=-1, keepdims=True)
        length = jnp.sqrt(jnp.where(squared > 0, squared, 1))
        ratio = jnp.where(squared > 0, jnp.tanh(length / 2) / length, 0.5)
        t, t_squared = ratio * coordinates, ratio**2 * squared
        depth = _depth(points)[:, None]
        along = depth * (1 - t_squared) + jnp.sum((points + t) ** 2, axis=-1, keepdims=True)
        return _inside(points + depth * (t + t_squared * points) / along)

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest points within the margin."""
        return _inside(points)

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        values = known(points)
        if values is None:
            return None
        lengths, most = np.linalg.norm(values, axis=-1), 1 - _margin(points)
        reason = (
            f"has length {{off:.6g}}, and {points.dtype} tells distances up to {most}: ask "
            f"`space.project`" + (", or compute in 64 bits" if most < 0.999 else "")
        )
        return first(values, lengths, most + rounding(points), reason)

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Walks from the centre along normal coordinates."""
        coordinates = jax.random.normal(key, (count, self.d))
        return self.exp(jnp.zeros((count, self.d)), coordinates)


def _depth(points: Float[Array, "p d"]) -> Float[Array, " p"]:
    """1 - |x|²."""
    return 1 - jnp.sum(points**2, axis=-1)


def _margin(points: np.ndarray | Array) -> float:
    return MARGIN_IN_DOUBLE if points.dtype.itemsize >= 8 else MARGIN


def _inside(points: Float[Array, "p d"]) -> Float[Array, "p d"]:
    """Points, and those that are too far out on the way to the centre; as if by a number, so that
    whoever is at the margin can still learn to leave it."""
    squared, most = jnp.sum(points**2, axis=-1, keepdims=True), 1 - _margin(points)
    outside = squared > most**2
    factor = jnp.where(outside, most / jnp.sqrt(jnp.where(outside, squared, 1)), 1)
    return points * jax.lax.stop_gradient(factor)
