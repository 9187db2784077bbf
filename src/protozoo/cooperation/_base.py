"""What a cooperation answers."""

import abc
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._argmin import smallest_row
from .._types import Array, ArrayLike, Float


class AbstractCooperation(eqx.Module):
    """How the prototypes of a group share a sample: member j has the share h_j.

    Samples are the last axis of an array of dissimilarities, a group is the one before it.
    A cooperation of your own needs `log_weights`.
    """

    #: Whether the nearest member alone has a share, so that the others need not be looked at.
    winner_alone: ClassVar[bool] = False

    @abc.abstractmethod
    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        """log h_j, minus infinity for a member without a share. Shares by rank carry no gradient,
        smooth ones theirs.

        **Arguments:**

        - `group`: the dissimilarities of the members.
        - `progress`: of the training, in [0, 1].

        **Returns:** the logarithms of shares that need not sum to one.
        """

    def log_shares(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        """The logarithms of shares that sum to one. Members that are missing, whose dissimilarity
        is infinite, have none."""
        return jax.nn.log_softmax(self._of_present(group, progress), axis=-2)

    def pool(
        self,
        function: Callable[[Array], Array],
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch n"]:
        """The mean of a function of dissimilarities over a group,
        \\(\\sum_j h_j f(\\delta_j) / \\sum_j h_j\\).

        **Arguments:**

        - `function`: f, elementwise.
        - `group`: the dissimilarities of the members. Where groups differ in size, those that are
          missing are infinite: they have no share.
        - `progress`: of the training, in [0, 1].
        """
        if group.shape[-2] == 1:
            return function(group[..., 0, :])
        if self.winner_alone:
            return function(smallest_row(group))
        weights = jax.nn.softmax(self._of_present(group, progress), axis=-2)
        # A missing member must not even be evaluated at infinity: 0·NaN would reach the gradient.
        return jnp.sum(weights * function(jnp.where(jnp.isfinite(group), group, 1)), axis=-2)

    def _of_present(
        self, group: Float[Array, "*batch m n"], progress: Float[ArrayLike, ""]
    ) -> Float[Array, "*batch m n"]:
        return jnp.where(jnp.isfinite(group), self.log_weights(group, progress), -jnp.inf)


class AbstractCompetition(AbstractCooperation):
    """A cooperation about a winner of its own: the member for which `compared` is the smallest, of
    equals the first.

    Where all prototypes cooperate (`losses.Cooperative`), a trained model decides by the same
    comparison.
    """

    @abc.abstractmethod
    def compared(self, group: Float[Array, "*batch m n"]) -> Float[Array, "*batch m n"]:
        """What members are compared by when training has ended, from the dissimilarities of a
        group: infinite for those that cannot win."""
