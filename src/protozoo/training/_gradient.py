"""Gradient descent."""

import types
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from equinox.internal import closure_to_pytree

from .._module import chart, retract
from .._types import ArrayLike, Float, PyTree, Scalar
from ..models import PrototypeModel
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
        # Optax hides its numbers in closures; as leaves of a tree they can be passed rather than compiled in.
        tree = closure_to_pytree(optax.with_extra_args_support(optimiser))
        self.optimiser = jax.tree.map(lambda leaf: jnp.asarray(leaf) if type(leaf) is float else leaf, tree)

    def check(self, model: PrototypeModel, mask: PyTree) -> None:
        if not any(jax.tree.leaves(mask)):
            raise ValueError("`freeze` leaves no parameter to train.")

    def init(self, params: PyTree) -> Any:
        return _functions(self.optimiser).init(chart(params))

    def step(
        self, params: PyTree, rest: PyTree, state: Any, batch: Batch, progress: Float[ArrayLike, ""]
    ) -> tuple[PyTree, Any, Scalar]:
        def objective(coordinates: PyTree) -> Scalar:
            model = eqx.combine(retract(coordinates, params), rest)
            return model.objective(batch.x, batch.y, batch.weight, progress, batch.encoded)

        coordinates = chart(params)
        value, gradient = jax.value_and_grad(objective)(coordinates)
        update = _functions(self.optimiser).update
        updates, state = update(gradient, state, coordinates, value=value, grad=gradient, value_fn=objective)
        return retract(optax.apply_updates(coordinates, updates), params), state, value


_Closure = type(closure_to_pytree(lambda: None))


def _functions(tree: PyTree) -> PyTree:
    """Undo `closure_to_pytree`: plain functions again, over the leaves as they are now.

    JAX takes the branches of a conditional for functions that can be hashed; a module that holds traced numbers cannot.
    """

    def function(node: Any) -> Any:
        if not isinstance(node, _Closure):
            return node
        fn, contents = node.fn.fn, node.contents
        cells = None if contents is None else tuple(types.CellType(_functions(content)) for content in contents)
        new = types.FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, cells)
        new.__kwdefaults__ = fn.__kwdefaults__
        return new

    return jax.tree.map(function, tree, is_leaf=lambda node: isinstance(node, _Closure))
