"""Rules that watch another rule and average what it does."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .._checks import known_value, positive_integer
from .._module import choose, hyper, part, project, static
from .._types import Array, ArrayLike, Float, Int, PRNGKeyArray, PyTree, Scalar
from ..models import AbstractTrainable
from ._objective import Batch, Objective
from ._optimisers import lenient
from ._rule import AbstractRule, take_step


class AverageState(eqx.Module):
    """The watched rule's state, the average, and the number of updates."""

    inner: Any
    average: PyTree
    count: Int[Array, ""]


class AbstractWatching(AbstractRule):
    """A rule that lets another one take its steps and keeps parameters of its own beside them."""

    rule: eqx.AbstractVar[AbstractRule]
    keeps_constraints: ClassVar[bool] = (
        True  # the rule that it holds is taken care of, and averages are projected
    )

    @abc.abstractmethod
    def blend(
        self, params: PyTree, used: PyTree, average: PyTree, count: Int[Array, ""]
    ) -> tuple[PyTree, PyTree]:
        """New parameters and the new average, after update `count`, from the other rule's (and
        those that it would use)."""

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        if self.rule.moves_buffers:
            raise ValueError(
                f"{type(self).__name__} averages parameters, and {type(self.rule).__name__} moves "
                "buffers, of which an average means nothing."
            )
        self.rule.check(model, mask, objective, batch_size)

    def init(self, params: PyTree, objective: Objective) -> AverageState:
        return AverageState(self.rule.init(params, objective), params, jnp.asarray(0, jnp.int32))

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
        params, inner, value = take_step(
            self.rule, params, rest, state.inner, batch, objective, progress, key=key
        )
        count = state.count + 1
        params, average = self.blend(
            params, self.rule.evaluated(params, inner), state.average, count
        )
        return params, AverageState(inner, average, count), value


class Averaged(AbstractWatching):
    """An exponential moving average of all parameters, brought back onto their constraints;
    training itself is untouched.

    **Arguments:**

    - `rule`: the rule that trains.
    - `decay`: of the average, in [0, 1). For the first 1/(1 - decay) updates it is the plain mean
      of all so far.

    Validation, the best model and the fitted model are those of the average.

    **Raises:** `ValueError` for a decay outside [0, 1).

    Source: B. Polyak, A. Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM J.
    Control and Optimization 30, 1992.
    """

    rule: AbstractRule = part()
    decay: Scalar = hyper(default=0.99)

    def __check_init__(self):
        _share(self.decay, f"`decay` must lie in [0, 1), got {self.decay}.")

    def blend(
        self, params: PyTree, used: PyTree, average: PyTree, count: Int[Array, ""]
    ) -> tuple[PyTree, PyTree]:
        return params, _towards(used, average, jnp.maximum(1 - self.decay, 1 / count))

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return project(state.average)


class Lookahead(AbstractWatching):
    """Every so many updates, go back a part of the way:
    \\(\\phi \\leftarrow \\phi + \\alpha(\\theta - \\phi)\\), \\(\\theta \\leftarrow \\phi\\).

    **Arguments:**

    - `rule`: the fast rule.
    - `period`: updates between synchronisations.
    - `step_size`: α in (0, 1].

    Validation, the best model and the fitted model are those of the slow parameters as they would
    be if they were synchronised now, brought back onto their constraints: no update is lost,
    whatever the number of updates is.

    **Raises:** `ValueError` for a period below one or a step size outside (0, 1].

    Source: M. Zhang, J. Lucas, G. Hinton, J. Ba, *Lookahead optimizer: k steps forward, 1 step
    back*, NeurIPS 2019.
    """

    rule: AbstractRule = part()
    period: int = static(default=6)
    step_size: Scalar = hyper(default=0.5)

    def __check_init__(self):
        positive_integer(self.period, "period")
        _share(1 - self.step_size, f"`step_size` must lie in (0, 1], got {self.step_size}.")

    def blend(
        self, params: PyTree, used: PyTree, average: PyTree, count: Int[Array, ""]
    ) -> tuple[PyTree, PyTree]:
        slow = project(_towards(used, average, self.step_size))
        due = count % self.period == 0
        return choose(due, slow, params), choose(due, slow, average)

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return project(
            _towards(self.rule.evaluated(params, state.inner), state.average, self.step_size)
        )


def _towards(new: PyTree, old: PyTree, share: ArrayLike) -> PyTree:
    with lenient():
        moved = optax.incremental_update(new, old, share)  # pyright: ignore[reportArgumentType]
    return jax.tree.map(lambda a, b: a.astype(b.dtype), moved, old)


def _share(value: ArrayLike, message: str) -> None:
    known = known_value(value)
    if known is not None and not 0 <= known < 1:
        raise ValueError(message)


def innermost(rule: AbstractRule) -> AbstractRule:
    """The rule that takes the steps."""
    return innermost(rule.rule) if isinstance(rule, AbstractWatching) else rule
