"""Numbers that change while a model learns: functions of the training progress, never parameters.

Progress runs from 0 (the first update) to 1 (the last one, and ever after: a trained model uses the
final value).
"""

import abc
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._checks import as_finite, as_numbers, known_value, positive_integer, refuse_negative
from ._module import converted, hyper, part, static
from ._types import Array, ArrayLike, Float, Scalar


class AbstractSchedule(eqx.Module):
    """A number as a function of training progress in [0, 1]."""

    @abc.abstractmethod
    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        """The value at this progress."""


# A number is converted where a field is declared by `scheduled`, which a static checker cannot see.
if TYPE_CHECKING:
    Schedule = Any
else:
    Schedule = AbstractSchedule


def scheduled(**kwargs: Any) -> Any:
    """Declare a field that holds a schedule, or a number in its place."""
    return converted(lambda value, annotation, name: as_schedule(value, name), **kwargs)


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


class Polynomial(AbstractSchedule):
    """\\(v(t) = v_1 + (v_0 - v_1)(1 - t)^k\\).

    **Arguments:**

    - `start`, `end`: the values at progress 0 and 1.
    - `power`: k > 0.

    **Raises:** `ValueError` if the power is not positive.
    """

    start: Scalar = hyper()
    end: Scalar = hyper()
    power: Scalar = hyper(default=2.0)

    def __check_init__(self):
        positive(self.power, "power")

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.end + (self.start - self.end) * (1 - jnp.asarray(progress)) ** self.power


class Cosine(AbstractSchedule):
    """\\(v(t) = v_1 + (v_0 - v_1)\\,\\tfrac{1 + \\cos \\pi t}{2}\\): flat at both ends.

    **Arguments:**

    - `start`, `end`: the values at progress 0 and 1.

    Source: I. Loshchilov, F. Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR
    2017.
    """

    start: Scalar = hyper()
    end: Scalar = hyper(default=0.0)

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.end + (self.start - self.end) * 0.5 * (
            1 + jnp.cos(jnp.pi * jnp.asarray(progress))
        )


class PiecewiseConstant(AbstractSchedule):
    """\\(v(t) = v_i\\) between the i-th boundary and the next.

    **Arguments:**

    - `values`: one more than there are boundaries.
    - `boundaries`: progress in (0, 1), ascending.

    **Raises:** `ValueError` for numbers of values and boundaries that do not fit, and boundaries
    out of order.
    """

    values: Float[Array, " k"] = hyper()
    boundaries: Float[Array, " b"] = hyper()

    def __check_init__(self):
        known = known_value(self.boundaries)
        if known is None:
            return
        if len(self.values) != len(known) + 1:
            raise ValueError(
                f"`values` must be one more than `boundaries`, got {len(self.values)} and "
                f"{len(known)}."
            )
        if not (np.diff(known, prepend=0, append=1) > 0).all():
            raise ValueError(
                f"`boundaries` must ascend strictly between 0 and 1, got {known.tolist()}."
            )

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.values[jnp.searchsorted(self.boundaries, jnp.asarray(progress), side="right")]


class WarmUp(AbstractSchedule):
    """From `start` in a straight line to where another schedule begins, which then has the rest of
    the run.

    **Arguments:**

    - `schedule`: what follows: a number (warm-up constant), `Cosine` (warm-up cosine),
      `Exponential` …
    - `fraction`: how much of the run is warm-up, in (0, 1).
    - `start`: the value at progress 0.

    **Raises:** `ValueError` for a fraction outside (0, 1).
    """

    schedule: AbstractSchedule = scheduled()
    fraction: Scalar = hyper(default=0.1)
    start: Scalar = hyper(default=0.0)

    def __check_init__(self):
        within(self.fraction, "fraction", "(0, 1)")

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        warm = jnp.minimum(progress / self.fraction, 1)
        after = jnp.maximum((progress - self.fraction) / (1 - self.fraction), 0)
        return jnp.where(
            warm < 1, self.start + (self.schedule(0.0) - self.start) * warm, self.schedule(after)
        )


class Restarts(AbstractSchedule):
    """Another schedule, several times over, each time `factor` times as long. With `Cosine`: SGDR.

    **Arguments:**

    - `schedule`: one cycle.
    - `cycles`: how many; a positive integer.
    - `factor`: positive.

    **Raises:** `ValueError` if an argument is not positive, or `cycles` is no integer.

    Source: I. Loshchilov, F. Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR
    2017.
    """

    schedule: AbstractSchedule = scheduled()
    cycles: int = static(default=3)
    factor: Scalar = hyper(default=2.0)

    def __check_init__(self):
        positive_integer(self.cycles, "cycles")
        positive(self.factor, "factor")

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        lengths = self.factor ** jnp.arange(self.cycles)
        ends = jnp.cumsum(lengths) / jnp.sum(lengths)
        at = jnp.minimum(
            jnp.searchsorted(ends, jnp.asarray(progress), side="right"), self.cycles - 1
        )
        length = lengths[at] / jnp.sum(lengths)
        return self.schedule(jnp.clip((progress - (ends[at] - length)) / length, 0, 1))


class Scaled(AbstractSchedule):
    """\\(v(t) = s\\,v_1(t)\\), another schedule in other units.

    **Arguments:**

    - `schedule`: \\(v_1\\).
    - `factor`: s.
    """

    schedule: AbstractSchedule = part()
    factor: Scalar = hyper()

    def __call__(self, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.factor * self.schedule(progress)


class OverRun(eqx.Module):
    """A schedule of training progress where Optax asks for a schedule of counts: it knows how long
    the run is.

    `optax.adam(pz.OverRun(pz.Cosine(1e-2)))` anneals over the whole fit, however many updates that
    takes.

    **Arguments:**

    - `schedule`: of training progress, which `GradientDescent` tells it in every update.
    """

    schedule: AbstractSchedule = scheduled()
    progress: Scalar = hyper(default=0.0)

    def __call__(self, count: ArrayLike) -> Scalar:
        return self.schedule(self.progress)


def as_schedule(value: "AbstractSchedule | ArrayLike", name: str = "value") -> AbstractSchedule:
    """A number stands for the schedule that never changes it."""
    return value if isinstance(value, AbstractSchedule) else Constant(as_scalar(value, name))


def as_scalar(value: ArrayLike, name: str) -> Array:
    """One number."""
    return as_finite(value, Scalar, name)


def within(value: ArrayLike, name: str, interval: str) -> None:
    """Refuse numbers outside an interval, such as `"(0, 1]"`, where their value is known."""
    known = known_value(
        value if isinstance(value, Tracer | jax.ShapeDtypeStruct) else as_numbers(value, name)
    )
    if known is None:
        return
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = known >= low if interval[0] == "[" else known > low
    below = known <= high if interval[-1] == "]" else known < high
    if not np.all(above & below):
        worst = np.asarray(known)[~np.asarray(above & below)].flat[0]
        raise ValueError(f"`{name}` must lie in {interval}, got {float(worst):g}.")


def positive(value: ArrayLike, name: str, above: float = 0.0) -> None:
    """Refuse numbers that are not finite and greater than `above`, where their value is known."""
    known = known_value(
        value if isinstance(value, Tracer | jax.ShapeDtypeStruct) else as_numbers(value, name)
    )
    if known is None:
        return
    if not np.all(np.isfinite(known)) or not np.all(known > above):
        worst = known.min() if known.ndim else known.item()
        bound = "positive" if above == 0 else f"greater than {above:g}"
        raise ValueError(f"`{name}` must be {bound} and finite, got {float(worst):g}.")


def refuse_negative_values(schedule: AbstractSchedule, name: str) -> None:
    """Raise `ValueError` for a schedule of the library that goes below zero: those are as large as
    their numbers, none of which then may be negative. What one's own make of theirs is not known.
    """
    own = [
        part
        for part in jax.tree.leaves(schedule, is_leaf=lambda part: not _known(part))
        if isinstance(part, AbstractSchedule)
    ]
    for number in () if own else jax.tree.leaves(schedule):
        refuse_negative(number, name)


def _known(part: Any) -> bool:
    return isinstance(part, AbstractSchedule) and type(part).__module__ == __name__


def value_at(schedule: AbstractSchedule, progress: float) -> Scalar:
    """A value that is to be checked: as one program for every progress, or none for what is known
    without."""
    if isinstance(schedule, Constant):
        return schedule.value
    if isinstance(schedule, Exponential | Linear | Polynomial | Cosine) and progress in (0, 1):
        return schedule.end if progress else schedule.start
    return _value(schedule, np.asarray(progress, float))


@eqx.filter_jit
def _value(schedule: AbstractSchedule, progress: Float[ArrayLike, ""]) -> Scalar:
    return schedule(progress)
