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
    """Scores of a decision by distance: probabilities ∝ 1/δ, with a sample on a prototype certain of it."""
    return -jnp.log(delta + floor(delta))


def floor(delta: Array) -> float:
    """A dissimilarity that is zero for every purpose: it and its inverse square stay within the dtype's range."""
    return float(jnp.finfo(delta.dtype).tiny) ** 0.45
