"""Several spaces at once."""

import math
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds
from .._module import part
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold


class Product(AbstractManifold):
    """Points that have a part in each of several spaces; squared distances add up.

    **Arguments:**

    - `spaces`: the spaces, at least one; products may hold products.

    A point is one vector: the entries of its parts, one part after the other (`packed`,
    `unpacked`). Coordinates are those of the parts, likewise.

    **Raises:** `ValueError` if there is no space.
    """

    spaces: tuple[AbstractManifold, ...] = part()
    displacement_is_difference: ClassVar[bool] = False

    @of_kinds
    def __init__(self, spaces: Sequence[AbstractManifold]):
        self.spaces = tuple(spaces)
        if not self.spaces:
            raise ValueError("`spaces` must hold at least one space, got none.")

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (sum(math.prod(space.point_shape) for space in self.spaces),)

    @property
    def dimension(self) -> int:
        return sum(space.dimension for space in self.spaces)

    @property
    def coordinate_size(self) -> int:
        return sum(space.coordinate_size for space in self.spaces)

    @property
    def injectivity_radius(self) -> float:
        return min(space.injectivity_radius for space in self.spaces)

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.concatenate([space.origin.reshape(-1) for space in self.spaces])

    def packed(self, parts: Sequence[Float[Array, "p ..."]]) -> Float[Array, "p k"]:
        """One vector for each point, of its parts in each of the spaces."""
        return jnp.concatenate([part.reshape(part.shape[0], -1) for part in parts], axis=1)

    def unpacked(self, points: Float[Array, "p k"]) -> list[Float[Array, "p ..."]]:
        """The parts of points in each of the spaces."""
        shapes = [space.point_shape for space in self.spaces]
        parts = _cut(points, [math.prod(shape) for shape in shapes])
        return [
            part.reshape(part.shape[0], *shape) for part, shape in zip(parts, shapes, strict=True)
        ]

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        each = zip(self.spaces, self.unpacked(points), self.unpacked(x), strict=True)
        return jnp.concatenate([space.coordinates(w, v) for space, w, v in each], axis=-1)

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        (first, w, v), *others = zip(
            self.spaces, self.unpacked(points), self.unpacked(x), strict=True
        )
        total = first.squared_distances(w, v)
        for space, w, v in others:
            total = total + space.squared_distances(w, v)
        return total

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        steps = _cut(coordinates, [space.coordinate_size for space in self.spaces])
        each = zip(self.spaces, self.unpacked(points), steps, strict=True)
        return self.packed([space.exp(w, step) for space, w, step in each])

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """Each part as its space has it."""
        each = zip(self.spaces, self.unpacked(points), strict=True)
        return self.packed([space.project(w) for space, w in each])

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        parts = self.unpacked(jnp.asarray(points))
        for i, (space, w) in enumerate(zip(self.spaces, parts, strict=True)):
            if (reason := space.violation(w)) is not None:
                return f"in part {i}, {space}: {reason}"
        return None

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Independent parts, each by the distribution of its space."""
        keys = jax.random.split(key, len(self.spaces))
        return self.packed(
            [s.random_points(k, count) for s, k in zip(self.spaces, keys, strict=True)]
        )


def _cut(values: Float[Array, "p k"], sizes: list[int]) -> list[Float[Array, "p m"]]:
    return jnp.split(values, [sum(sizes[:i]) for i in range(1, len(sizes))], axis=1)
