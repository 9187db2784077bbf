"""Encoders that learn by a loss of their own."""

import abc

import equinox as eqx

from .._types import Array, Float


class AbstractLocalEncoder(eqx.Module):
    """An encoder that no gradient of the prototypes' loss reaches, and that learns from the samples
    by a loss of its own.

    A model adds this loss to that of the prototypes, with the samples' weights. So both learn in
    one fit.
    """

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The point that a sample is mapped to."""

    @abc.abstractmethod
    def with_loss(self, x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, ""]]:
        """The point, and the encoder's loss of this sample."""
