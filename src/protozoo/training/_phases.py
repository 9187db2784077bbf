"""Training in phases."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._checks import as_key, of_kinds, of_values, refuse_call
from .._keys import split
from .._types import ArrayLike, PRNGKeyArray
from ..models.internal import Trainable
from ._checkpoints import Checkpoints, occupied
from ._data import ClassWeight
from ._fit import Fit, Reason
from ._recorders import shared_place
from ._sharding import as_sharding
from ._stream import Stream, is_stream
from ._trainer import Trainer, Validation


class Phases(eqx.Module):
    """Trainers in order, each with its own rule, epochs, schedule and frozen parts; each begins
    with the model that the one before it returned. First the prototypes, then Ω, then everything:

    `Phases([Trainer(rule, 50, freeze="metric"), Trainer(slow, 100)])`

    **Arguments:**

    - `trainers`: the phases. They have no checkpoints of their own.
    - `between`: what is made of the model before the next phase: a function
      `(model, x, y, *, key, sample_weight)` that returns another one, such as `Resize()`, which
      changes the number of its prototypes.
    - `checkpoints`: where the training states of all phases are written, each phase in a folder of
      its own.

    **Raises:** `ValueError` without trainers, for a trainer with checkpoints, for a `between` of a
    single phase, and for phases that would write their histories to the same file; `TypeError` for
    a `between` that cannot be called so.
    """

    trainers: tuple[Trainer, ...]
    checkpoints: Checkpoints | None = eqx.field(static=True)
    between: Callable | None = None

    def __repr__(self) -> str:
        said = [", ".join(map(repr, self.trainers)).join("[]")]
        said += [] if self.checkpoints is None else [f"checkpoints={self.checkpoints!r}"]
        said += [] if self.between is None else [f"between={eqx.tree_pformat(self.between)}"]
        return f"Phases({', '.join(said)})"

    @of_kinds
    def __init__(
        self,
        trainers: Sequence[Trainer],
        checkpoints: Checkpoints | None = None,
        between: Callable | None = None,
    ):
        self.trainers, self.checkpoints, self.between = tuple(trainers), checkpoints, between
        if not self.trainers:
            raise ValueError(f"`trainers` must hold at least one `Trainer`, got {trainers!r}.")
        if any(one.checkpoints is not None for one in self.trainers):
            raise ValueError(
                "`checkpoints` belong to all phases: give them to `Phases`, not to its trainers."
            )
        if between is not None:
            given = {"key": None, "sample_weight": None}
            how = "`(model, x, y, *, key, sample_weight)`"
            refuse_call(between, "between", how, None, None, None, **given)
            if len(self.trainers) == 1:
                raise ValueError("`between` means nothing for a single phase: none comes next.")
        callbacks = [callback for trainer in self.trainers for callback in trainer.callbacks]
        if shared := shared_place(callbacks):
            raise ValueError(
                f"`trainers`: {shared[0]!r} holds the history of one phase, and is that of "
                f"{shared[1]} here: give each phase a place of its own."
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
        """Train in all phases; arguments and result are those of `Trainer.fit`, the history that of
        all phases. With `resume`, phases that have ended are not trained again, and the first one
        that has not is continued or begun.

        A phase that diverges, or that a callback stops, is the last one.

        **Raises:** `ValueError` as `Trainer.fit`.
        """
        if resume and self.checkpoints is None:
            raise ValueError("`resume` continues from `checkpoints`, and these phases have none.")
        if self.between is not None and is_stream(x):
            raise ValueError(
                "`between` is given all samples, and a stream never shows them together."
            )
        fits: list[Fit[Trainable]] = []
        keys = split(as_key(key), len(self.trainers))
        with (
            nullcontext()
            if self.checkpoints is None
            else occupied(self.checkpoints, as_sharding(self.trainers[0].sharding))
        ):
            for i, (trainer, phase_key) in enumerate(zip(self.trainers, keys, strict=True)):
                if self.checkpoints is not None:
                    where = dataclasses.replace(
                        self.checkpoints, directory=Path(self.checkpoints.directory) / f"phase-{i}"
                    )
                    trainer = dataclasses.replace(trainer, checkpoints=where)
                start: Any = fits[-1].model if fits else model
                if fits and self.between is not None:
                    own = jax.random.fold_in(phase_key, i)
                    start = self.between(start, x, y, key=own, sample_weight=sample_weight)
                fit = trainer.fit(
                    start,
                    x,
                    y,
                    key=phase_key,
                    validation=validation,
                    sample_weight=sample_weight,
                    class_weight=class_weight,
                    resume=resume,
                )
                fits.append(fit)
                if fit.reason in (Reason.DIVERGED, Reason.CALLBACK):
                    break
        # What a phase does not tell is not a number there.
        history = {
            name: np.concatenate([f.history.get(name, np.full(f.epochs, np.nan)) for f in fits])
            for name in dict.fromkeys(name for fit in fits for name in fit.history)
        }
        return Fit(fits[-1].model, history, sum(fit.epochs for fit in fits), fits[-1].reason)
