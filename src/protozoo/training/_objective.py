"""What training lowers: the model's loss, and how it is evaluated."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from .._checks import on_device
from .._module import chart, pull, replaced, retract, static
from .._schedules import AbstractSchedule, Constant
from .._statistics import shares, weighted_mean
from .._types import Array, ArrayLike, Float, Int, PerSample, PyTree, Scalar
from ..backbones import Rematerialised
from ..models import AbstractTrainable, PrototypeModel
from ..models.internal import Trainable, sum_chunks


class Batch(eqx.Module):
    """Samples, their classes, and each one's share of the objective (zero for padding)."""

    x: Float[Array, "n ..."]
    y: Array | None
    weight: Float[Array, " n"]
    #: The samples have been through the encoder already.
    already_encoded: bool = static()
    #: In how many shards of equal size they lie, one on each device.
    shards: int = static(default=1)

    def mean(self, samples: Int[ArrayLike, ""] | None = None) -> "Batch":
        """The same samples with shares of an average over `samples`, by default over the
        weights."""
        return eqx.tree_at(
            lambda b: b.weight,
            self,
            self.weight / (jnp.sum(self.weight) if samples is None else samples),
        )


class AbstractRegulariser(eqx.Module):
    """A term that is added to the objective and sees the model alone."""

    @abc.abstractmethod
    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        """The penalty."""

    @abc.abstractmethod
    def check(self, model: AbstractTrainable) -> None:
        """Raise `ValueError` if it means nothing for this model."""


class AbstractCurriculum(eqx.Module):
    """Which samples count when: factors of their weights, which no derivative sees."""

    @abc.abstractmethod
    def __call__(
        self, losses: PerSample, weight: PerSample, progress: Float[ArrayLike, ""]
    ) -> PerSample:
        """A factor for each sample, from the losses of a batch and the shares that they have
        without it."""


class Objective(eqx.Module):
    """The loss of a batch and the penalties, in the precision and with the memory that training
    asks for.

    The loss is a sum over samples, each with its share; so microbatches add up to it.
    """

    regularisers: tuple[AbstractRegulariser, ...] = ()
    curriculum: AbstractCurriculum | None = None
    precision: str | None = static(default=None)
    rematerialise: bool = static(default=False)

    def check(self, model: AbstractTrainable, mask: PyTree) -> None:
        """Raise `ValueError` if some part means nothing for this model."""
        for regulariser in self.regularisers:
            regulariser.check(model)
            if not _depends(regulariser, model, mask):
                raise ValueError(
                    f"`regularisers`: {type(regulariser).__name__} depends on nothing that learns "
                    "here, and would add the same to every loss: leave it out, or `freeze` less."
                )
        if self.curriculum is not None and not model.additive:
            raise ValueError(
                f"`curriculum` weighs samples, and {model.loss_name} is no sum over samples."
            )
        if self.precision is not None:
            eqx.filter_eval_shape(lambda m: m.lowered(self.precision), model)
        if self.rematerialise and not any(jax.tree.leaves(model.encoder_in(mask))):
            raise ValueError(
                "`rematerialise` recomputes an encoder that learns, and this model has none."
            )

    def prepared(self, data: Batch) -> Batch:
        """Samples in the precision that they are computed with."""
        return (
            data
            if self.precision is None
            else eqx.tree_at(lambda b: b.x, data, data.x.astype(self.precision))
        )

    def evaluable(self, model: Trainable) -> Trainable:
        """The model as it is computed: in low precision, its encoder recomputed by the backward
        pass."""
        if self.precision is not None:
            model = model.lowered(self.precision)
        if self.rematerialise:
            model = eqx.tree_at(model.encoder_in, model, Rematerialised(model.encoder_in(model)))
        return model

    def __call__(
        self,
        model: AbstractTrainable,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        microbatches: int = 1,
    ) -> Scalar:
        """All that training lowers: the loss of a batch, with the shares that it comes with, and
        the penalties.

        It can be differentiated, as line searches do; `microbatches` is that of `value_and_grad`.
        """

        def microbatch(x: Array, y: Array | None, weight: Array) -> Scalar:
            return self._loss(model, Batch(x, y, weight, batch.already_encoded), progress)

        loss = self._summed(microbatch, model, batch, microbatches)
        return loss + self.penalty(model, progress) if self.regularisers else loss

    def value_and_grad(
        self,
        params: PyTree,
        rest: PyTree,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        microbatches: int = 1,
        factor: Scalar | float = 1.0,
    ) -> tuple[Scalar, PyTree]:
        """The objective of a batch and its gradient, for rules that follow it. `move` goes along a
        gradient.

        Penalties and precision are part of it, and memory is that for a few samples.

        **Arguments:**

        - `params`, `rest`: the model as rules are given it.
        - `batch`, `progress`: likewise.
        - `microbatches`: into how many microbatches the batch is divided at least.
        - `factor`: the loss is multiplied by it before it is differentiated, and the result
          divided: a scale for float16.

        **Returns:** the value, and the gradient by the coordinates of the parameters' charts:
        points of curved spaces by their tangents, the parameters themselves where they may take any
        value.
        """

        def microbatch(params: PyTree, *samples: Any) -> Scalar:
            x, y, weight = samples
            return factor * self._loss(
                eqx.combine(params, rest), Batch(x, y, weight, batch.already_encoded), progress
            )

        def penalty(params: PyTree) -> Scalar:
            return self.penalty(eqx.combine(params, rest), progress)

        def both(*samples: Any) -> tuple[Scalar, PyTree]:
            return jax.value_and_grad(microbatch)(params, *samples)

        value, gradient = self._summed(both, eqx.combine(params, rest), batch, microbatches)
        if not isinstance(factor, float):
            value, gradient = jax.tree.map(lambda a: a / factor, (value, gradient))
        if self.regularisers:
            value, gradient = jax.tree.map(
                jnp.add, (value, gradient), jax.value_and_grad(penalty)(params)
            )
        return value, pull(gradient, params)

    def move(self, params: PyTree, change: PyTree) -> PyTree:
        """Parameters moved by a change of the coordinates of their charts; every constraint holds
        again.

        `objective.move(params, jax.tree.map(lambda g: -rate * g, gradient))` is a step of gradient
        descent.
        """
        return retract(jax.tree.map(jnp.add, chart(params), change), params)

    def _loss(
        self, model: AbstractTrainable, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> Scalar:
        """The loss of these samples, with the shares that they have."""
        return self.evaluable(model).loss_of(
            batch.x, batch.y, batch.weight, progress, batch.already_encoded
        )

    def _summed(
        self, function: Callable, model: AbstractTrainable, batch: Batch, microbatches: int
    ) -> Any:
        """`function(x, y, weight)` summed over the microbatches of a batch: memory for a few
        samples, and that in the cache."""
        rows = min(-(-len(batch.x) // (batch.shards * microbatches)), chunk_rows(model, batch))
        return sum_chunks(function, (batch.x, batch.y), batch.weight, rows, batch.shards)

    def penalty(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        """What the regularisers add, once for each update."""
        zero = jnp.zeros((), jnp.result_type(float))
        return sum((regulariser(model, progress) for regulariser in self.regularisers), start=zero)

    def changes(self, model: AbstractTrainable) -> bool:
        """Whether its values mean different things at different times: something in it is
        annealed."""

        def annealed(node: Any) -> bool:
            return isinstance(node, AbstractSchedule) and not isinstance(node, Constant)

        leaves = jax.tree.leaves((model, self.regularisers), is_leaf=annealed)
        return self.curriculum is not None or any(map(annealed, leaves))

    def weighted(
        self, model: AbstractTrainable, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> Batch:
        """The batch with the shares that the curriculum leaves it; their sum stays what it was."""
        if self.curriculum is None:
            return batch
        losses = jax.lax.stop_gradient(
            self.evaluable(model).losses(batch.x, batch.y, progress, batch.already_encoded)
        )
        weight = batch.weight * self.curriculum(losses, batch.weight, progress)
        total = jnp.sum(weight)
        weight = weight * jnp.sum(batch.weight) / jnp.where(total > 0, total, 1)
        return eqx.tree_at(lambda b: b.weight, batch, weight)


def chunk_rows(model: AbstractTrainable, batch: Batch) -> int:
    """How many samples of each block to take at a time; all of them, if the objective is no sum
    over samples."""
    n, features = len(batch.x) // batch.shards, batch.x.size // len(batch.x)
    return model.chunk_rows(n, features) if model.additive else n


def sample_losses(
    model: PrototypeModel, x: np.ndarray, y: np.ndarray | None = None
) -> Float[np.ndarray, " n"]:
    """The loss of each sample, as it is at the end of training."""
    rows = model.chunk_rows(len(x), x[0].size) if model.additive else len(x)
    losses, uncarded = np.zeros(len(x)), replaced(model, card=None)
    for start in range(0, len(x), rows):
        # Chunks of one size, so that one program serves them: the last one reaches back.
        some = slice(at := min(start, len(x) - rows), at + rows)
        classes = None if y is None else jnp.asarray(y[some])
        losses[some] = _some_losses(uncarded, jnp.asarray(x[some]), classes)
    return losses


def mean_loss(model: PrototypeModel, x: np.ndarray, weight: Float[np.ndarray, " n"]) -> float:
    """The loss of samples without labels, as it is at the end of training: the mean of theirs, or
    what it is of all of them where they have none of their own."""
    if model.additive:
        return weighted_mean(sample_losses(model, x), weight)
    share = on_device(shares(len(x), weight), x.dtype)
    return float(_whole_loss(replaced(model, card=None), jnp.asarray(x), share))


@eqx.filter_jit
def _whole_loss(model: PrototypeModel, x: Array, share: Array) -> Scalar:
    return model.loss_of(x, None, share)


@eqx.filter_jit
def _some_losses(model: PrototypeModel, x: Array, y: Array | None) -> PerSample:
    return model.losses(x, y)


def _depends(regulariser: AbstractRegulariser, model: AbstractTrainable, mask: PyTree) -> bool:
    """Whether a penalty is computed from anything that learns."""
    params, rest = eqx.partition(model, mask)
    learned, structure = jax.tree.flatten(params)

    def penalty(*leaves: Array) -> Scalar:
        return regulariser(eqx.combine(jax.tree.unflatten(structure, leaves), rest), np.zeros(()))

    program = jax.make_jaxpr(penalty)(*learned).jaxpr
    reached = set(program.invars)
    for equation in program.eqns:
        if any(v in reached for v in equation.invars if not isinstance(v, Literal)):
            reached.update(equation.outvars)
    return any(v in reached for v in program.outvars if not isinstance(v, Literal))
