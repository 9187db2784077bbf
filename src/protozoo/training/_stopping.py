"""When to stop."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, on_device
from .._module import hyper, said
from .._types import ArrayLike, Int, Scalar


NEVER = jnp.iinfo(jnp.int32).max


class Stopping(eqx.Module):
    """When training ends before its last epoch. Monitored is the validation loss if there is one,
    else the training loss.

    **Arguments:**

    - `patience`: stop after this many epochs in a row without an improvement of more than
      `min_delta` over the best value so far; `None`: never.
    - `min_delta`: what counts as an improvement.
    - `tolerance`: stop as *converged* when the value changes by no more than this from one epoch to
      the next; `None`: never.

    All numbers are arguments of the compiled program.

    **Raises:** `ValueError` for a patience below one, or a negative `min_delta` or `tolerance`.
    """

    patience: Int[ArrayLike, ""] = eqx.field(metadata=said("hyper"))
    min_delta: Scalar = hyper()
    tolerance: Scalar = hyper()

    @property
    def compares(self) -> bool:
        """Whether it ever stops training."""
        return bool(np.asarray(self.patience) < NEVER) or bool(np.asarray(self.tolerance) >= 0)

    @of_kinds
    def __init__(
        self,
        patience: int | None = None,
        min_delta: float = 0.0,
        tolerance: float | None = None,
    ):
        if patience is not None and patience < 1:
            raise ValueError(
                f"`patience` must be a positive number of epochs or None, got {patience!r}."
            )
        if not 0 <= min_delta < float("inf"):
            raise ValueError(f"`min_delta` must not be negative or infinite, got {min_delta!r}.")
        if tolerance is not None and not 0 <= tolerance < float("inf"):
            raise ValueError(
                f"`tolerance` must not be negative or infinite, got {tolerance!r}; None never "
                f"stops."
            )
        self.patience = on_device(NEVER if patience is None else min(patience, NEVER), jnp.int32)
        self.min_delta = on_device(float(min_delta), float)
        self.tolerance = on_device(-1.0 if tolerance is None else float(tolerance), float)
