"""Gradient descent."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from optax.contrib import ScheduleFreeState, schedule_free_eval_params

from .._checks import on_device, positive_integer
from .._module import all_finite, chart, choose, part, retract, static
from .._schedules import OverRun
from .._types import Array, ArrayLike, Float, Int, PRNGKeyArray, PyTree, Scalar
from ..models import AbstractTrainable
from ._autodiff import AbstractGradient, Autodiff
from ._closures import closed, opened, outlined
from ._freeze import Where, leaves_at
from ._objective import Batch, Objective
from ._optimisers import REST, LearningRate, by_name, lenient
from ._rule import AbstractRule


#: Updates in a row without an overflow after which the scale of a float16 loss is doubled.
PATIENCE = 200


#: How gradients are found by default.
EXACT = Autodiff()


class LossScale(eqx.Module):
    """The factor that keeps float16 gradients from vanishing, and for how long it has served."""

    factor: Scalar
    served: Int[Array, ""]


class GradientState(eqx.Module):
    """What an optimiser remembers of each part; of float16 training, the scale of the loss."""

    parts: tuple[Any, ...]
    scale: LossScale | None


class GradientDescent(AbstractRule):
    """Any Optax transformation, applied to the gradient of the objective.

    **Arguments:**

    - `optimiser`: an `optax.GradientTransformation`; schedules inside it count updates.
      Transformations that ask for the value, the gradient or the objective itself (`optax.lbfgs`,
      `optax.contrib.reduce_on_plateau`) are given them. Or a mapping from parts of the model
      (dotted names, or functions such as `lambda m: m.encoder`) to transformations, with `"rest"`
      for what no other part names. Or the name of an optimiser (`pz.training.OPTIMISERS`).
    - `learning_rate`: of a named optimiser: a number, a schedule of training progress
      (`pz.Cosine(1e-2)`: over the whole run), an Optax schedule (of updates), or a mapping from
      parts to these.
    - `accumulate`: work through each batch in this many microbatches and sum their gradients: the
      update is that of the whole batch, in memory for a microbatch.
    - `gradient`: how the gradient is found; by automatic differentiation, unless you have another
      way.
    - `options`: of a named optimiser, as Optax has them. Weight decay shrinks the matrices of
      encoders and projections only, unless you pass a `mask` of your own.

    The numbers in the transformation (learning rates, decays) are arguments of the compiled
    program, so that another learning rate does not compile anew. Points of curved spaces move along
    geodesics, in Riemannian gradient directions.

    **Raises:** `ValueError` for anything but a gradient transformation, for options that nothing
    would read, and, when training begins, for parts that overlap, leave something out, or do not
    learn.
    """

    optimisers: tuple[PyTree, ...] = eqx.field(repr=False)
    parts: tuple[Where, ...] = static()
    accumulate: int = static()
    gradient: AbstractGradient = part(default=EXACT)
    keeps_constraints: ClassVar[bool] = True

    def __init__(
        self,
        optimiser: optax.GradientTransformation
        | str
        | Mapping[Where, optax.GradientTransformation],
        learning_rate: LearningRate | Mapping[Where, LearningRate] | None = None,
        *,
        accumulate: int = 1,
        gradient: AbstractGradient = EXACT,
        **options: Any,
    ):
        groups = optimiser if isinstance(optimiser, Mapping) else {REST: optimiser}
        for one in () if isinstance(optimiser, str) else groups.values():
            if not isinstance(one, optax.GradientTransformation):
                raise ValueError(
                    f"`optimiser` must be an Optax transformation such as `optax.adam(1e-2)`, got "
                    f"{one!r}."
                )
        if isinstance(optimiser, str):
            optimiser = by_name(optimiser, learning_rate, options)
        elif learning_rate is not None or options:
            raise ValueError(
                "`learning_rate` and options belong to named optimisers; an Optax transformation "
                "has its own."
            )
        groups = optimiser if isinstance(optimiser, Mapping) else {REST: optimiser}
        positive_integer(accumulate, "accumulate")
        self.optimisers = tuple(
            opened(optax.with_extra_args_support(one)) for one in groups.values()
        )
        self.parts, self.accumulate, self.gradient = tuple(groups), accumulate, gradient

    def __repr__(self) -> str:
        several = self.parts != (REST,)
        said = [
            f"{part}: {outlined(one)}" if several else outlined(one)
            for part, one in zip(self.parts, self.optimisers, strict=True)
        ]
        more = [f"accumulate={self.accumulate}"] if self.accumulate > 1 else []
        more += [] if self.gradient == EXACT else [f"gradient={type(self.gradient).__name__}"]
        return f"GradientDescent({', '.join([*said, *more])})"

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        self.gradient.check(model)
        if self.accumulate > 1 and not model.additive:
            raise ValueError(
                f"`accumulate` sums over samples, and {model.loss_name} is no sum over samples."
            )
        params = eqx.filter(model, mask)
        self._masks(params)
        if not model.flat:
            states = jax.tree.leaves(self.init(params, objective), is_leaf=_schedule_free)
            if any(map(_schedule_free, states)):
                raise ValueError(
                    "schedule-free averages are lines, and a curved space has none: choose another "
                    "optimiser."
                )

    def init(self, params: PyTree, objective: Objective) -> GradientState:
        with lenient():
            states = _begin(self.optimisers, params, self._masks(params))
        scaled = objective.precision == "float16"
        scale = (
            LossScale(on_device(2.0**12, jnp.float32), on_device(0, jnp.int32)) if scaled else None
        )
        return GradientState(states, scale)

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
        factor = 1.0 if state.scale is None else state.scale.factor
        microbatches = self.accumulate
        value, gradient = self.gradient(
            objective, params, rest, batch, progress, microbatches, factor, key=key
        )

        def value_of(coordinates: PyTree) -> Scalar:
            return objective(
                eqx.combine(retract(coordinates, params), rest), batch, progress, microbatches
            )

        coordinates = chart(params)
        updates, parts = self._updates(
            params, gradient, state.parts, coordinates, value, value_of, progress
        )
        with lenient():
            coordinates = optax.apply_updates(coordinates, updates)
        moved = retract(coordinates, params)
        if state.scale is None:
            return moved, GradientState(parts, None), value
        # An overflow changes nothing but the scale, which is then too large.
        sound = all_finite(gradient)
        moved, parts = choose(sound, (moved, parts), (params, state.parts))
        return moved, GradientState(parts, _rescaled(state.scale, sound)), value

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        if not any(map(_schedule_free, jax.tree.leaves(state.parts, is_leaf=_schedule_free))):
            return params
        coordinates, parts = chart(params), []
        for mask, memory in zip(self._masks(params), state.parts, strict=True):
            mine = eqx.filter(coordinates, mask)
            found = [
                node
                for node in jax.tree.leaves(memory, is_leaf=_schedule_free)
                if _schedule_free(node)
            ]
            with lenient():
                parts.append(schedule_free_eval_params(found[0], mine) if found else mine)
        return retract(eqx.combine(*parts), params)

    def _updates(
        self,
        params: PyTree,
        gradient: PyTree,
        states: tuple[Any, ...],
        coordinates: PyTree,
        value: Scalar,
        value_of: Any,
        progress: Float[ArrayLike, ""],
    ) -> tuple[PyTree, tuple[Any, ...]]:
        """Each part's optimiser, applied to its part."""

        def told(node: Any) -> Any:
            return OverRun(node.schedule, progress) if isinstance(node, OverRun) else node

        updates, new = [], []
        optimisers = jax.tree.map(
            told, self.optimisers, is_leaf=lambda node: isinstance(node, OverRun)
        )
        for mask, one, state in zip(self._masks(params), optimisers, states, strict=True):
            mine, others = eqx.partition(coordinates, mask)
            slope = eqx.filter(gradient, mask)
            told_of = {
                "value": value,
                "grad": slope,
                "value_fn": lambda c, others=others: value_of(eqx.combine(c, others)),
            }
            with lenient():
                update, state = closed(one).update(slope, state, mine, **told_of)
            updates.append(update)
            new.append(state)
        return eqx.combine(*updates), tuple(new)

    def _masks(self, params: PyTree) -> list[PyTree]:
        """Which leaves each part holds."""
        leaves, structure = jax.tree.flatten(params)
        taken = {part: leaves_at(params, part, "optimiser") for part in self.parts if part != REST}
        for where, mine in taken.items():
            if not mine:
                raise ValueError(
                    f"`optimiser` has {where!r} as a part, in which nothing learns: leave it out."
                )
        everything, count = set().union(*taken.values()), sum(map(len, taken.values()))
        if count > len(everything):
            raise ValueError(f"the parts of `optimiser` overlap: {', '.join(map(repr, taken))}.")
        left = set(range(len(leaves))) - everything
        if left and REST not in self.parts:
            paths = [
                jax.tree_util.keystr(path)
                for path, _ in jax.tree_util.tree_leaves_with_path(params)
            ]
            missing = ", ".join(paths[i].lstrip(".") for i in sorted(left))
            raise ValueError(
                f"no part of `optimiser` names {missing}: add them, or {REST!r} for all that is "
                f"left."
            )
        taken[REST] = left
        return [
            jax.tree.unflatten(structure, [i in taken[part] for i in range(len(leaves))])
            for part in self.parts
        ]


def _schedule_free(node: Any) -> bool:
    return isinstance(node, ScheduleFreeState)


def _rescaled(scale: LossScale, sound: Array) -> LossScale:
    """Half the scale after an overflow, twice the scale after many updates without."""
    served = jnp.where(sound, scale.served + 1, 0)
    grown = jnp.where(served >= PATIENCE, 2 * scale.factor, scale.factor)
    factor = jnp.clip(jnp.where(sound, grown, scale.factor / 2), 1, 2.0**24)
    return LossScale(factor, jnp.where(served >= PATIENCE, 0, served).astype(jnp.int32))


@eqx.filter_jit
def _begin(optimisers: Sequence[Any], params: PyTree, masks: Sequence[PyTree]) -> tuple[Any, ...]:
    """What optimisers begin with, as one program, not one for each shape of a parameter."""
    coordinates, parts = chart(params), zip(masks, optimisers, strict=True)
    return tuple(closed(one).init(eqx.filter(coordinates, mask)) for mask, one in parts)
