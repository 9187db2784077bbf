"""The flat space."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._module import static
from .._products import flattened
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold
from ._squares import shared_squares


class Euclidean(AbstractManifold):
    """Arrays of one shape with the Euclidean distance.

    **Arguments:**

    - `shape`: the shape of one point, or its number of features d.

    A point is flattened to its coordinates, k = prod(shape); displacements are plain differences, x
    - w.

    **Raises:** `ValueError` if a size is not positive.
    """

    shape: tuple[int, ...] = static()
    displacement_is_difference: ClassVar[bool] = True
    has_features: ClassVar[bool] = True

    def __init__(self, shape: int | tuple[int, ...]):
        sizes = shape if isinstance(shape, tuple | list) else (shape,)
        if not sizes:
            raise ValueError(f"`shape` must hold positive sizes, got {shape!r}.")
        for size in sizes:
            positive_integer(size, "shape")
        self.shape = tuple(int(size) for size in sizes)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def dimension(self) -> int:
        return math.prod(self.shape)

    @property
    def coordinate_size(self) -> int:
        return self.dimension

    @property
    def injectivity_radius(self) -> float:
        return math.inf

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.zeros(self.shape)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        return x.reshape(x.shape[0], 1, -1) - points.reshape(1, len(points), -1)

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        return shared_squares(flattened(x), flattened(points))

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        return points + coordinates.reshape(points.shape)

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return points

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        return None

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Independent standard normal numbers."""
        return jax.random.normal(key, (count, *self.shape))
