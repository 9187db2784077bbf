"""Units on a lattice: self-organising maps."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_row
from .._checks import of_kind, of_kinds, positive_integer
from .._module import part, static
from .._schedules import AbstractSchedule, as_schedule, positive, value_at
from .._types import Array, ArrayLike, Float, Int
from ._base import AbstractCompetition


Kernel = Literal["gaussian", "bubble"]


class Lattice(eqx.Module):
    """Places in one, two or three dimensions, one apart from their neighbours; units are numbered
    row by row.

    **Arguments:**

    - `shape`: how many places there are along each axis, such as `(rows, columns)`.
    - `kind`: `"rectangular"`, or `"hexagonal"`: every second row is shifted by a half, so that a
      place has six neighbours; of three axes, the last two are those of the hexagons.
    - `toroidal`: whether both ends of an axis are neighbours.

    Everything about it is known when a program is compiled.

    **Raises:** `ValueError` for sizes that are not positive, more axes than three, hexagons in a
    single row, and a torus of hexagons with an odd number of rows, whose ends do not fit.
    """

    shape: tuple[int, ...] = static()
    kind: Literal["rectangular", "hexagonal"] = static()
    toroidal: bool = static()

    @of_kinds
    def __init__(
        self,
        shape: Sequence[int],
        kind: Literal["rectangular", "hexagonal"] = "rectangular",
        toroidal: bool = False,
    ):
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"`shape` must have one, two or three axes, got {shape!r}.")
        for size in shape:
            positive_integer(size, "shape")
        self.shape, self.kind, self.toroidal = tuple(int(size) for size in shape), kind, toroidal
        if self._hexagonal and len(shape) == 1:
            raise ValueError(
                f"`kind`: hexagons need two axes, and `shape` is {self.shape}; a chain is "
                f"'rectangular'."
            )
        if self._hexagonal and toroidal and self.shape[-2] % 2:
            raise ValueError(
                f"`toroidal`: {self.shape[-2]} rows of hexagons do not close, every second one is "
                f"shifted: make it even."
            )

    @property
    def size(self) -> int:
        """The number of places p."""
        return int(np.prod(self.shape))

    @property
    def coordinates(self) -> Float[np.ndarray, "p q"]:
        """Where each place is."""
        places = self._places
        return (
            places * np.array([*[1.0] * (places.shape[1] - 2), 0.75**0.5, 1.0])
            if self._hexagonal
            else places
        )

    @property
    def squared_distances(self) -> Float[np.ndarray, "p p"]:
        """The squared distance between any two places, the short way round a torus; exact."""
        places = self._places
        apart = np.abs(places[:, None] - places[None])
        if self.toroidal:
            apart = np.minimum(apart, np.array(self.shape) - apart)
        squares = apart**2
        if self._hexagonal:
            squares[..., -2] *= 0.75
        return squares.sum(axis=-1)

    @property
    def edges(self) -> Int[np.ndarray, "m 2"]:
        """Which places are neighbours, each pair once."""
        return np.argwhere(np.triu(self.squared_distances == 1))

    @property
    def _hexagonal(self) -> bool:
        return self.kind == "hexagonal"

    @property
    def _places(self) -> Float[np.ndarray, "p q"]:
        """Rows and columns, with the shift of every second row."""
        index = np.indices(self.shape).reshape(len(self.shape), -1).T.astype(float)
        if self._hexagonal:
            index[:, -1] += 0.5 * (index[:, -2] % 2)
        return index


class LatticeCooperation(AbstractCompetition):
    """Members share by how far they are from the winner c on a lattice: \\(h_j =
    e^{-d_{jc}^2/(2\\sigma^2)}\\).

    **Arguments:**

    - `lattice`: where the members are, one at each place.
    - `neighbourhood`: σ > 0, in steps of the lattice: a number or a schedule of training progress
      (usually falling).
    - `kernel`: `"gaussian"`, or `"bubble"`: \\(h_j = 1\\) within σ of the winner, zero beyond.
    - `smoothed`: how the winner is found. `False`: it is the nearest member (Kohonen). `True`: it
      is the member about which dissimilarities are the smallest on the average, \\(c = \\arg\\min_c
      \\sum_j h_j^c \\delta_j\\) with shares that sum to one, \\(\\sum_j h_j^c = 1\\) (Heskes):
      `losses.Cooperative` then has an objective that no step of alternating optimisation raises. If
      they did not sum to one, members at the border, which have few neighbours, would win most
      samples.

    Shares carry no gradient. A trained model decides by the winner of training: where it is
    smoothed, by dissimilarities that are averaged with the final σ.

    **Raises:** `ValueError` if σ is not positive, and for a group that has not as many members as
    the lattice has places.

    Source: T. Kohonen, *Self-organized formation of topologically correct feature maps*, Biological
    Cybernetics 43, 1982; T. Heskes, *Energy functions for self-organizing maps*, Kohonen Maps 1999.
    """

    lattice: Lattice = part()
    neighbourhood: AbstractSchedule
    kernel: Kernel = static()
    smoothed: bool = static()

    def __init__(
        self,
        lattice: Lattice,
        neighbourhood: AbstractSchedule | ArrayLike,
        kernel: Kernel = "gaussian",
        smoothed: bool = False,
    ):
        self.lattice = lattice
        self.neighbourhood = as_schedule(neighbourhood, "neighbourhood")
        positive(value_at(self.neighbourhood, 1.0), "neighbourhood")
        self.kernel, self.smoothed = (
            of_kind(kernel, Kernel, "kernel"),
            of_kind(smoothed, bool, "smoothed"),
        )

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        group = jax.lax.stop_gradient(group)
        logarithms = self._logarithms(group, progress)
        winner = nearest_row(self._smoothed(group, logarithms))
        return jnp.moveaxis(logarithms[:, winner], 0, -2)

    def compared(self, group: Float[Array, "*batch m n"]) -> Float[Array, "*batch m n"]:
        # Which asks whether there is a place for each.
        return self._smoothed(group, self._logarithms(group, 1.0))

    def _logarithms(
        self, group: Float[Array, "*batch m n"], progress: Float[ArrayLike, ""]
    ) -> Float[Array, "m m"]:
        """log h of the member j (a row) where the member c (a column) wins."""
        if group.shape[-2] != self.lattice.size:
            raise ValueError(
                f"`lattice` of shape {self.lattice.shape} has {self.lattice.size} places, and "
                f"{group.shape[-2]} prototypes cooperate: it must have one for each."
            )
        width, squares = self.neighbourhood(progress), self.lattice.squared_distances
        if self.kernel == "bubble":
            logarithms = jnp.where(
                jnp.asarray(np.sqrt(squares), group.dtype) <= width, 0.0, -jnp.inf
            )
        else:
            logarithms = -0.5 * (jnp.asarray(np.sqrt(squares), group.dtype) / width) ** 2
        if self.smoothed:
            logarithms = logarithms - jax.nn.logsumexp(logarithms, axis=0, keepdims=True)
        return logarithms.astype(group.dtype)

    def _smoothed(
        self, group: Float[Array, "*batch m n"], logarithms: Float[Array, "m m"]
    ) -> Float[Array, "*batch m n"]:
        return jnp.exp(logarithms).T @ group if self.smoothed else group
