"""Many models trained by one program: restarts, folds, grids."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_key, as_numbers, as_parts, as_samples, of_values, on_device
from .._keys import split
from .._module import replaced
from .._types import Array, ArrayLike, Int, PRNGKeyArray, PyTree
from ..models import AbstractTrainable
from ..models.internal import Outside, Trainable, inside
from ._data import (
    Intake,
    as_batch,
    as_validation,
    scaled,
    training_batch,
)
from ._fit import Fit
from ._loop import (
    LoopState,
    Plan,
    epochs_per_call,
    reason,
    returned,
    run_epochs,
    start,
)
from ._objective import Batch
from ._stream import is_stream
from ._trainer import Trainer, drive


@of_values
def fit_many(
    trainers: Trainer | Sequence[Trainer],
    models: Trainable | Sequence[Trainable],
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    key: PRNGKeyArray | int,
    sample_weight: ArrayLike | None = None,
    validation: Sequence[Any] | ArrayLike | None = None,
    validation_weight: ArrayLike | None = None,
) -> list[Fit[Trainable]]:
    """Train m models at once on the same samples, each as its trainer would train it alone.

    **Arguments:**

    - `trainers`: one for all, or one for each: they may differ in numbers (learning rates, decays,
      epochs, patience), not in kind.
    - `models`: one for all, or one for each: they may differ in numbers (restarts), not in
      structure.
    - `x`, `y`: samples and their classes.
    - `key`: member i has `jax.random.split(key, m)[i]`.
    - `sample_weight`: for all, `(n,)`, or for each, `(m, n)`: zeros leave samples out (folds).
    - `validation`: held-out samples, in memory, whose loss is monitored in place of the training
      loss; `validation_weight` weighs it likewise.

    Each member stops for its own reasons. An accelerator trains them side by side, until the last
    one has stopped; a processor one after the other, by the program that trains one alone.

    **Returns:** a list of `Fit`, best monitored loss first; `fit.member` tells which one it is.

    **Raises:** `ValueError` for numbers of trainers, models and weights that differ, members that
    differ in structure or see a single class, weights of no validation, and trainers with
    callbacks, checkpoints or sharding, which belong to one model. `TypeError` for trainers and
    models of another kind.
    """
    own_trainers = _several(trainers, Trainer, "trainers")
    own_models = _several(models, AbstractTrainable, "models")
    if validation is None and validation_weight is not None:
        raise ValueError(
            "`validation_weight` weighs `validation`, which is missing: pass it, or leave its "
            "weights out."
        )
    weights = [
        _as_weights(weight, name)
        for weight, name in (
            (sample_weight, "sample_weight"),
            (validation_weight, "validation_weight"),
        )
    ]
    own = own_trainers, own_models, *(w if w is not None and w.ndim == 2 else None for w in weights)
    counts = [len(one) for one in own if one is not None]
    if len(set(counts)) != 1 or counts[0] == 0:
        raise ValueError(
            "the number of members follows from sequences of trainers or models, or weights (m, "
            f"n), which must agree; got {counts or 'none of them'}."
        )
    m = counts[0]
    each_trainer: list[Any] = [trainers] * m if own_trainers is None else own_trainers
    each_model: list[Any] = [models] * m if own_models is None else own_models
    for trainer in each_trainer:
        refuse_for_one_model(trainer.for_one_model, "`fit_many` trains many: leave it out")
    train_weights, held_weights = (_for_each(weight, m) for weight in weights)
    for name, given in (("x", x), ("validation", validation)):
        if is_stream(given):
            raise TypeError(
                f"`{name}` of many models must be in memory; a stream goes with the training of "
                "one."
            )
    intakes = [Intake.of(model) for model in each_model]
    for intake in intakes:
        intake.refuse_columns(x, "x")
    # The same object for all: it is told apart from what every member has its own of.
    x, keys = as_samples(x), split(as_key(key), m)
    if validation is not None:
        held_out, *labels_and_weight = as_parts(validation, "`validation`")
        for intake in intakes:
            intake.refuse_columns(held_out, "validation x")
        validation = (as_samples(held_out, name="validation x"), *labels_and_weight)
    seen: dict[int, Array] = {}
    members = [
        _member(
            each_trainer[i],
            each_model[i],
            x,
            y,
            keys[i],
            train_weights[i],
            validation,
            held_weights[i],
            seen,
        )
        for i in range(m)
    ]
    _refuse_unlike(members)
    train = _side_by_side if side_by_side() else _in_turns
    ended = train(each_trainer, members, [Outside.of(model) for model in each_model])
    fits = [
        (float(state.best), dataclasses.replace(fit, member=i))
        for i, (fit, state) in enumerate(ended)
    ]
    return [fit for _, fit in sorted(fits, key=lambda pair: pair[0])]


def side_by_side() -> bool:
    """Whether many models are trained in one loop here."""
    return jax.default_backend() != "cpu"


def by_structure(
    trainers: Sequence[Trainer], models: Sequence[AbstractTrainable], samples: int
) -> list[list[int]]:
    """Which members `fit_many` can train as one program, on this many samples: those that differ in
    numbers alone."""
    groups: list[tuple[PyTree, list[int]]] = []
    for i, (trainer, model) in enumerate(zip(trainers, models, strict=True)):
        kind = (trainer.plan(model, samples, validated=False), trainer.mask(model), model)
        for other, group in groups:
            if _alike(kind, other):
                group.append(i)
                break
        else:
            groups.append((kind, [i]))
    return [group for _, group in groups]


def _alike(one: PyTree, other: PyTree) -> bool:
    """Whether two trees differ in the numbers of their arrays alone."""
    (arrays, rest), (others, other_rest) = (eqx.partition(t, eqx.is_array) for t in (one, other))
    return (
        jax.tree.structure(arrays) == jax.tree.structure(others)
        and bool(eqx.tree_equal(rest, other_rest))
        and [a.shape for a in jax.tree.leaves(arrays)] == [a.shape for a in jax.tree.leaves(others)]
    )


class _Member(eqx.Module):
    """What `run_epochs` is given for one model."""

    plan: Plan
    state: LoopState
    rest: PyTree
    data: Batch
    held_out: Batch | None


def _member(
    trainer: Trainer,
    model: AbstractTrainable,
    x: ArrayLike,
    y: ArrayLike | None,
    key: PRNGKeyArray,
    weight: np.ndarray | None,
    validation: tuple | ArrayLike | None,
    held_weight: np.ndarray | None,
    seen: dict[int, Array],
) -> _Member:
    outer, outside, model = model, Outside.of(model), inside(model)
    mask = trainer.mask(model)
    data = as_batch(outer, x, y, weight, weightless=True)
    if data.y is not None:
        Intake.of(model).refuse_one_class(np.asarray(data.y)[np.asarray(data.weight) > 0])
    # Members of one scale share what it makes of the samples.
    scale = id(outside.scale)
    if scale not in seen:
        seen[scale] = scaled(outer, data).x
    data = training_batch(
        model, mask, replaced(data, x=seen[scale]), trainer.rule, trainer.objective
    )
    held_out = as_validation(outer, mask, validation, held_weight, weightless=True)
    plan = trainer.plan(model, len(data.x), held_out is not None)
    params, rest = eqx.partition(model, mask)
    return _Member(plan, start(plan, params, jax.random.key_data(key)), rest, data, held_out)


#: How a member ended: its fit, and the state that says how good it was.
Ended = tuple[Fit, LoopState]


def _in_turns(
    trainers: Sequence[Trainer], members: Sequence[_Member], outsides: Sequence[Outside]
) -> list[Ended]:
    """One member after the other."""

    def ended(trainer: Trainer, member: _Member, outside: Outside) -> Ended:
        plan, rest, data, held_out = member.plan, member.rest, member.data, member.held_out

        def advance(state: LoopState, limit: int) -> tuple[LoopState, dict[str, Any]]:
            return run_epochs(plan, state, rest, data, held_out, on_device(limit, np.int32))

        history = {name: np.zeros(0) for name in plan.recorded(held_out is not None)}
        return drive(trainer, plan, member.state, rest, outside, advance, history)

    return [ended(*one) for one in zip(trainers, members, outsides, strict=True)]


def _side_by_side(
    trainers: Sequence[Trainer], members: Sequence[_Member], outsides: Sequence[Outside]
) -> list[Ended]:
    """All members in one loop."""
    states, histories = _chunks(members, max(trainer.epochs for trainer in trainers))
    states = jax.tree.map(np.asarray, states)
    ended = []
    for i, (member, outside) in enumerate(zip(members, outsides, strict=True)):
        state: LoopState = jax.tree.map(lambda a, i=i: on_device(a[i]), states)
        epochs = int(state.epoch)
        model = outside.around(eqx.combine(returned(member.plan, state), member.rest))
        history = {name: values[i][:epochs] for name, values in histories.items()}
        ended.append((Fit(model, history, epochs, reason(state)), state))
    return ended


def _chunks(members: Sequence[_Member], epochs: int) -> tuple[LoopState, dict[str, np.ndarray]]:
    """Chunks of epochs, until all members have ended."""
    stacked, rest = _stacked(members)
    xs = [
        [x for x in (m.data.x, None if m.held_out is None else m.held_out.x) if x is not None]
        for m in members
    ]
    axes = tuple(
        None if all(x is xs[0][i] for x in same) else 0
        for i, same in enumerate(zip(*xs, strict=True))
    )
    xs = [
        same[0] if axis is None else jnp.stack(same)
        for axis, same in zip(axes, zip(*xs, strict=True), strict=True)
    ]
    states, history, done, size = stacked.state, {}, 0, 8
    while done < epochs:
        before, began = np.asarray(states.epoch), time.monotonic()
        limit = min(epochs, done + size)
        stacked = replaced(stacked, state=states)
        states, buffers = _run(stacked, rest, xs, axes, np.asarray(limit, np.int32))
        ran = np.asarray(states.epoch) - before
        for name, buffer in buffers.items():
            new = np.where(
                np.arange(limit - done) < ran[:, None],
                np.asarray(buffer, float)[:, : limit - done],
                np.nan,
            )
            history[name] = np.concatenate([history[name], new], axis=1) if name in history else new
        if (ran < limit - done).all():  # nobody will go on
            break
        elapsed = time.monotonic() - began
        size = epochs_per_call(limit - done, elapsed)
        done = limit
    return states, history


@eqx.filter_jit
def _run(
    stacked: _Member,
    rest: _Member,
    xs: list[Array],
    axes: tuple[int | None, ...],
    limit: Int[ArrayLike, ""],
) -> tuple[LoopState, dict[str, Array]]:
    """One loop over all members: who has ended waits, unchanged, for the others."""

    def one(mine: _Member, xs: list[Array]) -> Any:
        member = eqx.combine(mine, rest)
        data = replaced(member.data, x=xs[0])
        held_out = None if member.held_out is None else replaced(member.held_out, x=xs[1])
        limit_of = jnp.minimum(limit, member.plan.epochs)
        return run_epochs(member.plan, member.state, member.rest, data, held_out, limit_of)

    return jax.vmap(one, in_axes=(0, list(axes)))(stacked, xs)


def _without_samples(member: _Member) -> _Member:
    """What members have of their own: samples are shared, and large."""
    data = replaced(member.data, x=None)
    held_out = None if member.held_out is None else replaced(member.held_out, x=None)
    return replaced(member, data=data, held_out=held_out)


def _refuse_unlike(members: Sequence[_Member]) -> None:
    """Members that no one program can train."""
    first = _without_samples(members[0])
    for i, member in enumerate(members):
        if not _alike(_without_samples(member), first):
            raise ValueError(
                f"member {i} is of another structure than member 0: members may differ in numbers, "
                "not in kinds, shapes or options; a function that is made anew for each of them "
                "is another one each time. Train them one by one."
            )


def _stacked(members: Sequence[_Member]) -> tuple[_Member, _Member]:
    """All members' arrays with a leading axis (but the samples), and what is no array."""
    arrays, rest = zip(
        *(eqx.partition(_without_samples(member), eqx.is_array) for member in members), strict=True
    )
    return jax.tree.map(lambda *a: on_device(np.stack(list(map(np.asarray, a)))), *arrays), rest[0]


def refuse_for_one_model(given: Sequence[str], why: str) -> None:
    """Raise `ValueError` for settings that several models cannot be trained with."""
    if given:
        raise ValueError(f"`{given[0]}` belongs to the training of one model, and {why}.")


def _several(given: Any, kind: type, name: str) -> list[Any] | None:
    """The one that each member has of its own, or `None` if there is one for all."""
    if isinstance(given, kind):
        return None
    if isinstance(given, Sequence) and all(isinstance(one, kind) for one in given):
        return list(given)
    raise TypeError(
        f"`{name}` must be of kind {kind.__name__}, or a list of some, one for each member, got "
        f"{given!r:.80}."
    )


def _as_weights(given: Any, name: str) -> np.ndarray | None:
    """The weights of samples, for all members or for each of them; their values are looked at
    later."""
    if given is None:
        return None
    weight = np.asarray(as_numbers(given, name), float)
    if weight.ndim not in (1, 2):
        raise ValueError(f"`{name}` must have shape (n,) or (m, n), got {weight.shape}.")
    return weight


def _for_each(weight: np.ndarray | None, m: int) -> list[np.ndarray | None]:
    if weight is None:
        return [None] * m
    return list(weight) if weight.ndim == 2 else [weight] * m
