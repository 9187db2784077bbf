"""No learning."""

from typing import Any, ClassVar

import equinox as eqx

from .._types import ArrayLike, Float, PRNGKeyArray, PyTree, Scalar
from ..models import AbstractTrainable
from ._objective import Batch, Objective
from ._rule import AbstractRule


class Lazy(AbstractRule):
    """Nothing moves, the objective is recorded: for models whose prototypes are the samples
    themselves.

    Source: D. Aha, *Lazy learning*, Kluwer, 1997 (as its editor).
    """

    keeps_constraints: ClassVar[bool] = True

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        pass  # nothing can go wrong

    def init(self, params: PyTree, objective: Objective) -> None:
        return None

    def step(
        self,
        params: PyTree,
        rest: PyTree,
        state: Any,
        batch: Batch,
        objective: Objective,
        progress: Float[ArrayLike, ""],
        *,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Any, Scalar]:
        return params, state, objective(eqx.combine(params, rest), batch, progress)

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return params
