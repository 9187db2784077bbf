"""What a learning rule answers."""

import abc
from typing import Any, ClassVar

import equinox as eqx

from .._module import project
from .._types import ArrayLike, Float, PRNGKeyArray, PyTree, Scalar
from ..models import AbstractTrainable
from ._objective import Batch, Objective


class AbstractRule(eqx.Module):
    """How parameters follow from a batch. The trainer owns the loop; a rule is four functions.

    Parameters and the rest of the model arrive as two trees of the model's structure, `None` where
    the other one has the leaf: a frozen leaf is no parameter, so that no rule can move it. A rule
    that follows a gradient asks for it, `objective.value_and_grad(params, rest, batch, progress)`,
    and goes along it, `objective.move(params, change)`.
    """

    #: Whether the parameters that come out of `step` satisfy their constraints; otherwise they are
    #: projected.
    keeps_constraints: ClassVar[bool] = False
    #: Whether prototypes become samples: then it is given samples, even where a frozen encoder
    #: could be applied beforehand.
    moves_to_samples: ClassVar[bool] = False
    #: Whether prototypes are made of samples, each of which then needs a place among them.
    places_samples: ClassVar[bool] = False
    #: Whether arrays of fields that are declared `buffer` are among its parameters; no gradient may
    #: touch them.
    moves_buffers: ClassVar[bool] = False
    #: What a row of the zoo trains by in its place in batches, if a part of it needs all samples.
    in_batches: ClassVar["AbstractRule | None"] = None

    @abc.abstractmethod
    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        """Raise `ValueError` if the rule cannot train this model in this way, with the reason and
        the remedy."""

    @abc.abstractmethod
    def init(self, params: PyTree, objective: Objective) -> Any:
        """What the rule carries from step to step: a tree of arrays."""

    @abc.abstractmethod
    def step(
        self,
        params: PyTree,
        rest: PyTree,
        state: Any,
        batch: Batch,
        objective: Objective,
        progress: Float[ArrayLike, ""],
        *,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Any, Scalar]:
        """New parameters, the new state, and the objective of the *old* parameters on this batch.

        **Arguments:**

        - `params`, `rest`, `state`: the model and what the rule carries, as they are now.
        - `batch`: the samples as they are to be used: in their precision, with the shares that a
          curriculum leaves them.
        - `objective`: what is to be lowered.
        - `progress`: of the training, in [0, 1].
        - `key`: for rules that are random; another one for each update.
        """

    @abc.abstractmethod
    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        """The parameters that a model is to be used with: mostly `params`, but an average for a
        rule that averages."""


def take_step(
    rule: AbstractRule,
    params: PyTree,
    rest: PyTree,
    state: Any,
    batch: Batch,
    objective: Objective,
    progress: Float[ArrayLike, ""],
    *,
    key: PRNGKeyArray,
) -> tuple[PyTree, Any, Scalar]:
    """What a rule makes of a batch; constraints hold whether it knows of them or not."""
    params, state, value = rule.step(params, rest, state, batch, objective, progress, key=key)
    return params if rule.keeps_constraints else project(params), state, value
