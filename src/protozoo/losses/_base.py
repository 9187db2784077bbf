"""What a loss answers."""

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, ArrayLike, Float, Int, MaybeLabels, PerSample, Scalar
from ._decision import AbstractDecision, PrototypeLabels


class AbstractLoss(AbstractDecision):
    """A judgement of the dissimilarity matrix: what training lowers, and what prediction reads
    unless it is told otherwise."""

    #: Whether the loss needs a class for each sample.
    supervised: eqx.AbstractClassVar[bool]
    #: Whether it has a derivative that learning could follow.
    differentiable: ClassVar[bool] = True
    #: Whether it can learn from samples of class 0 alone, the targets, which then need no labels.
    targets_only: ClassVar[bool] = False

    #: Whether it is a sum over samples; then `loss(delta, labels, y, progress)` is a value for each
    #: of them.
    additive: ClassVar[bool] = False

    @abc.abstractmethod
    def total(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        """The number that training lowers; `weight` holds each sample's share (an average if the
        shares sum to one)."""


class AbstractMemberships(eqx.Module):
    """What knows how prototypes share a sample."""

    @abc.abstractmethod
    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """How the prototypes share each sample."""


class AbstractTypicalities(eqx.Module):
    """What knows how far away is untypical of a prototype."""

    @abc.abstractmethod
    def typicalities(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """How typical a sample is of each prototype, in [0, 1], whatever the others are."""


class AbstractSampleLoss(AbstractLoss):
    """A loss that judges each sample by itself; its objective is the weighted mean.

    A loss of your own needs `__call__`, `scores` and `supervised`.
    """

    additive: ClassVar[bool] = True

    @abc.abstractmethod
    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        """One value for each sample."""

    def total(
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


class Winners(NamedTuple):
    """A few entries of each row of δ, and where they are; `found` is no function of δ for a
    derivative."""

    found: Float[Array, "k n"]
    columns: Int[Array, "k n"]  # p for a member that a smaller class lacks, whose entry is infinite


class AbstractWinnerLoss(AbstractSampleLoss):
    """A loss that depends on a few entries in each row of δ, those of the winners.

    `winners` finds them, `of_winners` says what the loss makes of them. Where they are `few`,
    training differentiates these entries alone: a matrix of dissimilarities is then computed once,
    and never differentiated.
    """

    #: Whether there are few winners of a sample, however many prototypes there are.
    few: ClassVar[bool] = True

    @abc.abstractmethod
    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        """The entries that matter; what is done here is never differentiated."""

    @abc.abstractmethod
    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        """The loss of each sample, from these entries."""

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        winners = self.winners(jax.lax.stop_gradient(delta), labels, y)
        return self.of_winners(entries(delta, winners), progress)


def nearness(delta: Float[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    """Scores of a decision by distance, \\(-\\log(\\delta_k / \\min_j \\delta_j)\\): probabilities
    ∝ 1/δ in any unit.

    A sample on a prototype is certain of it; the other scores are then minus infinity.
    """
    least = jnp.min(delta, axis=-1, keepdims=True)
    apart = least > 0
    ratio = jnp.where(apart, delta / jnp.where(apart, least, 1), 1)
    return jnp.where(apart, -jnp.log(ratio), jnp.where(delta == 0, 0, -jnp.inf))


def as_logarithm(share: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The logarithm of numbers in [0, 1], finite where they are zero: of classes that share
    nothing, each is as good."""
    return jnp.log(share + float(jnp.finfo(share.dtype).tiny) ** 0.45)


@jax.custom_vjp
def entries(delta: Float[Array, "n p"], winners: Winners) -> Float[Array, "k n"]:
    """The winners' entries as a function of δ. The derivative of a minimum is a one at the
    winner."""
    return winners.found


def _entries_forward(delta: Array, winners: Winners) -> tuple:
    return winners.found, (winners.columns, jnp.zeros_like(delta, shape=(0, delta.shape[1])))


def _entries_backward(residuals: tuple[Array, Array], cotangents: Array) -> tuple:
    columns, shape = residuals
    p, n = shape.shape[1], columns.shape[1]
    if len(columns) > 2:
        gradient = (
            jnp.zeros((p, n), shape.dtype).at[columns, jnp.arange(n)].add(cotangents, mode="drop")
        )
        return gradient.T, None
    # Few columns are written in a single pass over the matrix, where a scatter goes entry by entry.
    rows, gradient = jnp.arange(p)[:, None], jnp.zeros((), shape.dtype)
    for column, cotangent in zip(columns, cotangents, strict=True):
        gradient = gradient + jnp.where(rows == column[None], cotangent[None], 0)
    return gradient.T, None


entries.defvjp(_entries_forward, _entries_backward)
