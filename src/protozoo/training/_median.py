"""Prototypes that stay among the samples."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, ArrayLike, Float, Int, PRNGKeyArray, PyTree, Scalar
from ..metrics.internal import places
from ..models import AbstractTrainable, PrototypeModel
from ._objective import Batch, Objective
from ._rule import AbstractRule


class MedianOptimization(AbstractRule):
    """Exchange prototypes, one after the other, for that sample of their class which lowers the
    objective most.

    A sweep through the prototypes is one epoch. A sample can be one prototype only, and none if it
    has no weight. An exchange that would not lower the objective is not made, so that it never
    increases, and where no exchange helps, it has converged. A prototype that is no sample at first
    is exchanged for the best one in any case.

    Works with every metric, differentiable or not (`Precomputed`), and every loss. A sweep costs n
    evaluations of the objective for each p/c prototypes.

    Source: D. Nebel, B. Hammer, K. Frohberg, T. Villmann, *Median variants of learning vector
    quantization for learning of dissimilarity data*, Neurocomputing 169, 2015. Like its generalised
    expectation maximisation, this accepts only what improves; it compares the objective itself
    rather than a bound of it.
    """

    keeps_constraints: ClassVar[bool] = True
    moves_to_samples: ClassVar[bool] = True
    places_samples: ClassVar[bool] = True

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        if batch_size is not None:
            raise ValueError(
                "`batch_size` must be None, and `x` no stream: `MedianOptimization` chooses among "
                "all samples, which no stream shows."
            )
        if not isinstance(model, PrototypeModel):
            raise ValueError(
                f"`MedianOptimization` moves prototypes, and {type(model).__name__} has none."
            )
        points = lambda m: m.prototypes.points  # noqa: E731
        if not points(mask):
            raise ValueError(
                "`freeze` holds the points, and `MedianOptimization` moves nothing else."
            )
        if any(jax.tree.leaves(eqx.tree_at(points, mask, False))):
            others = [
                n for n in ("metric", "loss", "encoder") if any(jax.tree.leaves(getattr(mask, n)))
            ]
            raise ValueError(
                f"`MedianOptimization` moves points alone: freeze the rest (`freeze={others}`)."
            )

    def init(self, params: PyTree, objective: Objective) -> None:
        return None

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
        model: PrototypeModel = eqx.combine(params, rest)
        x, prototypes = places(model.metric, batch.x, batch.weight), model.prototypes

        def at(points: Array) -> PrototypeModel:
            return eqx.tree_at(lambda m: m.prototypes.points, model, points)

        def value(points: Array) -> Scalar:
            return objective(at(points), batch, progress)

        def samples_that_are(point: Array) -> Array:
            return jnp.all((x == point[None]).reshape(len(x), -1), axis=1)

        def exchange(
            carry: tuple[Array, Scalar], j: Int[Array, ""]
        ) -> tuple[tuple[Array, Scalar], None]:
            points, current = carry
            is_prototype = jax.lax.map(samples_that_are, points)
            allowed = ~jnp.any(is_prototype, axis=0) & (batch.weight > 0)
            if batch.y is not None and prototypes.labelled:
                allowed &= batch.y == jnp.asarray(prototypes.labels)[j]

            def candidate(i: Int[Array, ""]) -> Scalar:
                return jax.lax.cond(
                    allowed[i],
                    lambda: value(points.at[j].set(x[i])),
                    lambda: jnp.full_like(current, jnp.inf),
                )

            values = jax.lax.map(candidate, jnp.arange(len(x)))
            best = jnp.argmin(values)
            accept = (values[best] < current) | ~jnp.any(is_prototype[j]) & jnp.isfinite(
                values[best]
            )
            points = jnp.where(accept, points.at[j].set(x[best]), points)
            return (points, jnp.where(accept, values[best], current)), None

        start = value(prototypes.points)
        (points, _), _ = jax.lax.scan(
            exchange, (prototypes.points, start), jnp.arange(len(prototypes))
        )
        return eqx.tree_at(lambda m: m.prototypes.points, params, points), state, start

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return params
