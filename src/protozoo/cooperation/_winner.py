"""No cooperation."""

from collections.abc import Callable

from .._types import Array, ArrayLike, Float
from ._base import AbstractCooperation


class WinnerTakesAll(AbstractCooperation):
    """The nearest member of the group is the group: pool(f) = f(min δ)."""

    def pool(
        self,
        values: Callable[[Array], Array],
        nearest: Float[Array, "*batch n"],
        group: Callable[[], Float[Array, "*batch m n"]],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch n"]:
        return values(nearest)
