"""Gradient descent."""

from typing import Any

import equinox as eqx
import jax
import optax

from .._module import chart, retract
from .._types import ArrayLike, Float, PyTree, Scalar
from ..models import PrototypeModel
from ._closures import closed, opened
from ._rule import AbstractRule, Batch


class GradientDescent(AbstractRule):
    """Any Optax transformation, applied to the gradient of the objective.

    **Arguments:**

    - `optimiser`: an `optax.GradientTransformation`; schedules inside it count updates. Transformations that ask for the
      value, the gradient or the objective itself (`optax.lbfgs`, `optax.contrib.reduce_on_plateau`) are given them.

    The numbers in the transformation (learning rates, decays) are arguments of the compiled program, so that another
    learning rate does not compile anew. Points of curved spaces move along geodesics, in Riemannian gradient directions.

    **Raises:** `ValueError` for anything but a gradient transformation.
    """

    optimiser: PyTree

    def __init__(self, optimiser: optax.GradientTransformation):
        if not isinstance(optimiser, optax.GradientTransformation):
            raise ValueError(f"`optimiser` must be an Optax transformation such as `optax.adam(1e-2)`, got {optimiser!r}.")
        self.optimiser = opened(optax.with_extra_args_support(optimiser))

    def check(self, model: PrototypeModel, mask: PyTree, batch_size: int | None) -> None:
        for part in (model.metric, model.loss):
            if not part.differentiable:
                raise ValueError(f"{type(part).__name__} has no derivative: train the model by another rule.")

    def init(self, params: PyTree) -> Any:
        return closed(self.optimiser).init(chart(params))

    def step(
        self, params: PyTree, rest: PyTree, state: Any, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> tuple[PyTree, Any, Scalar]:
        def objective(coordinates: PyTree) -> Scalar:
            model = eqx.combine(retract(coordinates, params), rest)
            return model.objective(batch.x, batch.y, batch.weight, progress, batch.encoded)

        coordinates = chart(params)
        value, gradient = jax.value_and_grad(objective)(coordinates)
        update = closed(self.optimiser).update
        updates, state = update(gradient, state, coordinates, value=value, grad=gradient, value_fn=objective)
        return retract(optax.apply_updates(coordinates, updates), params), state, value
