"""What a fit returns."""

import dataclasses
import enum
from typing import Generic

import numpy as np

from ..models.internal import Trainable


class Reason(enum.StrEnum):
    """Why training ended; `remedy` says what to do about it."""

    CONVERGED = "converged"
    PATIENCE = "patience"
    MAX_EPOCHS = "max epochs"
    DIVERGED = "diverged"
    CALLBACK = "callback"

    @property
    def remedy(self) -> str:
        """A sentence for the user."""
        return _REMEDIES[self]


_REMEDIES = {
    Reason.CONVERGED: "The loss changed by no more than `tolerance`; nothing needs to be done.",
    Reason.PATIENCE: (
        "The monitored loss stopped improving; with restore_best=True the best model is returned."
    ),
    Reason.MAX_EPOCHS: (
        "All epochs were used; if the loss in `history` still falls, train with more `epochs`."
    ),
    Reason.DIVERGED: (
        "The loss or a parameter became NaN or infinite; the last finite model is returned. Lower "
        "the learning rate, standardise the data, clip gradients (`optax.clip_by_global_norm`), or "
        "regularise covariances more."
    ),
    Reason.CALLBACK: "A callback asked to stop.",
}


@dataclasses.dataclass(frozen=True, repr=False)
class Fit(Generic[Trainable]):
    """A trained model and how it came to be.

    - `model`: the trained model: the best one with `restore_best`, the last finite one if training
      diverged, else the last.
    - `history`: `"loss"` (and `"validation_loss"`), one value for each epoch, as NumPy arrays. With
      all samples in one batch, the training loss of an epoch is that of the parameters it started
      from; with mini-batches, the mean over its batches.
    - `epochs`: how many epochs ran.
    - `reason`: why it ended; `reason.remedy` says what to do about it.
    - `member`: which one it is of those that `fit_many` trained.

    It is printed in one line: its last losses, and the model in outline (`fit.model` prints all of
    it).
    """

    model: Trainable
    history: dict[str, np.ndarray]
    epochs: int
    reason: Reason
    member: int = 0

    def __repr__(self) -> str:
        losses = "".join(
            f", {name}={values[-1]:.4g}" for name, values in self.history.items() if len(values)
        )
        said = f"epochs={self.epochs}, reason={str(self.reason)!r}{losses}"
        return f"Fit(model={self.model.outline()}, {said})"
