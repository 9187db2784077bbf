"""A graph of prototypes that grows where the error is."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._argmin import nearest_row
from .._checks import on_device, positive_integer
from .._module import declarations, hyper, static
from .._products import accumulated
from .._schedules import AbstractSchedule, as_scalar, as_schedule, positive, value_at, within
from .._types import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, PyTree, Scalar
from ..cooperation import GraphCooperation
from ..losses import Cooperative
from ..metrics import AbstractQuadratic
from ..models import AbstractTrainable, PrototypeModel
from ..models.internal import Judge
from ..prototypes import Prototypes
from ._objective import Batch, Objective
from ._rule import AbstractRule


class GrowingGraph(AbstractRule):
    """One sample after the other moves the nearest prototype and its neighbours in a graph, joins
    the two nearest, and lets old edges die; at regular intervals, a prototype is added where most
    error has gathered: growing neural gas.

    **Arguments:**

    - `step`: how far the winner moves towards a sample, between 0 and 1, a number or a schedule of
      training progress; its neighbours move as much less as the share of the `GraphCooperation`
      says.
    - `interval`: after how many samples a prototype is added, if there is room: the graph's
      capacity is the number of the model's prototypes, most of which are not alive at first.
    - `max_age`: edges that the nearest prototype has had for more samples than this, without being
      renewed, are removed, and with its last edge a prototype.
    - `split`: by which factor the errors of the two prototypes between which one is added are
      reduced.
    - `decay`: by which factor all errors fade with every sample.

    For each sample x, in a random order: (1) the nearest prototype q₁ and the second, q₂, are
    found; (2) the edges of q₁ become older by one; (3) δ of q₁ is added to its error; (4) q₁ and
    its neighbours move towards x; (5) the edge of q₁ and q₂ is new, whether there was one or not;
    (6) what is too old is removed; (7) every `interval` samples, a prototype is added halfway
    between the one with the largest error and that of its neighbours with the largest; (8) errors
    fade. All of it is one compiled program. The living come first among the prototypes, in any
    order; the others wait at the first one's point. `topology.compacted(model)` leaves them out.

    A kernel's derivative is in the step, as far as it falls with the distance; in a curved space,
    steps are along geodesics. A weight is how often a sample is seen, but for the number of its
    ages and intervals.

    **Raises:** `ValueError` for numbers out of range.

    Source: B. Fritzke, *A growing neural gas network learns topologies*, NIPS 7, 1995.
    """

    step_size: AbstractSchedule
    interval: int = static()
    max_age: int = static()
    split: Scalar = hyper()
    decay: Scalar = hyper()
    keeps_constraints: ClassVar[bool] = True
    moves_buffers: ClassVar[bool] = True

    def __init__(
        self,
        step: AbstractSchedule | ArrayLike = 0.2,
        interval: int = 100,
        max_age: int = 50,
        split: Float[ArrayLike, ""] = 0.5,
        decay: Float[ArrayLike, ""] = 0.995,
    ):
        self.step_size = as_schedule(step, "step")
        positive(value_at(self.step_size, 0.0), "step")
        positive_integer(interval, "interval")
        positive_integer(max_age, "max_age")
        self.interval, self.max_age = int(interval), int(max_age)
        self.split, self.decay = as_scalar(split, "split"), as_scalar(decay, "decay")

    def __check_init__(self):
        for name in ("split", "decay"):
            within(getattr(self, name), name, "(0, 1]")

    def check(
        self, model: AbstractTrainable, mask: PyTree, objective: Objective, batch_size: int | None
    ) -> None:
        if not isinstance(model, PrototypeModel):
            raise ValueError(
                f"`GrowingGraph` moves prototypes, and {type(model).__name__} has none."
            )
        loss = model.loss
        if not (isinstance(loss, Cooperative) and isinstance(loss.cooperation, GraphCooperation)):
            raise ValueError(
                "`GrowingGraph` needs the loss `Cooperative(GraphCooperation(…))`, got "
                f"{type(loss).__name__}: build the model by `pz.zoo.GrowingNeuralGas`."
            )
        if not isinstance(model.metric, AbstractQuadratic):
            raise ValueError(
                f"`GrowingGraph` needs a quadratic metric, got {type(model.metric).__name__}."
            )
        if model.encode_prototypes:
            raise ValueError("`GrowingGraph` cannot move prototypes that go through the encoder.")
        if objective.regularisers:
            raise ValueError(
                "`regularisers` mean nothing to `GrowingGraph`, which follows no gradient."
            )
        for name in ("metric", "encoder"):
            if any(jax.tree.leaves(getattr(mask, name))):
                raise ValueError(
                    f"`GrowingGraph` moves points alone: freeze the {name} (`freeze={name!r}`)."
                )
        declared = zip(
            jax.tree.leaves(model.metric), jax.tree.leaves(declarations(model.metric)), strict=True
        )
        if any(one.axes and jnp.ndim(leaf) for leaf, one in declared):
            raise ValueError(
                f"`metric`: {type(model.metric).__name__} has parameters of each prototype, which "
                "those that are added would not have: let all share them."
            )
        if not mask.prototypes.points:
            raise ValueError("`freeze` holds the points, and `GrowingGraph` moves them.")

    def init(self, params: PyTree, objective: Objective) -> Int[Array, ""]:
        return on_device(0, jnp.int32)  # samples since a prototype was added

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
        value = objective(model, batch, progress)
        judge = Judge.of(model.prototypes, model.metric, model.loss)
        units, loss = judge.units, model.loss
        assert isinstance(loss, Cooperative) and isinstance(loss.cooperation, GraphCooperation)
        graph: GraphCooperation = loss.cooperation
        encoded = batch.x if batch.already_encoded else objective.evaluable(model).encode(batch.x)
        x, order = units.of(accumulated(encoded)), jax.random.permutation(key, len(batch.x))
        # How often each sample is seen: once, if all weigh the same; padding never.
        times = batch.weight * jnp.sum(batch.weight > 0, dtype=batch.weight.dtype)
        space, share = units.prototypes, graph.share
        assert isinstance(units.metric, AbstractQuadratic)
        metric, step = units.metric, self.step_size(progress)

        def see(nodes: _Nodes, i: Int[Array, ""]) -> tuple[_Nodes, None]:
            seen = self._seen(metric, space, nodes, x[i], times[i], step, share)
            return jax.lax.cond(times[i] > 0, lambda: seen, lambda: nodes), None

        start = _Nodes(space.points, graph.alive, graph.ages, graph.errors / units.factor, state)
        nodes, _ = jax.lax.scan(see, start, order)
        nodes = nodes.sorted()
        moved = eqx.tree_at(
            lambda m: (m.prototypes.points, m.loss.cooperation),
            model,
            (
                units.back(nodes.points),
                GraphCooperation(nodes.ages, nodes.alive, nodes.errors * units.factor, graph.share),
            ),
        )
        mask = jax.tree.map(
            lambda leaf: leaf is not None, params, is_leaf=lambda leaf: leaf is None
        )
        return eqx.filter(moved, mask), nodes.since, value

    def evaluated(self, params: PyTree, state: Any) -> PyTree:
        return params

    def _seen(
        self,
        metric: AbstractQuadratic,
        prototypes: Prototypes,
        nodes: "_Nodes",
        x: Float[Array, "..."],
        times: Scalar,
        step: Scalar,
        share: Scalar,
    ) -> "_Nodes":
        """The nodes after a sample."""
        here, space = prototypes.moved(nodes.points), prototypes.space
        v = space.coordinates(nodes.points, x[None])[0]
        squared = metric.norms(v, metric.linear_map(here))
        delta, pull = jax.jvp(
            lambda s: metric.radial(s[None], here)[0], (squared,), (jnp.ones_like(squared),)
        )
        # A kernel's derivative, beside the largest that it has: steps have no unit.
        steepest = jax.jvp(
            lambda s: metric.radial(s[None], here)[0], (0 * squared,), (jnp.ones_like(squared),)
        )[1]
        compared, number = jnp.where(nodes.alive, delta, jnp.inf), jnp.arange(len(delta))
        first = nearest_row(compared[:, None])[0]
        second = nearest_row(jnp.where(number == first, jnp.inf, compared)[:, None])[0]

        edges = nodes.ages[first]
        edges = jnp.where(edges >= 0, edges + 1, edges)
        errors = nodes.errors.at[first].add(times * delta[first])
        shares = jnp.where(number == first, 1, jnp.where(edges >= 0, share, 0)) * pull / steepest
        # So far as by as many steps.
        moved = 1 - (1 - jnp.clip(step * shares, 0, 1)) ** times
        points = space.exp(nodes.points, moved[:, None] * v)

        edges = edges.at[second].set(0)
        edges = jnp.where(edges > self.max_age, -1, edges)
        ages = nodes.ages.at[first].set(edges).at[:, first].set(edges)
        alive = nodes.alive & jnp.any(ages >= 0, axis=1)
        nodes = _Nodes(points, alive, ages, jnp.where(alive, errors, 0), nodes.since + 1)

        due = nodes.since >= self.interval
        nodes = jax.lax.cond(
            due & ~jnp.all(alive), lambda: nodes.grown(prototypes, self.split), lambda: nodes
        )
        return eqx.tree_at(
            lambda n: (n.errors, n.since),
            nodes,
            (nodes.errors * self.decay**times, jnp.where(due, 0, nodes.since)),
        )


class _Nodes(eqx.Module):
    """Prototypes as the nodes of a graph."""

    points: Float[Array, "p ..."]
    alive: Bool[Array, " p"]
    ages: Int[Array, "p p"]
    errors: Float[Array, " p"]
    since: Int[Array, ""]

    def grown(self, prototypes: Prototypes, split: Scalar) -> "_Nodes":
        """With a node between the one with the largest error and its worst neighbour."""
        worst = jnp.argmax(jnp.where(self.alive, self.errors, -1))
        other = jnp.argmax(jnp.where(self.ages[worst] >= 0, self.errors, -1))
        new = jnp.argmin(self.alive)
        space, ends = prototypes.space, self.points[jnp.stack([worst, other])]
        between = space.exp(ends[:1], 0.5 * space.coordinates(ends[:1], ends[1:])[0])[0]
        edges = jnp.full(len(self.alive), -1, self.ages.dtype).at[worst].set(0).at[other].set(0)
        ages = self.ages.at[worst, other].set(-1).at[other, worst].set(-1)
        errors = self.errors.at[worst].multiply(split).at[other].multiply(split)
        return _Nodes(
            self.points.at[new].set(between),
            self.alive.at[new].set(True),
            ages.at[new].set(edges).at[:, new].set(edges),
            errors.at[new].set(errors[worst]),
            self.since,
        )

    def sorted(self) -> "_Nodes":
        """The living first; the others at the first one's point, where they are nearest to
        nothing."""
        order = jnp.argsort(~self.alive, stable=True)
        alive, points = self.alive[order], self.points[order]
        there = alive.reshape(-1, *[1] * (points.ndim - 1))
        return _Nodes(
            jnp.where(there, points, points[:1]),
            alive,
            self.ages[order][:, order],
            self.errors[order],
            self.since,
        )
