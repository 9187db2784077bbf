"""Alternating optimisation."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_kind, positive_integer
from .._module import (
    AbstractHomogeneous,
    buffer,
    choose,
    degree,
    replaced,
    static,
)
from .._products import accumulated
from .._schedules import AbstractSchedule, as_schedule, positive, value_at
from .._types import Array, ArrayLike, Float, Int, PerPrototype, PRNGKeyArray, PyTree, Scalar
from ..losses import AbstractLoss
from ..metrics import AbstractCentroidal, AbstractClosedForm, Moments, Step
from ..metrics.internal import places
from ..models import AbstractTrainable, PrototypeModel, Selection
from ..models.internal import Judge, rows_per_chunk, sum_chunks
from ._objective import Batch, Objective, chunk_rows
from ._rule import AbstractRule


#: Entries of one block of a pass. Several passes over a block of weights follow each other: it
#: stays in the cache that cores share, and they have enough to share.
BLOCK = 2**18


class Memory(eqx.Module):
    """What alternating optimisation carries from step to step."""

    #: How many steps there were, if something is estimated in some of them.
    updates: Int[Array, ""] | None
    #: The running sum of the weights of each prototype, if there is one.
    mass: PerPrototype | None = buffer(axis="prototype")


class AlternatingOptimization(AbstractRule):
    """Assign, then minimise: with W = ∂(Σℓ)/∂s the weight of each sample for each prototype (s the
    squared norms inside the metric), everything with a closed form moves to what minimises Σ W·s.

    **Arguments:**

    - `step`: how far to move, a number or a schedule of training progress: 1 goes all the way, less
      is a damped (on mini-batches: stepwise) update.
    - `refit`: also refit the metric's and the loss's own parameters, where they have a closed form
      (covariances, mixing weights); without it, only the points move.
    - `estimate_every`: after how many updates numbers that are no parameters (bandwidths of
      possibilistic losses) are estimated again; `None`: never, they stay as they are. With new
      bandwidths the objective is another one, which may be larger.
    - `running`: average the sums over samples and not the numbers that follow from them: stepwise
      expectation–maximisation. `step` γ is then the share of the newest batch in running sums,
      \\(N_j \\leftarrow (1-\\gamma) N_j + \\gamma \\sum_i W_{ij}\\), and everything goes all the
      way to what minimises the loss under them: a prototype that wins little of a batch moves
      little. The first batch counts alone; a step of 0.1, or one that falls, forgets it slowly.
    - `reseed`: whether a prototype that no sample has any weight for is put beside the one of its
      class that has most, and takes over its numbers: a hundredth of the way from there to where it
      was. The step that follows shares the samples between the two. Otherwise it keeps its place,
      as prototypes that do not learn always do.

    The loss decides which algorithm this is: k-means (`HardClustering`), fuzzy c-means (`Fuzzy`),
    batch neural gas (`Cooperative` by rank), expectation-maximisation (`Mixture`). In a curved
    space the weighted mean is one Karcher step. The objective never increases while it is concave
    in s and no schedule changes it (step 1, all samples at once). A pass works in chunks: memory
    does not grow with n·p, unless the loss is no sum over samples.

    **Raises:** `ValueError` unless the step is positive.

    Source: O. Cappé, E. Moulines, *On-line expectation-maximization algorithm for latent data
    models*, Journal of the Royal Statistical Society B 71, 2009.
    """

    step_size: AbstractSchedule
    refit: bool = static()
    estimate_every: int | None = static(default=None)
    running: bool = static(default=False)
    reseed: bool = static(default=False)
    keeps_constraints: ClassVar[bool] = True
    places_samples: ClassVar[bool] = True

    def __init__(
        self,
        step: AbstractSchedule | ArrayLike = 1.0,
        refit: bool = True,
        estimate_every: int | None = None,
        running: bool = False,
        reseed: bool = False,
    ):
        self.step_size = as_schedule(step, "step")
        self.refit = refit
        if estimate_every is not None:
            positive_integer(estimate_every, "estimate_every")
        self.estimate_every = None if estimate_every is None else int(estimate_every)
        self.running = of_kind(running, bool, "running")
        self.reseed = of_kind(reseed, bool, "reseed")
        positive(value_at(self.step_size, 0.0), "step")

    @property
    def moves_buffers(self) -> bool:
        """If bandwidths are to be estimated."""
        return self.estimate_every is not None

    @property
    def in_batches(self) -> "AlternatingOptimization | None":
        """With running sums, where empty prototypes are to be told from ones that won nothing of
        one batch: a tenth of them is new with every batch."""
        if not self.reseed or self.running:
            return None
        return AlternatingOptimization(0.1, self.refit, self.estimate_every, True, True)

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        remedy = "train it with `GradientDescent`"
        if objective.regularisers:
            raise ValueError(f"`regularisers` have no closed form: {remedy}.")
        if not isinstance(model, PrototypeModel):
            raise ValueError(f"{type(model).__name__} has no closed form: {remedy}.")
        if not isinstance(model.metric, AbstractCentroidal):
            raise ValueError(
                f"{type(model.metric).__name__} has no closed form for the points: {remedy}."
            )
        if model.encode_prototypes:
            raise ValueError(
                f"prototypes that go through the encoder have no closed form: {remedy}."
            )
        if any(jax.tree.leaves(mask.encoder)):
            raise ValueError(
                f"an encoder has no closed form: freeze it (`freeze='encoder'`), or {remedy}."
            )
        estimates = any(part.needs_cost for part in _closed_in((model.metric, model.loss)))
        if self.moves_buffers and not estimates:
            raise ValueError(
                f"`estimate_every`: {type(model.loss).__name__} has no bandwidths that could be "
                f"estimated: leave it out."
            )
        if self.running and not mask.prototypes.points:
            raise ValueError("`running`: prototypes that do not learn have no running sums.")
        if self.reseed and batch_size is not None and not self.running:
            raise ValueError(
                "`reseed` on batches needs `running=True`: one batch cannot tell which prototypes "
                "no sample has any weight for."
            )
        for name in ("metric", "loss"):
            for part, learns in zip(
                _parts(getattr(model, name)), _parts(getattr(mask, name)), strict=True
            ):
                if not any(jax.tree.leaves(learns)):
                    continue
                if not isinstance(part, AbstractClosedForm):
                    raise ValueError(
                        f"the parameters of the {name} {type(getattr(model, name)).__name__} have "
                        f"no closed form: freeze them (`freeze={name!r}`), or {remedy}."
                    )
                if (
                    part.second_moments != "none"
                    and not model.prototypes.space.displacement_is_difference
                ):
                    raise ValueError(
                        f"covariances have a closed form in flat spaces only: {remedy}."
                    )

    def init(self, params: PyTree, objective: Objective) -> Memory | None:
        if not (self.moves_buffers or self.running):
            return None
        points = params.prototypes.points
        return Memory(
            jnp.asarray(0, jnp.int32) if self.moves_buffers else None,
            jnp.zeros(len(points), accumulated(points).dtype) if self.running else None,
        )

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
        moments, value = _expectation(model, judge, batch, objective, progress, self.moves_buffers)
        size, units, mass = self.step_size(progress), judge.units, None
        if self.running:
            step, mass = Step.of_running_sums(state.mass, moments.weight, size)
        else:
            step = Step(jnp.full_like(moments.weight, size), size)
        moved = step.each[:, None] * moments.mean()
        if params.prototypes.points is None:
            moved = jnp.zeros_like(moved)
        points = units.back(units.prototypes.space.exp(units.prototypes.points, moved))
        new = eqx.tree_at(lambda m: m.prototypes.points, model, points)

        def refit(part: Any, scaled: Any, back: Callable[[Any], Any]) -> Any:
            if not (self.moves_buffers if part.needs_cost else self.refit):
                return part
            new = back(scaled.refit(moments, moved, step))
            if not part.needs_cost:
                return new
            return choose(state.updates % self.estimate_every == 0, new, part)

        def refitted(parts: PyTree, scaled: PyTree, back: Callable[[Any], Any]) -> PyTree:
            new = [
                refit(p, s, back)
                for p, s in zip(_closed_in(parts), _closed_in(scaled), strict=True)
            ]
            return jax.tree.map(lambda p: new.pop(0) if _closed(p) else p, parts, is_leaf=_closed)

        metric = refitted(model.metric, units.metric, units.part_back)
        loss = refitted(model.loss, judge.decision, lambda part: _of_factor(part, units.factor))
        new = eqx.tree_at(lambda m: (m.metric, m.loss), new, (metric, loss))
        if self.reseed and params.prototypes.points is not None:
            new = _reseeded(new, moments.weight if mass is None else mass)
        mask = jax.tree.map(
            lambda leaf: leaf is not None, params, is_leaf=lambda leaf: leaf is None
        )
        if state is not None:
            state = Memory(None if state.updates is None else state.updates + 1, mass)
        return eqx.filter(new, mask), state, value

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return params


def _reseeded(model: PrototypeModel, weight: PerPrototype) -> PrototypeModel:
    """Prototypes without any weight beside the heaviest of their class."""
    prototypes, space = model.prototypes, model.prototypes.space
    mine = np.ones((len(weight), len(weight)), bool)
    if prototypes.labelled:
        mine = np.equal.outer(prototypes.labels, prototypes.labels)
    heaviest = jnp.argmax(jnp.where(mine, weight[None], -1), axis=1)
    empty = (weight <= jnp.finfo(weight.dtype).eps * jnp.sum(weight)) & (weight[heaviest] > weight)
    origin: Any = jnp.where(empty, heaviest, jnp.arange(len(weight)))
    classes, before = np.arange(model.classes), (len(weight), model.classes)
    taken_over = Selection(origin, classes, prototypes.counts, before)

    def reseeded() -> PrototypeModel:
        new = taken_over.of(model)
        apart = jax.vmap(lambda w, v: space.coordinates(w[None], v[None])[0, 0])
        back = apart(new.prototypes.points, prototypes.points)
        points = space.exp(new.prototypes.points, jnp.where(empty[:, None], 0.01 * back, 0))
        return eqx.tree_at(lambda m: m.prototypes.points, new, points)

    return choose(jnp.any(empty), reseeded(), model)


def _closed(part: Any) -> bool:
    return isinstance(part, AbstractClosedForm)


def _of_factor(part: Any, factor: Any) -> Any:
    """A part of the loss in the units of the data again, if it has units."""
    known: Any = part if isinstance(part, AbstractHomogeneous) else None
    return part if known is None or isinstance(factor, float) else known.in_units(1 / factor)


def _closed_in(tree: PyTree) -> list[Any]:
    return list(filter(_closed, _parts(tree)))


def _parts(tree: PyTree) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=_closed)


def _expectation(
    model: PrototypeModel,
    judge: Judge,
    batch: Batch,
    objective: Objective,
    progress: Float[ArrayLike, ""],
    costs: bool,
) -> tuple[Moments, Scalar]:
    """One pass over the samples: the moments of their displacements under W, in the units of the
    judge (with what each prototype costs, if asked), and the objective."""
    loss, (metric, prototypes, _, factor) = judge.decision, judge.units
    lowered = objective.evaluable(model)
    rounded = prototypes.moved(prototypes.points.astype(lowered.prototypes.points.dtype))
    assert isinstance(metric, AbstractCentroidal) and isinstance(loss, AbstractLoss)
    orders = [part.second_moments for part in _closed_in((metric, loss))]
    order = "full" if "full" in orders else "diagonal" if "diagonal" in orders else "none"

    def chunk(x: Array, y: Array | None, weight: Array) -> tuple[Moments, Scalar]:
        points = judge.units.of(x if batch.already_encoded else lowered.encode(x))
        squared = accumulated(metric.squared(points, rounded))
        delta, by_squared = jax.vjp(lambda s: metric.radial(s, prototypes), squared)
        value, v = jax.value_and_grad(
            lambda d: loss.total(d, prototypes.labels, y, weight, progress)
        )(delta)
        seen = places(metric, accumulated(points), weight)
        moments = Moments.of(prototypes, seen, by_squared(v)[0], order)
        if costs:
            moments = replaced(moments, share=jnp.sum(v, axis=0), cost=jnp.sum(v * delta, axis=0))
        return moments, value

    rows = chunk_rows(model, batch)
    if model.additive:
        n, features = len(batch.x) // batch.shards, batch.x.size // len(batch.x)
        rows = min(rows, rows_per_chunk(n, max(len(prototypes), features), BLOCK))
    moments, value = sum_chunks(chunk, (batch.x, batch.y), batch.weight, rows, batch.shards)
    return moments, value if isinstance(factor, float) else value * factor ** (degree(loss) or 0)
