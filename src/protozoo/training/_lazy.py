"""No learning."""

from typing import Any

import equinox as eqx

from .._types import ArrayLike, Float, PyTree, Scalar
from ..models import PrototypeModel
from ._rule import AbstractRule, Batch, total_objective


class Lazy(AbstractRule):
    """Nothing moves, the objective is recorded: for models whose prototypes are the samples themselves.

    Source: D. Aha (ed.), *Lazy learning*, 1997.
    """

    def check(self, model: PrototypeModel, mask: PyTree, batch_size: int | None) -> None:
        pass  # nothing can go wrong

    def init(self, params: PyTree) -> None:
        return None

    def step(
        self, params: PyTree, rest: PyTree, state: Any, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> tuple[PyTree, Any, Scalar]:
        return params, state, total_objective(eqx.combine(params, rest), batch, progress)
