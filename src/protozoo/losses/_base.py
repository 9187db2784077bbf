"""What a loss answers."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._types import Array, ArrayLike, Float, Int, MaybeLabels, PerSample, Scalar


PrototypeLabels = Int[np.ndarray, " p"]


class AbstractLoss(eqx.Module):
    """A judgement of the dissimilarity matrix: what training lowers, and what prediction reads.

    Labels of prototypes arrive as a NumPy array, grouped by class: they are known while a program is compiled.
    """

    #: Whether the loss needs a class for each sample.
    supervised: eqx.AbstractClassVar[bool]
    #: Whether it has a derivative that learning could follow.
    differentiable: ClassVar[bool] = True
    #: Whether what it decides depends on the differences of a sample's dissimilarities alone. Models then leave out what all
    #: of them have in common (`relative_dissimilarities`): far away from all prototypes, nothing else would be left of them.
    relative: ClassVar[bool] = False

    @abc.abstractmethod
    def objective(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        """The number that training lowers; `weight` holds each sample's share (an average if the shares sum to one)."""

    @abc.abstractmethod
    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        """The decision: logarithms of unnormalised class probabilities. Every prediction is read from them."""


class AbstractSampleLoss(AbstractLoss):
    """A loss that judges each sample by itself; its objective is the weighted mean.

    A loss of your own needs `__call__`, `scores` and `supervised`.
    """

    @abc.abstractmethod
    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        """One value for each sample."""

    def objective(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        return self.reduce(self(delta, labels, y, progress), weight)

    def reduce(self, values: PerSample, weight: PerSample) -> Scalar:
        """The weighted mean."""
        return jnp.sum(weight * values)


class AbstractWinnerLoss(AbstractSampleLoss):
    """A loss that depends on a few columns of δ in each row, those of the winners.

    Training then evaluates and differentiates these entries alone: a matrix of dissimilarities is computed once, and never
    differentiated.
    """

    @abc.abstractmethod
    def columns(
        self, delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
    ) -> tuple[Int[Array, " n"], ...] | None:
        """The columns that matter, an index for each sample; `None` if they are too many to single out."""

    @abc.abstractmethod
    def of_columns(self, *entries: PerSample) -> PerSample:
        """The loss of each sample, from its entries in these columns."""


def nearness(delta: Float[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    """Scores of a decision by distance, \\(-\\log(\\delta_k / \\min_j \\delta_j)\\): probabilities ∝ 1/δ in any unit.

    A sample on a prototype is certain of it; the other scores are then minus infinity.
    """
    least = jnp.min(delta, axis=-1, keepdims=True)
    apart = least > 0
    ratio = jnp.where(apart, delta / jnp.where(apart, least, 1), 1)
    return jnp.where(apart, -jnp.log(ratio), jnp.where(delta == 0, 0, -jnp.inf))


def as_logarithm(share: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The logarithm of numbers in [0, 1], finite where they are zero: of classes that share nothing, each is as good."""
    return jnp.log(share + float(jnp.finfo(share.dtype).tiny) ** 0.45)
