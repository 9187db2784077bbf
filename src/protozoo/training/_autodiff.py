"""How gradients are found."""

import abc

import equinox as eqx

from .._types import ArrayLike, Float, PRNGKeyArray, PyTree, Scalar
from ..models import AbstractTrainable
from ._objective import Batch, Objective


class AbstractGradient(eqx.Module):
    """The objective of a batch and its gradient, which `GradientDescent` follows: the true one, or
    an estimate of it."""

    @abc.abstractmethod
    def check(self, model: AbstractTrainable) -> None:
        """Raise `ValueError` if this model has no such gradient, with the reason and the remedy."""

    @abc.abstractmethod
    def __call__(
        self,
        objective: Objective,
        params: PyTree,
        rest: PyTree,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        microbatches: int = 1,
        factor: Scalar | float = 1.0,
        *,
        key: PRNGKeyArray,
    ) -> tuple[Scalar, PyTree]:
        """The value and the gradient, as `Objective.value_and_grad` returns them and with its
        arguments.

        - `key`: for estimates that are random; another one for each update.
        """


class Autodiff(AbstractGradient):
    """Automatic differentiation, backwards: the exact gradient for the price of a few
    evaluations."""

    def check(self, model: AbstractTrainable) -> None:
        model.check_differentiable()

    def __call__(
        self,
        objective: Objective,
        params: PyTree,
        rest: PyTree,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        microbatches: int = 1,
        factor: Scalar | float = 1.0,
        *,
        key: PRNGKeyArray,
    ) -> tuple[Scalar, PyTree]:
        return objective.value_and_grad(params, rest, batch, progress, microbatches, factor)
