"""The compiled loop: epochs over batches, whatever the rule and the options."""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from .._checks import on_device
from .._module import all_finite, choose, static
from .._types import Array, ArrayLike, Float, Int, PRNGKeyArray, PyTree, Scalar, Scores
from ..models.internal import map_chunks
from ._fit import Reason
from ._objective import Batch, Objective
from ._rule import AbstractRule, take_step
from ._shuffle import shuffled
from ._stopping import Stopping


#: The most epochs that run without hearing from the host: the length of the buffers for the losses.
CHUNK = 512

#: The most numbers that are fetched at once for the next batches.
FETCHED = 2**19


class Status(eqx.Enumeration):
    """Where a run stands; the message is the `Reason` for which it ended, should it end so."""

    running = Reason.MAX_EPOCHS.value
    converged = Reason.CONVERGED.value
    patience = Reason.PATIENCE.value
    diverged = Reason.DIVERGED.value
    stopped = Reason.CALLBACK.value


class Plan(eqx.Module):
    """What a compiled program is told besides data and state. Numbers are arrays: changing one
    compiles nothing."""

    rule: AbstractRule
    objective: Objective
    stopping: Stopping
    epochs: Int[Array, ""]
    samples: int = static()  # in the data, without padding
    batch_size: int | None = static()
    restore_best: bool = static()
    #: Where batches are spread over devices; parameters are everywhere.
    sharding: NamedSharding | None = static()
    #: Whether the objective is computed once more at the end of every epoch, as it will be at the
    #: end of training: what is compared from epoch to epoch must mean the same in all of them.
    final_loss: bool = static(default=False)
    #: What is told of the answers for validation samples, and changes nothing.
    metrics: Sequence[Any] = static(default=())  # pairs of a name and a function

    def recorded(self, validated: bool) -> list[str]:
        """The names of all that the history holds."""
        return [*self.losses(validated), *(f"validation_{name}" for name, _ in self.metrics)]

    def losses(self, validated: bool) -> list[str]:
        """The names of the losses of every epoch; the last one is monitored."""
        return [
            "loss",
            *(["validation_loss"] if validated else ["final_loss"] if self.final_loss else []),
        ]

    def score(
        self, params: PyTree, rest: PyTree, state: Any, samples: Batch, validated: bool
    ) -> Scalar:
        """What is monitored besides the loss that training itself had: of validation samples, the
        model's loss alone; of its own, the objective. Both as they are at the end of training, when
        nothing is annealed any more."""
        model = eqx.combine(self.rule.evaluated(params, state), rest)
        objective = Objective() if validated else self.objective
        return objective(model, samples.mean(None if validated else self.samples), jnp.ones(()))

    def answers(self, params: PyTree, rest: PyTree, state: Any, samples: Batch) -> Scores:
        """The scores of classes, as the model says them that the training so far leads to."""
        model, n = eqx.combine(self.rule.evaluated(params, state), rest), len(samples.x)
        told = {"already_encoded": True} if samples.already_encoded else {}
        # Samples that lie on several devices stay where they are.
        rows = n if samples.shards > 1 else model.chunk_rows(n, samples.x.size // n)
        return map_chunks(lambda x: model(x, **told), samples.x, rows)

    def measured(
        self, scores: Scores, y: Int[Array, " n"] | None, weight: Float[Array, " n"]
    ) -> dict[str, Scalar]:
        """The metrics of these answers, by their names in the history."""
        return {f"validation_{name}": metric(scores, y, weight) for name, metric in self.metrics}

    def step(
        self,
        params: PyTree,
        rest: PyTree,
        state: Any,
        batch: Batch,
        progress: Float[ArrayLike, ""],
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Any, Scalar]:
        """What the rule makes of a batch, in the types that came in: computed numbers may be wider,
        a loop's carry is not. Precision and curriculum are applied here, so that no rule can forget
        them.
        """
        batch = self.objective.weighted(
            eqx.combine(params, rest), self.objective.prepared(batch), progress
        )
        new_params, new_state, loss = take_step(
            self.rule, params, rest, state, batch, self.objective, progress, key=key
        )
        params, state = jax.tree.map(
            lambda new, old: jnp.asarray(new, old.dtype), (new_params, new_state), (params, state)
        )
        return params, state, loss

    def everywhere(self, tree: PyTree) -> PyTree:
        """Results on every device, whole."""
        return tree if self.sharding is None else eqx.filter_shard(tree, replicated(self.sharding))

    def progress(self, step: Int[Array, ""], batches: int) -> Scalar:
        """Of the training: 0 at the first update, 1 at the last."""
        last = jnp.maximum(self.epochs * batches - 1, 1)
        return jnp.minimum(
            step.astype(jnp.result_type(float)) / last.astype(jnp.result_type(float)), 1
        )


class LoopState(eqx.Module):
    """Everything that changes: a run continued from a copy of it is bit-identical to one that was
    never interrupted."""

    params: PyTree
    rule_state: Any
    key: Array  # the data of a random key
    epoch: Int[Array, ""]
    step: Int[Array, ""]  # updates so far
    status: Status
    previous: Scalar  # the last epoch's monitored value
    best: Scalar
    best_params: PyTree  # empty unless the best model is asked for
    waited: Int[Array, ""]  # epochs since the last improvement
    safe: PyTree  # the last parameters known to be finite, with a finite loss


def start(plan: Plan, params: PyTree, key: Array) -> LoopState:
    """The state before the first epoch."""
    # Numbers of a weak type become strong in the first epoch: another type, for which all would be
    # compiled again.
    rule_state = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, leaf.dtype), plan.rule.init(params, plan.objective)
    )
    zero, infinity = on_device(0, jnp.int32), on_device(np.inf, float)
    return LoopState(
        params=params,
        rule_state=rule_state,
        key=key,
        epoch=zero,
        step=zero,
        status=jax.tree.map(on_device, Status.running),
        previous=infinity,
        best=infinity,
        best_params=plan.rule.evaluated(params, rule_state) if plan.restore_best else None,
        waited=zero,
        safe=params,
    )


def reason(state: LoopState) -> Reason:
    """Why a run ended that is not to go on."""
    # Not by comparing: that would be one more program to compile.
    return Reason(Status[state.status])


def is_running(state: LoopState) -> bool:
    """Whether nothing but the number of epochs will end the run."""
    return reason(state) is Reason.MAX_EPOCHS


def returned(plan: Plan, state: LoopState) -> PyTree:
    """The parameters that training hands back: the best ones if they were asked for, else those to
    be used now."""
    # Before any finite loss there is no best model; the last finite one is the one that came in.
    best = plan.restore_best and math.isfinite(float(state.best))
    return state.best_params if best else plan.rule.evaluated(state.params, state.rule_state)


def epochs_per_call(ran: int, elapsed: float) -> int:
    """How many epochs take about a second, if `ran` of them took `elapsed` seconds; no sudden
    leaps."""
    return max(1, min(CHUNK, int(ran * min(8.0, 1.0 / max(elapsed, 1e-9)))))


def update_key(key: Array, epoch: Int[ArrayLike, ""], batch: Int[ArrayLike, ""]) -> PRNGKeyArray:
    """The random key of the rule's update on a batch of an epoch."""
    # There is no epoch of this number: what a rule draws is independent of the order of samples.
    own = jax.random.fold_in(jax.random.wrap_key_data(key), np.uint32(2**32 - 1))
    return jax.random.fold_in(jax.random.fold_in(own, epoch), batch)


def batches_of(plan: Plan, n: int) -> int:
    """The number of batches in an epoch."""
    return 1 if plan.batch_size is None else -(-n // plan.batch_size)


@eqx.filter_jit
def run_epochs(
    plan: Plan,
    state: LoopState,
    rest: PyTree,
    data: Batch,
    validation: Batch | None,
    limit: Int[ArrayLike, ""],
) -> tuple[LoopState, dict[str, Array]]:
    """Epochs until `limit`, or until a reason to stop; the losses of those that ran, in buffers of
    length `CHUNK`."""
    first = state.epoch
    names = plan.recorded(validation is not None)
    buffers = {name: jnp.zeros(CHUNK, jnp.result_type(float)) for name in names}

    def unfinished(carry: tuple[LoopState, dict]) -> Array:
        return (carry[0].epoch < limit) & (carry[0].status == Status.running)

    def body(carry: tuple[LoopState, dict]) -> tuple[LoopState, dict]:
        state, buffers = carry
        at = state.epoch - first
        state, values = _epoch(plan, state, rest, data, validation)
        return state, {name: buffers[name].at[at].set(values[name]) for name in names}

    return plan.everywhere(jax.lax.while_loop(unfinished, body, (state, buffers)))


def replicated(sharding: NamedSharding) -> NamedSharding:
    """On every device of the same mesh, whole."""
    return NamedSharding(sharding.mesh, PartitionSpec())


def _epoch(
    plan: Plan, state: LoopState, rest: PyTree, data: Batch, validation: Batch | None
) -> tuple[LoopState, dict[str, Scalar]]:
    params, rule_state, loss = _pass(plan, state, rest, data)
    validated, score, measured = validation is not None, None, {}
    if len(plan.losses(validated)) > 1:
        score = plan.score(
            params, rest, rule_state, data if validation is None else validation, validated
        )
    if plan.metrics and validation is not None:
        scores = plan.answers(params, rest, rule_state, validation)
        measured = plan.measured(scores, validation.y, validation.weight)
    batches = batches_of(plan, plan.samples)
    return close_epoch(plan, state, params, rule_state, loss, batches, score, validated, measured)


def close_epoch(
    plan: Plan,
    state: LoopState,
    params: PyTree,
    rule_state: Any,
    loss: Scalar,
    n_batches: int | Int[Array, ""],
    score: Scalar | None,
    validated: bool,
    measured: dict[str, Scalar],
) -> tuple[LoopState, dict[str, Scalar]]:
    """The state after an epoch that led to these parameters, its losses and what else was measured:
    has it improved, must it end?"""
    evaluated = plan.rule.evaluated
    step = state.step + n_batches
    known = [loss] if score is None else [loss, score]
    values = {
        n: v.astype(state.best.dtype) for n, v in zip(plan.losses(validated), known, strict=True)
    }
    monitored = values[plan.losses(validated)[-1]]
    # The parameters that the monitored value belongs to: those before the update if it is the loss
    # of one batch.
    scored, scored_rule = params, rule_state
    if score is None:
        scored, scored_rule = choose(
            jnp.asarray(n_batches) == 1, (state.params, state.rule_state), (params, rule_state)
        )

    sound = jnp.isfinite(loss) & jnp.isfinite(monitored) & all_finite(scored)
    healthy = sound & all_finite(params)
    better = sound & (monitored < state.best)
    # The difference of tiny losses may be too small for a number.
    enough = jnp.where(
        plan.stopping.min_delta > 0, state.best - monitored > plan.stopping.min_delta, better
    )
    improved = sound & enough
    waited = jnp.where(improved, 0, state.waited + 1)
    # Beside the loss itself, for the same reason. A tolerance of zero asks for no change beyond
    # rounding, which never quite ends; a negative one is never met.
    size = jnp.maximum(jnp.abs(monitored), jnp.finfo(monitored.dtype).tiny)
    rounding = jnp.where(plan.stopping.tolerance >= 0, 4 * jnp.finfo(monitored.dtype).eps, -1)
    change = jnp.abs(state.previous / size - monitored / size)
    converged = change <= jnp.maximum(plan.stopping.tolerance / size, rounding)
    status = Status.where(waited >= plan.stopping.patience, Status.patience, Status.running)
    status = Status.where(converged, Status.converged, status)
    status = Status.where(healthy, status, Status.diverged)
    safe = choose(sound, scored, state.safe)
    state = LoopState(
        params=choose(healthy, params, safe),
        rule_state=choose(healthy, rule_state, state.rule_state),
        key=state.key,
        epoch=state.epoch + 1,
        step=step,
        status=status,
        previous=monitored,
        best=jnp.where(better, monitored, state.best),
        best_params=choose(better, evaluated(scored, scored_rule), state.best_params)
        if plan.restore_best
        else None,
        waited=waited.astype(state.waited.dtype),
        safe=safe,
    )
    return state, values | {n: jnp.asarray(m, state.best.dtype) for n, m in measured.items()}


def _pass(plan: Plan, state: LoopState, rest: PyTree, data: Batch) -> tuple[PyTree, Any, Scalar]:
    """All samples once, in one batch or in many: new parameters, the rule's new state, the mean
    loss."""
    n = plan.samples
    if plan.batch_size is None:
        progress = plan.progress(state.step, 1)
        return plan.step(
            state.params,
            rest,
            state.rule_state,
            data.mean(n),
            progress,
            update_key(state.key, state.epoch, 0),
        )
    size, count = plan.batch_size, batches_of(plan, n)
    together = max(1, min(count, FETCHED // (size * data.x.size // len(data.x))))
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.epoch)

    def some_batches(i: Int[Array, ""], carry: tuple) -> tuple:
        first = i * together
        fetched = _fetch(plan, data, key, (first + jnp.arange(together)) * size, size)
        rows = len(fetched.weight) // together

        def one_batch(k: Int[Array, ""], carry: tuple) -> tuple:
            params, rule_state, losses = carry
            batch = jax.tree.map(
                lambda a: jax.lax.dynamic_slice_in_dim(a, (k - first) * rows, rows), fetched
            )
            if plan.sharding is not None:
                batch = eqx.filter_shard(batch, plan.sharding)
            real = jnp.minimum(n - k * size, size)
            progress, own = (
                plan.progress(state.step + k, count),
                update_key(state.key, state.epoch, k),
            )
            params, rule_state, loss = plan.step(
                params, rest, rule_state, batch.mean(real), progress, own
            )
            return params, rule_state, losses.at[k].set(loss * real / n)

        return jax.lax.fori_loop(first, jnp.minimum(first + together, count), one_batch, carry)

    before = state.params, state.rule_state, jnp.zeros(count, state.best.dtype)
    params, rule_state, losses = jax.lax.fori_loop(0, -(-count // together), some_batches, before)
    return params, rule_state, jnp.sum(losses)


def _fetch(
    plan: Plan, data: Batch, key: PRNGKeyArray, starts: Int[Array, " b"], size: int
) -> Batch:
    """The batches that begin at these places of an epoch's random order, one after the other.

    A processor waits for each read from a random place, and here waits for many of them at the same
    time.
    """
    n = plan.samples
    positions = starts[:, None] + jnp.arange(size)[None]
    if plan.sharding is not None:
        positions = jnp.pad(
            positions, ((0, 0), (0, -size % plan.sharding.mesh.size)), constant_values=n
        )
    positions = positions.reshape(-1)
    index = shuffled(key, jnp.minimum(positions, n - 1), n)
    # Padding has weight zero: the last batch is an average over its real samples, and none is
    # counted twice.
    weight = jnp.where(positions < n, data.weight[index], 0)
    return Batch(
        data.x[index],
        None if data.y is None else data.y[index],
        weight,
        data.already_encoded,
        data.shards,
    )
