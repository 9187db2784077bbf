"""Members that are the nodes of a graph."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_row
from .._checks import as_numbers, of_kinds, of_values, on_device, positive_integer
from .._module import buffer, hyper
from .._schedules import positive
from .._types import Array, ArrayLike, Bool, Float, Int, Scalar
from ._base import AbstractCompetition


class GraphCooperation(AbstractCompetition):
    """The winner has share one, its neighbours in a graph have a smaller one, all others none.

    **Arguments:**

    - `ages`: how old the edge between two members is, `(p, p)`, symmetric; -1 where there is none.
    - `alive`: which members there are, `(p,)`: those that are not win nothing, and have no share.
    - `errors`: how much error members have gathered, `(p,)`, for a rule that asks.
    - `share`: that of a neighbour, positive.

    `GraphCooperation.of_edges(edges, prototypes)` makes one of a graph that is given; the rule
    `training.GrowingGraph` lets one grow while it learns. Shares carry no gradient.

    **Raises:** `ValueError` if the share is not positive.

    Source: B. Fritzke, *A growing neural gas network learns topologies*, NIPS 7, 1995.
    """

    ages: Int[Array, "p p"] = buffer(axis=("prototype", "prototype"))
    alive: Bool[Array, " p"] = buffer(axis="prototype")
    errors: Float[Array, " p"] = buffer(axis="prototype")
    share: Scalar = hyper(default=0.03)

    def __check_init__(self):
        positive(self.share, "share")

    @classmethod
    @of_values
    @of_kinds
    def of_edges(
        cls,
        edges: Int[ArrayLike, "m 2"] | Sequence[Sequence[int]],
        prototypes: int,
        share: float | int = 0.03,
        capacity: int | None = None,
    ) -> "GraphCooperation":
        """A graph of these edges.

        **Arguments:**

        - `edges`: pairs of numbers 0…p-1.
        - `prototypes`: how many members p there are.
        - `share`: that of a neighbour, positive.
        - `capacity`: how many there is room for, by default for those.

        **Raises:** `ValueError` for edges between others than members, and a capacity that is less
        than these.
        """
        positive_integer(prototypes, "prototypes")
        places = prototypes if capacity is None else capacity
        positive_integer(places, "capacity")
        if places < prototypes:
            raise ValueError(
                f"`capacity` must be at least the number of `prototypes`, {prototypes}, got "
                f"{places}."
            )
        pairs = np.asarray(as_numbers(edges, "edges"))
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu" and pairs.size:
            raise ValueError(
                f"`edges` must have shape (m, 2) and hold integers, got {pairs.dtype}{pairs.shape}."
            )
        if pairs.size and not (
            0 <= pairs.min() and pairs.max() < prototypes and (pairs[:, 0] != pairs[:, 1]).all()
        ):
            raise ValueError(
                f"`edges` must join two of the members 0…{prototypes - 1} each, got "
                f"{pairs.tolist()}."
            )
        ages = np.full((places, places), -1, np.int32)
        first, second = pairs.astype(int).T
        ages[first, second] = ages[second, first] = 0
        alive, errors = np.arange(places) < prototypes, on_device(np.zeros(places), float)
        return cls(on_device(ages), on_device(alive), errors, share)

    @property
    def edges(self) -> Int[np.ndarray, "m 2"]:
        """Which members are neighbours, each pair once."""
        return np.argwhere(np.triu(np.asarray(self.ages) >= 0))

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        winner = nearest_row(self.compared(jax.lax.stop_gradient(group)))
        itself = jnp.eye(len(self.alive), dtype=bool)
        shares = jnp.where(itself, 0.0, jnp.where(self.ages >= 0, jnp.log(self.share), -jnp.inf))
        return jnp.moveaxis(shares.astype(group.dtype)[:, winner], 0, -2)

    def compared(self, group: Float[Array, "*batch m n"]) -> Float[Array, "*batch m n"]:
        return jnp.where(self.alive[:, None], group, jnp.inf)
