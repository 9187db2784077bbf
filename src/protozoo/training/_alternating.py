"""Alternating optimisation."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import degree, static
from .._products import accumulated, flattened
from .._schedules import AbstractSchedule, as_schedule, positive
from .._types import Array, ArrayLike, Float, PRNGKeyArray, PyTree, Scalar
from ..losses import AbstractSampleLoss
from ..manifolds import centred
from ..manifolds._squares import LOST
from ..metrics import AbstractClosedForm, AbstractQuadratic, Moments
from ..models import AbstractTrainable, PrototypeModel
from ..models._chunks import sum_chunks
from ..models._units import Judge
from ..prototypes import Prototypes
from ._objective import Batch, Objective, chunk_rows
from ._rule import AbstractRule


class AlternatingOptimization(AbstractRule):
    """Assign, then minimise: with W = ∂(Σℓ)/∂s the weight of each sample for each prototype (s the squared norms inside the
    metric), everything with a closed form moves to what minimises Σ W·s.

    **Arguments:**

    - `step`: how far to move, a number or a schedule of training progress: 1 goes all the way, less is a damped (on
      mini-batches: stepwise) update.
    - `refit`: also refit the metric's and the loss's own parameters, where they have a closed form (covariances, mixing
      weights); without it, only the points move.

    The loss decides which algorithm this is: k-means (`HardClustering`), fuzzy c-means (`Fuzzy`), batch neural gas
    (`Cooperative` by rank), expectation-maximisation (`Mixture`). In a curved space the weighted mean is one Karcher step. The
    objective never increases while it is concave in s and no schedule changes it (step 1, all samples at once). A pass works
    in chunks: memory does not grow with n·p.

    **Raises:** `ValueError` unless the step is positive.
    """

    step_size: AbstractSchedule
    refit: bool = static()
    keeps_constraints: ClassVar[bool] = True

    def __init__(self, step: AbstractSchedule | ArrayLike = 1.0, refit: bool = True):
        self.step_size = as_schedule(step, "step")
        self.refit = refit
        positive(self.step_size(0.0), "step")

    def check(self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None) -> None:
        remedy = "train it with `GradientDescent`"
        if objective.regularisers:
            raise ValueError(f"`regularisers` have no closed form: {remedy}.")
        if not isinstance(model, PrototypeModel):
            raise ValueError(f"{type(model).__name__} has no closed form: {remedy}.")
        if not isinstance(model.metric, AbstractQuadratic):
            raise ValueError(f"{type(model.metric).__name__} has no closed form for the points: {remedy}.")
        if not isinstance(model.loss, AbstractSampleLoss):
            raise ValueError(f"{type(model.loss).__name__} is no sum over samples: {remedy}.")
        if model.encode_prototypes:
            raise ValueError(f"prototypes that go through the encoder have no closed form: {remedy}.")
        if any(jax.tree.leaves(mask.encoder)):
            raise ValueError(f"an encoder has no closed form: freeze it (`freeze='encoder'`), or {remedy}.")
        for name in ("metric", "loss"):
            for part, learns in zip(_parts(getattr(model, name)), _parts(getattr(mask, name)), strict=True):
                if not any(jax.tree.leaves(learns)):
                    continue
                if not isinstance(part, AbstractClosedForm):
                    raise ValueError(
                        f"the parameters of the {name} {type(getattr(model, name)).__name__} have no closed form: freeze "
                        f"them (`freeze={name!r}`), or {remedy}."
                    )
                if part.second_moments != "none" and not model.prototypes.space.flat:
                    raise ValueError(f"covariances have a closed form in flat spaces only: {remedy}.")

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
        model = eqx.combine(params, rest)
        # In own units: the squares of data that are very large or small are out of range.
        judge = Judge.of(model.prototypes, model.metric, model.loss)
        moments, value = _expectation(model, judge, batch, objective, progress)
        size, units = self.step_size(progress), judge.units
        moved = size * moments.mean()
        if params.prototypes.points is None:
            moved = jnp.zeros_like(moved)
        points = units.back(units.prototypes.space.exp(units.prototypes.points, moved))
        new = eqx.tree_at(lambda m: m.prototypes.points, model, points)
        if self.refit:

            def refit(part: Any, scaled: Any) -> Any:
                return units.part_back(scaled.refit(moments, moved, size)) if _closed(part) else part

            parts = (model.metric, model.loss), (units.metric, judge.decision)
            new = eqx.tree_at(lambda m: (m.metric, m.loss), new, jax.tree.map(refit, *parts, is_leaf=_closed))
        mask = jax.tree.map(lambda leaf: leaf is not None, params, is_leaf=lambda leaf: leaf is None)
        return eqx.filter(new, mask), state, value

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return params


def _closed(part: Any) -> bool:
    return isinstance(part, AbstractClosedForm)


def _parts(tree: PyTree) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=_closed)


def _expectation(
    model: PrototypeModel, judge: Judge, batch: Batch, objective: Objective, progress: Float[ArrayLike, ""]
) -> tuple[Moments, Scalar]:
    """One pass over the samples: the moments of their displacements under W, in the units of the judge, and the objective."""
    loss, (metric, prototypes, _, factor) = judge.decision, judge.units
    lowered = objective.evaluable(model)
    rounded = prototypes.moved(prototypes.points.astype(lowered.prototypes.points.dtype))
    assert isinstance(metric, AbstractQuadratic) and isinstance(loss, AbstractSampleLoss)
    orders = [part.second_moments for part in _parts((metric, loss)) if _closed(part)]
    order = "full" if "full" in orders else "diagonal" if "diagonal" in orders else "none"

    def chunk(x: Array, y: Array | None, weight: Array) -> tuple[Moments, Scalar]:
        points = judge.units.of(x if batch.encoded else lowered.encode(x))
        squared = accumulated(metric.squared(points, rounded))

        def value_of(squared: Array) -> Scalar:
            return loss.objective(metric.radial(squared, prototypes), prototypes.labels, y, weight, progress)

        value, w = jax.value_and_grad(value_of)(squared)
        return displacement_moments(prototypes, accumulated(points), w, order), value

    rows = chunk_rows(model, batch)
    moments, value = sum_chunks(chunk, (batch.x, batch.y), batch.weight, rows, batch.blocks)
    return moments, value if isinstance(factor, float) else value * factor ** (degree(loss) or 0)


def displacement_moments(prototypes: Prototypes, x: Float[Array, "n ..."], w: Float[Array, "n p"], order: str) -> Moments:
    """Σ|W|, ΣW(x ⊖ w) and the second moment of this order, by matrix products in a flat space."""
    space, points = prototypes.space, prototypes.points
    weight = jnp.sum(jnp.abs(w), axis=0)
    if not space.flat:
        v = space.coordinates(points, x)
        return Moments(weight, jnp.einsum("np,npk->pk", w, v), None)
    x, points = flattened(x), flattened(points)
    z, v = centred(x, points)
    total = jnp.sum(w, axis=0)[:, None]
    sums = w.T @ z
    first = sums - total * v

    def about_each(moment: Callable[[Float[Array, " n"], Float[Array, "n d"]], Array]) -> Array:
        """A moment about each prototype itself: about a common reference, tight clusters far apart cancel to noise."""
        return jax.lax.map(lambda args: moment(args[0], x - args[1][None]), (w.T, points))

    second = None
    if order == "diagonal":
        squares = w.T @ (z * z)
        expanded = squares - v * (2 * sums - total * v)
        # What is left of them is computed again.
        lost = jnp.abs(expanded) < LOST * jnp.finfo(x.dtype).eps * (jnp.abs(squares) + jnp.abs(total) * v * v)
        second = jax.lax.cond(jnp.any(lost), lambda: about_each(lambda w, v: w @ (v * v)), lambda: expanded)
    elif order == "full":
        second = about_each(lambda w, v: (v * w[:, None]).T @ v)
    return Moments(weight, first, second)
