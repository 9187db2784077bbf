"""What training lowers: the model's loss, and how it is evaluated."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import chart, pull, retract, static
from .._schedules import AbstractSchedule, Constant
from .._types import Array, ArrayLike, Float, Int, PerSample, PyTree, Scalar
from ..backbones import Rematerialised
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
    #: In how many blocks of equal size they lie, one on each device.
    blocks: int = static(default=1)

    def mean(self, samples: Int[ArrayLike, ""] | None = None) -> "Batch":
        """The same samples with shares of an average over `samples`, by default over the weights."""
        return eqx.tree_at(lambda b: b.weight, self, self.weight / (jnp.sum(self.weight) if samples is None else samples))


class AbstractRegulariser(eqx.Module):
    """A term that is added to the objective and sees the model alone."""

    @abc.abstractmethod
    def __call__(self, model: PrototypeModel, progress: Float[ArrayLike, ""]) -> Scalar:
        """The penalty."""

    @abc.abstractmethod
    def check(self, model: PrototypeModel) -> None:
        """Raise `ValueError` if it means nothing for this model."""


class AbstractCurriculum(eqx.Module):
    """Which samples count when: factors of their weights, which no derivative sees."""

    @abc.abstractmethod
    def __call__(self, losses: PerSample, weight: PerSample, progress: Float[ArrayLike, ""]) -> PerSample:
        """A factor for each sample, from the losses of a batch and the shares that they have without it."""


class Objective(eqx.Module):
    """The loss of a batch and the penalties, in the precision and with the memory that training asks for.

    The loss is a sum over samples, each with its share; so it can be computed piece by piece.
    """

    regularisers: tuple[AbstractRegulariser, ...] = ()
    curriculum: AbstractCurriculum | None = None
    precision: str | None = static(default=None)
    rematerialise: bool = static(default=False)

    def check(self, model: PrototypeModel, mask: PyTree) -> None:
        """Raise `ValueError` if some part means nothing for this model."""
        for regulariser in self.regularisers:
            regulariser.check(model)
        if self.curriculum is not None and not isinstance(model.loss, AbstractSampleLoss):
            raise ValueError(f"`curriculum` weighs samples, and {type(model.loss).__name__} is no sum over samples.")
        if self.precision is not None and not model.prototypes.space.flat:
            raise ValueError(
                f"`precision`: {model.prototypes.space} needs eigenvectors, which cannot be computed below float32."
            )
        if self.rematerialise and not any(jax.tree.leaves(mask.encoder)):
            raise ValueError("`rematerialise` recomputes an encoder that learns, and this model has none.")

    def prepared(self, data: Batch) -> Batch:
        """Samples in the precision that they are computed with."""
        return data if self.precision is None else eqx.tree_at(lambda b: b.x, data, data.x.astype(self.precision))

    def evaluable(self, model: PrototypeModel) -> PrototypeModel:
        """The model as it is computed: in low precision, its encoder recomputed by the backward pass."""
        if self.precision is not None:
            # Parameters of the metric and of the loss stay: a map is computed exactly, and applied in the samples' precision.
            parts = lambda m: (m.encoder, m.prototypes.points)  # noqa: E731
            model = eqx.tree_at(parts, model, _lower(parts(model), self.precision))
        if self.rematerialise:
            model = eqx.tree_at(lambda m: m.encoder, model, Rematerialised(model.encoder))
        return model

    def __call__(self, model: PrototypeModel, batch: Batch, progress: Float[ArrayLike, ""]) -> Scalar:
        """All that training lowers, of a batch as it is: its loss, with the curriculum's shares, and the penalties."""
        return self._loss(model, self.weighted(model, batch, progress), progress) + self.penalty(model, progress)

    def value_and_grad(
        self,
        params: PyTree,
        rest: PyTree,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        pieces: int = 1,
        factor: Scalar | float = 1.0,
    ) -> tuple[Scalar, PyTree]:
        """The objective of a batch and its gradient, for rules that follow it. `move` goes along a gradient.

        Curriculum, penalties and precision are part of it, and memory is that for a few samples.

        **Arguments:**

        - `params`, `rest`: the model as rules are given it.
        - `batch`, `progress`: likewise.
        - `pieces`: into how many pieces the batch is divided at least.
        - `factor`: the loss is multiplied by it before it is differentiated, and the result divided: a scale for float16.

        **Returns:** the value, and the gradient by the coordinates of the parameters' charts: points of curved spaces by
        their tangents, the parameters themselves where they may take any value.
        """
        batch = self.weighted(eqx.combine(params, rest), batch, progress)

        def piece(params: PyTree, *samples: Any) -> Scalar:
            x, y, weight = samples
            return factor * self._loss(eqx.combine(params, rest), Batch(x, y, weight, batch.encoded), progress)

        def penalty(params: PyTree) -> Scalar:
            return self.penalty(eqx.combine(params, rest), progress)

        def both(*samples: Any) -> tuple[Scalar, PyTree]:
            return jax.value_and_grad(piece)(params, *samples)

        value, gradient = self._summed(both, eqx.combine(params, rest), batch, pieces)
        if not isinstance(factor, float):
            value, gradient = jax.tree.map(lambda a: a / factor, (value, gradient))
        if self.regularisers:
            value, gradient = jax.tree.map(jnp.add, (value, gradient), jax.value_and_grad(penalty)(params))
        return value, pull(gradient, params)

    def value(self, params: PyTree, rest: PyTree, batch: Batch, progress: Float[ArrayLike, ""], pieces: int = 1) -> Scalar:
        """The objective that `value_and_grad` differentiates; it can be differentiated itself, as line searches do."""
        model = eqx.combine(params, rest)

        def piece(*samples: Any) -> Scalar:
            x, y, weight = samples
            return self._loss(model, Batch(x, y, weight, batch.encoded), progress)

        value = self._summed(piece, model, self.weighted(model, batch, progress), pieces)
        return value + self.penalty(model, progress) if self.regularisers else value

    def move(self, params: PyTree, change: PyTree) -> PyTree:
        """Parameters moved by a change of the coordinates of their charts; every constraint holds again.

        `objective.move(params, jax.tree.map(lambda g: -rate * g, gradient))` is a step of gradient descent.
        """
        return retract(jax.tree.map(jnp.add, chart(params), change), params)

    def _loss(self, model: PrototypeModel, batch: Batch, progress: Float[ArrayLike, ""]) -> Scalar:
        """The loss of these samples, with the shares that they have."""
        return self.evaluable(model).objective(batch.x, batch.y, batch.weight, progress, batch.encoded)

    def _summed(self, function: Callable, model: PrototypeModel, batch: Batch, pieces: int) -> Any:
        """`function(x, y, weight)` over a batch, piece by piece: memory for a few samples, and that in the cache."""
        rows = min(-(-len(batch.x) // (batch.blocks * pieces)), chunk_rows(model, batch))
        return sum_chunks(function, (batch.x, batch.y), batch.weight, rows, batch.blocks)

    def penalty(self, model: PrototypeModel, progress: Float[ArrayLike, ""]) -> Scalar:
        """What the regularisers add, once for each update."""
        zero = jnp.zeros((), jnp.result_type(float))
        return sum((regulariser(model, progress) for regulariser in self.regularisers), start=zero)

    def total(self, model: PrototypeModel, batch: Batch, progress: Float[ArrayLike, ""]) -> Scalar:
        """Loss and penalties of a batch whose shares are what they are, without a gradient."""

        def chunk(x: Array, y: Array | None, weight: Array) -> Scalar:
            return self._loss(model, Batch(x, y, weight, batch.encoded), progress)

        loss = self._summed(chunk, model, batch, 1)
        return loss + self.penalty(model, progress) if self.regularisers else loss

    def changes(self, model: PrototypeModel) -> bool:
        """Whether its values mean different things at different times: something in it is annealed."""

        def annealed(node: Any) -> bool:
            return isinstance(node, AbstractSchedule) and not isinstance(node, Constant)

        leaves = jax.tree.leaves((model.loss, model.metric, self.regularisers), is_leaf=annealed)
        return self.curriculum is not None or any(map(annealed, leaves))

    def weighted(self, model: PrototypeModel, batch: Batch, progress: Float[ArrayLike, ""]) -> Batch:
        """The batch with the shares that the curriculum leaves it; their sum stays what it was."""
        if self.curriculum is None:
            return batch
        model = self.evaluable(model)
        loss: Any = model.loss

        def losses(x: Array, y: Array | None) -> Array:
            points = x if batch.encoded else model.encode(x)
            return loss(model.dissimilarities(points), model.prototypes.labels, y, progress)

        weight = batch.weight * self.curriculum(jax.lax.stop_gradient(losses(batch.x, batch.y)), batch.weight, progress)
        total = jnp.sum(weight)
        weight = weight * jnp.sum(batch.weight) / jnp.where(total > 0, total, 1)
        return eqx.tree_at(lambda b: b.weight, batch, weight)


def chunk_rows(model: PrototypeModel, batch: Batch) -> int:
    """How many samples of each block to take at a time: they and their distances are in a processor's cache together."""
    n, features = len(batch.x) // batch.blocks, batch.x.size // len(batch.x)
    return rows_per_chunk(n, max(len(model.prototypes), features)) if isinstance(model.loss, AbstractSampleLoss) else n


def _lower(tree: PyTree, dtype: str) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, tree)
