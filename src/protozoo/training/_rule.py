"""What a learning rule answers."""

import abc
from typing import Any

import equinox as eqx

from .._module import static
from .._types import Array, ArrayLike, Float, PyTree, Scalar
from ..losses import AbstractSampleLoss
from ..models import PrototypeModel
from ..models._chunks import rows_per_chunk, sum_chunks


class Batch(eqx.Module):
    """Samples, their classes, and each one's share of the objective (zero for padding)."""

    x: Float[Array, "n ..."]
    y: Array | None
    weight: Float[Array, " n"]
    #: The samples have been through the encoder already.
    encoded: bool = static()

    def mean(self) -> "Batch":
        """The same samples with shares of an average."""
        return eqx.tree_at(lambda b: b.weight, self, self.weight / len(self.x))


def total_objective(model: PrototypeModel, batch: Batch, progress: Float[ArrayLike, ""]) -> Scalar:
    """The objective without its gradient, in chunks where it is a sum over samples."""

    def chunk(x: Array, y: Array | None, weight: Array) -> Scalar:
        return model.objective(x, y, weight, progress, batch.encoded)

    n = len(batch.x)
    rows = rows_per_chunk(n, len(model.prototypes)) if isinstance(model.loss, AbstractSampleLoss) else n
    return sum_chunks(chunk, (batch.x, batch.y), batch.weight, rows)


class AbstractRule(eqx.Module):
    """How parameters follow from a batch. The trainer owns the loop; a rule is three functions.

    Parameters and the rest of the model arrive as two trees of the model's structure, `None` where the other one has the
    leaf: a frozen leaf is no parameter, so that no rule can move it.
    """

    @abc.abstractmethod
    def check(self, model: PrototypeModel, mask: PyTree, batch_size: int | None) -> None:
        """Raise `ValueError` if the rule cannot train this model, with the reason and the remedy."""

    @abc.abstractmethod
    def init(self, params: PyTree) -> Any:
        """What the rule carries from step to step."""

    @abc.abstractmethod
    def step(
        self, params: PyTree, rest: PyTree, state: Any, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> tuple[PyTree, Any, Scalar]:
        """New parameters, the new state, and the objective of the *old* parameters on this batch."""
