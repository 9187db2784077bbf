"""The trainer: what the user says, checked; the compiled loop, driven; what came of it,
returned."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY
from typing import Any, Generic

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from .._checks import (
    as_key,
    at_once,
    of_values,
    on_device,
    positive_integer,
    refuse_nonfinite,
    refuse_traced,
    truth,
)
from .._module import all_finite, choose, converted, part, replaced, static
from .._types import Array, ArrayLike, Float, Int, PRNGKeyArray, PyTree, Scalar
from ..evaluation import Metric
from ..models import AbstractTrainable, PrototypeModel, Selection
from ..models.internal import NOTHING, Outside, Trainable, inside, rows_per_piece
from ..persistence.internal import migration
from ._alternating import Memory
from ._callbacks import AbstractCallback, Calls, Progress, View
from ._checkpoints import Checkpoints, Store
from ._data import (
    ClassWeight,
    Intake,
    as_batch,
    as_validation,
    scaled,
    training_batch,
)
from ._fit import Fit, Reason
from ._freeze import Freeze, trainable_mask
from ._loop import (
    LoopState,
    Plan,
    Status,
    epochs_per_call,
    is_running,
    reason,
    replicated,
    returned,
    run_epochs,
    start,
    update_key,
)
from ._metrics import check_metrics
from ._note import note
from ._objective import AbstractCurriculum, AbstractRegulariser, Batch, Objective
from ._recorders import shared_place
from ._rule import AbstractRule
from ._settings import (
    as_count,
    as_curriculum,
    as_devices,
    as_freeze,
    as_metrics,
    as_precision,
    as_rule,
    as_tuple_of,
)
from ._sharding import agreed, as_sharding, gathered, placed, speaks, spread
from ._stopping import Stopping
from ._stream import InMemory, OnDisk, Stream, class_factors, is_stream, stream_epochs


#: What may be monitored: samples with their classes and weights, or a stream of them.
Validation = Sequence[Any] | ArrayLike | Stream | None


class TrainState(eqx.Module, Generic[Trainable]):
    """A model in training, for loops of your own: `Trainer.init` makes one, `Trainer.step` moves
    it."""

    plan: Plan
    loop: LoopState
    rest: Trainable
    #: The scale and the card of the model, which no update knows.
    outside: Outside = NOTHING

    def __repr__(self) -> str:
        model = eqx.combine(self.loop.params, self.rest)
        return (
            f"TrainState(model={model.outline()}, rule={self.plan.rule!r}, step={self.loop.step})"
        )

    @property
    def model(self) -> Trainable:
        """The model as it is now."""
        model = eqx.combine(
            self.plan.rule.evaluated(self.loop.params, self.loop.rule_state), self.rest
        )
        return self.outside.around(model if self.plan.sharding is None else gathered(model))

    def select(self, keep: ArrayLike | Sequence[int] | Sequence[bool]) -> "TrainState[Trainable]":
        """Training of some of the prototypes goes on (`PrototypeModel.select`): what the rule
        remembers of them stays.

        **Raises:** `ValueError` if the model has no prototypes, or the rule remembers them in a
        form that has no axis of prototypes (`optax.lbfgs`).
        """
        return self._taken(self._prototyped("select").selection(keep))

    def grow(
        self,
        points: Float[ArrayLike, "q ..."],
        labels: Int[ArrayLike, " q"] | Sequence[int] | None = None,
    ) -> "TrainState[Trainable]":
        """Training goes on with more prototypes (`PrototypeModel.grow`).

        What the rule remembers of a new one is what it remembers of the nearest one; averages begin
        there, too.

        **Raises:** as `select` does.
        """
        selection, added = self._prototyped("grow").extension(points, labels)
        grown = self._taken(selection)
        params, rest = (selection.moved(tree, added) for tree in (grown.loop.params, grown.rest))
        return replaced(grown, loop=replaced(grown.loop, params=params), rest=rest)

    def relabelled(self, order: Int[ArrayLike, " c"] | Sequence[int]) -> "TrainState[Trainable]":
        """Training goes on with the classes in another order (`PrototypeModel.relabelled`).

        **Raises:** as `select` does.
        """
        return self._taken(self._prototyped("relabelled").reordering(order))

    def _prototyped(self, asked: str) -> PrototypeModel:
        if not isinstance(self.rest, PrototypeModel):
            raise ValueError(f"`{asked}`: {type(self.rest).__name__} has no prototypes.")
        return self.outside.around(eqx.combine(self.loop.params, self.rest))

    def _taken(self, selection: Selection) -> "TrainState[Trainable]":
        """The same change of the model, of its parameters, and of all that the rule remembers in
        their structure."""

        def declares(node: Any) -> bool:
            return isinstance(node, PrototypeModel | Memory)

        changing = (self.loop, self.rest)
        loop, rest = jax.tree.map(
            lambda n: selection.of(n) if declares(n) else n, changing, is_leaf=declares
        )
        return TrainState(self.plan, loop, rest, self.outside.selected(selection))


class Trainer(eqx.Module):
    """One trainer for every model.

    **Arguments:**

    - `rule`: how parameters follow from a batch: `GradientDescent(optax…)`,
      `AlternatingOptimization()`.
    - `epochs`: how often all samples are seen, at most.
    - `batch_size`: samples in a mini-batch; all of them by default. The last batch of an epoch may
      be smaller; every sample is seen exactly once, in a new random order in every epoch.
    - `freeze`: which parts do not learn: dotted names (`"metric"`, `"prototypes.points"`) or a
      function (`lambda m: m.encoder`). They get no gradient, no optimiser state and no weight
      decay, and come out bit-identical.
    - `stopping`: when to end early; never by default.
    - `restore_best`: return the whole model of the epoch with the best monitored loss instead of
      the last one.
    - `regularisers`: terms added to the loss (`Diversity`, `OmegaLogDet`, `WeightDecay` …), in the
      history too; a validation loss is without them.
    - `curriculum`: which samples count when (`SelfPaced`).
    - `precision`: `"bfloat16"` or `"float16"`: samples, encoder, prototypes and linear maps are
      computed in it, products are summed in float32, parameters and losses are kept in float32. The
      loss of float16 is scaled, dynamically.
    - `rematerialise`: recompute the encoder in the backward pass instead of remembering it: less
      memory, same results.
    - `sharding`: spread batches over devices: a `jax.sharding.Mesh` (by its first axis), or a
      `NamedSharding` of one axis. Parameters are on all devices; any number of samples will do.
    - `checkpoints`: where and how often the training state is written.
    - `callbacks`: what to do between epochs, at multiples of each one's `every` or about once a
      second; they can stop training, and change nothing else. Of processes that train together, the
      first one calls them.
    - `progress`: show a progress bar.
    - `metrics`: what to tell of the answers for `validation` in every epoch, in the history as
      `"validation_accuracy"`: names (`"accuracy"`, `"balanced_accuracy"`, `"log_loss"`,
      `"brier_score"`, `"calibration_error"`), functions of the scores of classes `(n, c)`, classes
      `(n,)` and weights `(n,)` to one number, which JAX can trace, or pairs of a name and such a
      function. They change nothing; the validation loss is monitored.

    Learning rates, epochs, tolerances and the data are arguments of the compiled program; equal
    shapes compile once.

    **Raises:** `ValueError` for options out of range.
    """

    rule: AbstractRule = converted(as_rule)
    epochs: int = converted(as_count, static=True)
    _: KW_ONLY
    batch_size: int | None = converted(as_count, static=True, default=None)
    freeze: Freeze = converted(as_freeze, static=True, default=None)
    stopping: Stopping | None = part(default=None)
    restore_best: bool = static(default=False)
    regularisers: Sequence[AbstractRegulariser] = converted(
        as_tuple_of(AbstractRegulariser), default=()
    )
    curriculum: AbstractCurriculum | None = converted(as_curriculum, default=None)
    precision: str | None = converted(as_precision, static=True, default=None)
    rematerialise: bool = static(default=False)
    sharding: Mesh | NamedSharding | None = converted(as_devices, static=True, default=None)
    checkpoints: Checkpoints | None = static(default=None)
    callbacks: Sequence[AbstractCallback] = converted(
        as_tuple_of(AbstractCallback), static=True, default=()
    )
    progress: bool = static(default=False)
    metrics: Sequence[str | Metric | tuple[str, Metric]] = converted(
        as_metrics, static=True, default=()
    )

    def __check_init__(self):
        for callback in self.callbacks:
            if callback.every is not None:
                positive_integer(callback.every, "every")
        if shared := shared_place(self.callbacks):
            raise ValueError(f"`callbacks`: two of them write to {shared[0]!r}: leave one out.")

    def __repr__(self) -> str:
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        rule = settings.pop("rule")
        said = [
            f"{name}={eqx.tree_pformat(value, width=10**6)}"
            for name, value in settings.items()
            if value is not None and value is not False and value != ()
        ]
        return f"Trainer({', '.join([repr(rule), *said])})"

    @property
    def for_one_model(self) -> tuple[str, ...]:
        """Which settings it has that belong to the training of a single model."""
        names = ("callbacks", "progress", "checkpoints", "sharding")
        return tuple(name for name in names if getattr(self, name))

    @property
    def objective(self) -> Objective:
        """What training lowers, and how it is computed."""
        return Objective(
            tuple(self.regularisers), self.curriculum, self.precision, self.rematerialise
        )

    @of_values
    def fit(
        self,
        model: Trainable,
        x: ArrayLike | Stream,
        y: ArrayLike | None = None,
        *,
        key: PRNGKeyArray | int,
        validation: Validation = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight = None,
        resume: bool = False,
    ) -> Fit[Trainable]:
        """Train `model`; it is left untouched, and a new one is returned.

        **Arguments:**

        - `x`: samples, `(n, *sample_shape)` (of a memory map of more than 64 MB, mini-batches
          without weights are read when they are needed, in the order that they would have in
          memory); or a stream of batches, for data larger than memory:
          an iterable that can be iterated again in every epoch, or a function from the epoch to one
          (`Slices` of a memory map; a resumed run then sees what it would have seen). A batch is
          `(x, y)`, `(x, y, weight)`, or x alone without labels. The trainer's `batch_size` is then
          None.
        - `y`: their classes 0…c-1, for losses that learn from labels.
        - `key`: a random key, or an integer seed: the order of mini-batches.
        - `validation`: `(x, y)`, `(x, y, weight)`, or x alone without labels; or a stream of such
          batches. Its loss is monitored in place of the training loss: that of the model alone, as
          it is at the end of training.
        - `sample_weight`: how much each sample counts, `(n,)`, finite and not negative. An integer
          weight equals that many copies of the sample; a sample of weight zero is left out.
        - `class_weight`: a mapping from class to weight (a pandas series is one, by its index), an
          array `(c,)`, or `"balanced"`: n/(c·n_k), where a sample counts as often as its weight
          says. Multiplies `sample_weight`.
        - `resume`: continue from the latest of `checkpoints`, or begin where there is none: the
          same program, started again after it was killed at whatever moment, gets to the same end.
          Everything must be what it was (the model that training starts from, the rule and its
          numbers, data and key), but `epochs`, which may be more, the checkpoints' interval,
          callbacks and sharding. A run that is prolonged is not what it would have been, had it
          been as long from the start: schedules of progress came to their end in its first part,
          and go on from where its last epoch is in the whole.

        **Raises:** `ValueError` for data, options or checkpoints that do not fit, naming the
        argument and the remedy.
        """
        key_data, streamed, resume = _key_data(key), is_stream(x), truth(resume, "resume")
        outer, outside, model = model, Outside.of(model), inside(model)
        mask, intake = self.mask(model, streamed), Intake.of(outer)
        params, rest = eqx.partition(model, mask)
        held_out: Any = (
            validation if is_stream(validation) else as_validation(outer, mask, validation)
        )
        given: Any = x
        if streamed:
            self._check_stream(given, y=y, sample_weight=sample_weight, batch_size=self.batch_size)
            data, plan = None, self.plan(model, 1, held_out is not None, streamed)
        elif self._from_disk(model, given, (sample_weight, class_weight), held_out is not None):
            _, labels = intake.numbers(given, y)
            intake.refuse_one_class(labels)
            gaps = isinstance(outer, PrototypeModel) and outer.takes_gaps
            refuse_nonfinite(given, gaps=gaps)
            assert self.batch_size is not None
            given, data = OnDisk(given, labels, self.batch_size, key_data), None
            plan = self.plan(model, 1, held_out is not None, streamed=True)
        else:
            data = scaled(outer, as_batch(outer, given, y, sample_weight, class_weight))
            intake.refuse_one_class(None if data.y is None else np.asarray(data.y))
            model.check_training(data.x)
            if is_stream(held_out):
                # One of the two is known batch by batch only; so both are gone through on the host.
                size = len(data.x) if self.batch_size is None else self.batch_size
                given, data = InMemory(data, size, np.asarray(key_data).ravel().tolist()), None
                plan = self.plan(model, 1, validated=True, streamed=True)
            else:
                data = training_batch(model, mask, data, self.rule, self.objective)
                plan = self.plan(model, len(data.x), held_out is not None)
        state = start(plan, params, key_data)
        names = plan.recorded(held_out is not None)
        history = {name: np.zeros(0) for name in names}

        store, stopped = None, False
        if self.checkpoints is not None:
            source = given if data is None else data
            weights = None
            if streamed and class_weight is not None:
                weights = class_factors(outer, class_weight).tolist()
            run = note(model, plan, source, held_out, weights, mask, key_data, outside.scale)
            store = Store(self.checkpoints, run, resume, plan.sharding)
        elif resume:
            raise ValueError("`resume` continues from `checkpoints`, and this trainer has none.")
        try:
            if store is not None:
                state, found = store.restore(state) or (state, history)
                stopped = reason(state) is Reason.CALLBACK
                if stopped:
                    state = replaced(state, status=jax.tree.map(on_device, Status.running))
                # Metrics may be others than they were: nothing else depends on them.
                missing = np.full(int(state.epoch), np.nan)
                history = {name: found.get(name, missing) for name in names}
                if int(state.epoch) > self.epochs:
                    raise ValueError(
                        f"`epochs` is {self.epochs}, and the checkpoint is that of epoch "
                        f"{int(state.epoch)}: a run that is resumed may be longer than it was "
                        "meant to be, and not shorter than it is."
                    )
            if plan.sharding is not None:
                data = None if data is None else spread(data, plan.sharding)
                held_out = (
                    spread(held_out, plan.sharding) if isinstance(held_out, Batch) else held_out
                )
                everywhere = replicated(plan.sharding)
                plan, state, rest = (placed(tree, everywhere) for tree in (plan, state, rest))

            def advance(state: LoopState, limit: int) -> tuple[LoopState, dict[str, Any]]:
                if data is None:
                    return stream_epochs(
                        plan,
                        state,
                        rest,
                        given,
                        held_out,
                        limit,
                        class_weight if streamed else None,
                        outside,
                    )
                return run_epochs(plan, state, rest, data, held_out, on_device(limit, np.int32))

            fit, _ = drive(self, plan, state, rest, outside, advance, history, store, stopped)
            return fit
        finally:
            if store is not None:
                store.close()

    def init(self, model: Trainable, key: PRNGKeyArray | None = None) -> TrainState[Trainable]:
        """The state of a training loop of your own; `step` moves it."""
        outside, model = Outside.of(model), inside(model)
        params, rest = eqx.partition(model, self.mask(model))
        plan = dataclasses.replace(
            dataclasses.replace(self, metrics=()).plan(model, 1, validated=False),
            restore_best=False,
            final_loss=False,
        )
        loop = start(plan, params, _key_data(0 if key is None else key))
        state = TrainState(plan, loop, rest, outside)
        return state if plan.sharding is None else placed(state, replicated(plan.sharding))

    def step(
        self,
        state: TrainState[Trainable],
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> tuple[TrainState[Trainable], Scalar]:
        """One update on one batch, in which samples may have weights: the new state, and the loss
        before it. Progress counts steps up to `epochs`.

        An update that would leave a loss or a parameter that is not finite is not made: the loss
        is NaN, and the model what it was.
        """
        if not isinstance(state, TrainState):
            raise TypeError(
                "`state` must be a `TrainState`, which `trainer.init(model)` makes and every step "
                f"returns, got {type(state).__name__}."
            )
        # One leaf is asked for all of them: a step is short beside walking through a state.
        refuse_traced(state.loop.step, "state")
        model, sharding = state.model, state.plan.sharding
        with at_once():
            batch = scaled(model, as_batch(model, x, y, sample_weight))
            batch = batch if sharding is None else spread(batch, sharding)
            moved, loss = _step(replaced(state, outside=NOTHING), batch)
        return replaced(state, loop=replaced(state.loop, **moved)), loss

    def mask(self, model: AbstractTrainable, streamed: bool = False) -> AbstractTrainable:
        """Which leaves learn, if the rule can train them (from a stream, which never shows all
        samples together)."""
        mask = trainable_mask(model, self.freeze, self.rule.moves_buffers)
        if not any(jax.tree.leaves(mask)):
            raise ValueError("`freeze` leaves no parameter to train.")
        self.objective.check(model, mask)
        self.rule.check(model, mask, self.objective, 1 if streamed else self.batch_size)
        return mask

    def plan(
        self, model: AbstractTrainable, samples: int, validated: bool, streamed: bool = False
    ) -> Plan:
        """What the compiled loop is told, for this many samples."""
        batch_size = (
            None if self.batch_size is None or self.batch_size >= samples else self.batch_size
        )
        epochs, stopping = (
            on_device(self.epochs, jnp.int32),
            Stopping() if self.stopping is None else self.stopping,
        )
        # Epochs are compared with each other, and what they lower changes its meaning from one to
        # the next.
        final_loss = (
            not validated
            and (self.restore_best or stopping.compares)
            and self.objective.changes(model)
        )
        if final_loss and streamed:
            raise ValueError(
                "`restore_best` and `stopping` compare the losses of epochs, which are annealed "
                "here, or weighted by a `curriculum`, and mean different things: pass "
                "`validation` to a stream."
            )
        metrics: Any = self.metrics  # which the converter has given names
        if metrics and not validated:
            raise ValueError("`metrics` are those of validation samples: pass `validation`.")
        check_metrics(metrics, model)
        return Plan(
            self.rule,
            self.objective,
            stopping,
            epochs,
            samples,
            batch_size,
            self.restore_best,
            as_sharding(self.sharding),
            final_loss,
            metrics,
        )

    def _from_disk(
        self, model: AbstractTrainable, x: Any, weights: tuple[Any, Any], validated: bool
    ) -> bool:
        """Whether samples stay on their disk, and are read batch by batch: those of a large memory
        map, unless something is asked about all of them together."""
        return (
            isinstance(x, np.memmap)
            and rows_per_piece(x) < len(x)
            and self.batch_size is not None
            and self.batch_size < len(x)
            and all(weight is None for weight in weights)
            and not self.plan(model, len(x), validated).final_loss
        )

    def _check_stream(self, source: Stream, **of_memory: Any) -> None:
        """Refuse what can be read once, and what belongs to samples in memory."""
        if isinstance(source, Iterator) and self.epochs > 1:
            raise ValueError(
                f"`x` is an iterator, which can be read once, and `epochs` is {self.epochs}: pass "
                "a function from the epoch to its batches, or train for one epoch."
            )
        for name, value in of_memory.items():
            if value is not None:
                raise ValueError(
                    f"`{name}` does not go with a stream, for which `x` is taken because it is "
                    f"{_what(source)}. Batches bring what they need: `(x, y, weight)`."
                )


def drive(
    trainer: Trainer,
    plan: Plan,
    state: LoopState,
    rest: Trainable,
    outside: Outside,
    advance: Callable[[LoopState, int], tuple[LoopState, dict[str, Any]]],
    history: dict[str, np.ndarray],
    store: Store | None = None,
    stopped: bool = False,
) -> tuple[Fit[Trainable], LoopState]:
    """Run chunks of epochs until something ends training; listen in between. Returns also the
    state in which it ended.

    Callbacks that stopped a run, as its checkpoint says (`stopped`), are asked again: the same ones
    stop it here, others may go on.
    """

    def view() -> View:
        resumed = store is not None and store.resume
        return View(
            used(plan.rule.evaluated(state.params, state.rule_state)),
            history,
            epoch,
            trainer.epochs,
            resumed,
        )

    def used(params: PyTree) -> Trainable:
        model = eqx.combine(params, rest)
        return outside.around(model if plan.sharding is None else gathered(model))

    callbacks = (*trainer.callbacks, *([Progress()] if trainer.progress else []))
    intervals = [c.every for c in callbacks if c.every is not None]
    if store is not None:
        intervals.append(store.where.every)
    first = epoch = int(state.epoch)
    size = 1
    calls = Calls(callbacks if speaks(plan.sharding) else ())

    def asked_to_stop(last: bool) -> bool:
        return bool(agreed(float(calls.between(view, epoch, last)), plan.sharding))

    calls.start(view)
    stopped = stopped and asked_to_stop(last=True)
    while epoch < trainer.epochs and is_running(state) and not stopped:
        limit = min([trainer.epochs, epoch + size, *((epoch // i + 1) * i for i in intervals)])
        began = time.monotonic()
        state, buffers = advance(state, limit)
        ran = int(state.epoch) - epoch
        # The host is heard about once a second. The first call may have compiled, and says
        # nothing of the speed.
        elapsed = agreed(time.monotonic() - began, plan.sharding)
        size = epochs_per_call(ran, elapsed) if epoch else 8
        epoch += ran
        history = {
            n: np.concatenate([history[n], np.asarray(b, float)[:ran]]) for n, b in buffers.items()
        }
        if store is not None and (epoch % store.where.every == 0):
            store.save(epoch, state, history)
        stopped = asked_to_stop(last=epoch >= trainer.epochs or not is_running(state))
    cut = stopped and epoch < trainer.epochs and is_running(state)
    if cut:
        state = replaced(state, status=jax.tree.map(on_device, Status.stopped))
    if store is not None:
        store.save(epoch, state, history, again=cut and epoch > first)
    calls.end(view)
    return Fit(used(returned(plan, state)), history, epoch, reason(state)), state


@migration(Trainer)
def _with_an_objective(fields: dict[str, Any]) -> dict[str, Any]:
    """Trainers once held an objective in place of its settings."""
    objective = fields.pop("objective", None)
    settings = () if objective is None else dataclasses.fields(objective)
    return fields | {field.name: getattr(objective, field.name) for field in settings}


@migration(LoopState)
def _with_a_rule_state(fields: dict[str, Any]) -> dict[str, Any]:
    """What the rule remembers once had the name of the rule, and the status was a number."""
    fields = {"rule_state" if name == "rule" else name: value for name, value in fields.items()}
    status = fields["status"]
    if not isinstance(status, Status):
        status = jax.tree.map(lambda _: jnp.asarray(status, jnp.int32), Status.running)
    return fields | {"status": status}


@eqx.filter_jit
def _step(state: TrainState, batch: Batch) -> tuple[dict[str, Any], Scalar]:
    """What an update moves in the state of the loop, and the loss before it."""
    plan, loop = state.plan, state.loop
    progress, key = plan.progress(loop.step, 1), update_key(loop.key, 0, loop.step)
    stepped = plan.step(loop.params, state.rest, loop.rule_state, batch.mean(), progress, key)
    params, rule_state, loss = plan.everywhere(stepped)
    # The scale of a float16 loss must fall where it overflows: such a rule skips the update itself.
    healthy = all_finite(params) & (jnp.isfinite(loss) | (plan.objective.precision == "float16"))
    before = loop.params, loop.rule_state
    params, rule_state = choose(healthy, (params, rule_state), before)
    moved = {"params": params, "rule_state": rule_state, "step": loop.step + 1}
    return moved, jnp.where(healthy, loss, jnp.nan)


def _what(source: Stream) -> str:
    return "a function" if callable(source) else f"a {type(source).__name__}"


def _key_data(key: PRNGKeyArray | int) -> Array:
    """The loop and its checkpoints hold a key as a plain array; a key of another kind seeds one of
    the default kind."""
    key = as_key(key)
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if key.dtype != as_key(0).dtype:
        key = jax.random.key(jax.random.bits(key))
    return jax.random.key_data(key)
