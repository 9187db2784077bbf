"""Numbers that change while a model learns: functions of the training progress, never parameters.

Progress runs from 0 (the first update) to 1 (the last one, and ever after: a trained model uses the final value).
"""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ._module import hyper
from ._types import ArrayLike, Float, Scalar


class AbstractSchedule(eqx.Module):
    """A number as a function of training progress in [0, 1]."""

    @abc.abstractmethod
    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        """The value at this progress."""


class Constant(AbstractSchedule):
    """\\(v(t) = v\\).

    **Arguments:**

    - `value`: the number.
    """

    value: Scalar = hyper()

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.value


class Exponential(AbstractSchedule):
    """\\(v(t) = v_0 (v_1/v_0)^t\\): equal factors in equal times.

    **Arguments:**

    - `start`, `end`: positive numbers, the values at progress 0 and 1.

    **Raises:** `ValueError` if one of them is not positive.
    """

    start: Scalar = hyper()
    end: Scalar = hyper()

    def __check_init__(self):
        positive(self.start, "start")
        positive(self.end, "end")

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.start * (self.end / self.start) ** progress


class Linear(AbstractSchedule):
    """\\(v(t) = v_0 + (v_1 - v_0)\\,t\\).

    **Arguments:**

    - `start`, `end`: the values at progress 0 and 1.
    """

    start: Scalar = hyper()
    end: Scalar = hyper()

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.start + (self.end - self.start) * jnp.asarray(progress)


def as_schedule(value: "AbstractSchedule | ArrayLike") -> AbstractSchedule:
    """A number stands for the schedule that never changes it."""
    return value if isinstance(value, AbstractSchedule) else Constant(value)


def concrete(value: ArrayLike) -> np.ndarray | None:
    """The value of a number that is known now; `None` inside a compiled program or for a bare shape."""
    try:
        return np.asarray(value)
    except Exception:  # tracers and ShapeDtypeStructs refuse, each with an error of its own
        return None


def positive(value: ArrayLike, name: str, above: float = 0.0) -> None:
    """Refuse numbers that are not finite and greater than `above`, where their value is known."""
    known = concrete(value)
    if known is None or known.dtype == object:
        return
    if not np.all(np.isfinite(known)) or not np.all(known > above):
        worst = known.min() if known.ndim else known.item()
        bound = "positive" if above == 0 else f"greater than {above:g}"
        raise ValueError(f"`{name}` must be {bound} and finite, got {float(worst):g}.")
