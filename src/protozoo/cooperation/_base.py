"""What a cooperation answers."""

import abc
from collections.abc import Callable

import equinox as eqx

from .._types import Array, ArrayLike, Float


class AbstractCooperation(eqx.Module):
    """How the prototypes of a group share a sample.

    Samples are the last axis of an array of dissimilarities, a group is the one before it; a missing member (classes differ
    in size) is infinite.
    """

    @abc.abstractmethod
    def pool(
        self,
        values: Callable[[Array], Array],
        nearest: Float[Array, "*batch n"],
        group: Callable[[], Float[Array, "*batch m n"]],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch n"]:
        """The cooperative average of an elementwise function of dissimilarities over a group.

        **Arguments:**

        - `values`: the function.
        - `nearest`: the dissimilarity of the group's nearest member.
        - `group`: gives all of them, if they are needed.
        - `progress`: of the training, in [0, 1].
        """
