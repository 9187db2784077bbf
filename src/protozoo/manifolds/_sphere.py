"""Directions."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold
from ._functions import arcsine_ratio, squared_arc
from ._membership import first, known, rounding


class Sphere(AbstractManifold):
    """Vectors of length one, whose distance is the angle between them: directions, normalised
    histograms' square roots, embeddings that are compared by their cosine.

    **Arguments:**

    - `n`: the number of entries of a vector, at least two; the dimension is one less.

    A point has shape (n,). The n coordinates of a displacement are those of the tangent in the
    space around the sphere, orthogonal to the point. Opposite points have no shortest way; theirs
    is taken along some great circle, so that distances are right there, too.

    **Raises:** `ValueError` if `n` is less than two.

    Source: P.-A. Absil, R. Mahony, R. Sepulchre, *Optimization algorithms on matrix manifolds*,
    Princeton University Press, 2008.
    """

    n: int = static()
    displacement_is_difference: ClassVar[bool] = False

    def __init__(self, n: int):
        positive_integer(n, "n")
        if n < 2:
            raise ValueError(
                f"`n` must be at least 2, got {n}: a sphere of one entry is two points."
            )
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
        return math.pi

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.eye(self.n)[0]

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        w, v = points[None], x[:, None]
        away = v - w
        squares, rest = _half_sines(points, x)
        # The tangent is away - w (w · away), and w · away = -|away|² / 2: so small ones keep their
        # digits.
        tangent = away + 2 * squares[..., None] * w
        opposite = rest <= jnp.finfo(x.dtype).eps ** 2
        length = arcsine_ratio(squares, rest) / jnp.sqrt(jnp.where(opposite, 1, rest))
        return jnp.where(
            opposite[..., None], math.pi * _some_tangents(points), length[..., None] * tangent
        )

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        return squared_arc(*_half_sines(points, x))

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        tangent = coordinates - jnp.sum(coordinates * points, axis=-1, keepdims=True) * points
        squared = jnp.sum(tangent**2, axis=-1, keepdims=True)
        length = jnp.sqrt(jnp.where(squared > 0, squared, 1))
        sine = jnp.where(squared > 0, jnp.sin(length) / length, 1)
        # cos θ - 1 in this form has the derivative of a square at zero, and no rounding there.
        half = jnp.where(squared > 0, jnp.sin(length / 2) / (length / 2), 1)
        walked = points + sine * tangent - 0.5 * squared * half**2 * points
        return walked / jnp.sqrt(jnp.sum(walked**2, axis=-1, keepdims=True))

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest directions; of the zero vector, the first axis."""
        largest = jnp.max(jnp.abs(points), axis=-1, keepdims=True)
        scaled = jnp.where(
            largest > 0, points / jnp.where(largest > 0, largest, 1), self.origin[None]
        )
        return scaled / jnp.sqrt(jnp.sum(scaled**2, axis=-1, keepdims=True))

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        values = known(points)
        if values is None:
            return None
        off = np.abs(np.linalg.norm(values, axis=-1) - 1)
        reason = (
            "has a length that differs from one by {off:.3g}: divide by it, or ask `space.project`"
        )
        return first(values, off, rounding(points), reason)

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Uniformly distributed."""
        return self.project(jax.random.normal(key, (count, self.n)))


def _half_sines(points: Float[Array, "p d"], x: Float[Array, "n d"]) -> tuple[Array, Array]:
    """The squared sines and cosines of half the angles, `(n, p)`, each to its own precision."""
    w, v = points[None], x[:, None]
    return jnp.sum((v - w) ** 2, axis=-1) / 4, jnp.sum((v + w) ** 2, axis=-1) / 4


def _some_tangents(points: Float[Array, "p d"]) -> Float[Array, "p d"]:
    """A unit tangent at each point: the axis that it has least of, made orthogonal."""
    axes = jax.nn.one_hot(
        jnp.argmin(jnp.abs(points), axis=-1), points.shape[-1], dtype=points.dtype
    )
    tangents = axes - jnp.sum(axes * points, axis=-1, keepdims=True) * points
    return tangents / jnp.sqrt(jnp.sum(tangents**2, axis=-1, keepdims=True))
