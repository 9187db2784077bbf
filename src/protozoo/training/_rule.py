"""What a learning rule answers."""

import abc
from typing import Any

import equinox as eqx

from .._module import static
from .._types import Array, ArrayLike, Float, PyTree, Scalar
from ..models import PrototypeModel


class Batch(eqx.Module):
    """Samples, their classes, and each one's share of the objective (zero for padding)."""

    x: Float[Array, "n ..."]
    y: Array | None
    weight: Float[Array, " n"]
    #: The samples have been through the encoder already.
    encoded: bool = static()


class AbstractRule(eqx.Module):
    """How parameters follow from a batch. The trainer owns the loop; a rule is three functions.

    Parameters and the rest of the model arrive as two trees of the model's structure, `None` where the other one has the
    leaf: a frozen leaf is no parameter, so that no rule can move it.
    """

    @abc.abstractmethod
    def check(self, model: PrototypeModel, mask: PyTree) -> None:
        """Raise `ValueError` if the rule cannot train this model, with the reason and the remedy."""

    @abc.abstractmethod
    def init(self, params: PyTree) -> Any:
        """What the rule carries from step to step."""

    @abc.abstractmethod
    def step(
        self, params: PyTree, rest: PyTree, state: Any, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> tuple[PyTree, Any, Scalar]:
        """New parameters, the new state, and the objective of the *old* parameters on this batch."""
