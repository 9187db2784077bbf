"""Optimisers by name, for those who like strings."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .._checks import allows_none, as_finite, of_kind, refuse_call, refuse_negative
from .._module import decays
from .._schedules import AbstractSchedule, OverRun, as_scalar, refuse_negative_values, within
from .._types import ArrayLike, Scalar
from ._freeze import Where


#: What no other part names.
REST = "rest"

LearningRate = ArrayLike | AbstractSchedule | Callable[[ArrayLike], ArrayLike]

OPTIMISERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    one.__name__: one
    for one in (
        *(
            optax.adam,
            optax.adamw,
            optax.adamax,
            optax.adamaxw,
            optax.adan,
            optax.adabelief,
            optax.amsgrad,
            optax.radam,
        ),
        *(
            optax.lamb,
            optax.lion,
            optax.novograd,
            optax.sgd,
            optax.sign_sgd,
            optax.signum,
            optax.noisy_sgd,
            optax.lars,
        ),
        *(
            optax.rmsprop,
            optax.adagrad,
            optax.adadelta,
            optax.adafactor,
            optax.sm3,
            optax.yogi,
            optax.rprop,
        ),
        *(optax.fromage, optax.lbfgs),
    )
}
"""The optimisers that `GradientDescent` knows by name, each a function of Optax."""


def _refuse_no_rate(function: Any) -> None:
    """Raise `TypeError` for what is no function of the number of updates to one number; nothing is
    computed."""
    refuse_call(function, "learning_rate", "the number of updates", 0)
    try:
        with lenient():
            rate = jax.eval_shape(function, jax.ShapeDtypeStruct((), jnp.int32))
    except Exception as error:  # of many kinds, from a function of the user's
        reason = str(error).partition("\n")[0]
        raise ValueError(f"`learning_rate` of a number of updates failed: {reason}") from error
    if not (isinstance(rate, jax.ShapeDtypeStruct) and rate.shape == ()):
        raise TypeError(
            "`learning_rate` must be a number, or a function of the number of updates to one "
            f"number, and {function!r} returned {rate!r:.80}."
        )


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Optax mixes types, which a user may have forbidden (`jax_numpy_dtype_promotion="strict"`) for
    code of their own."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


#: Options of optimisers that are shares: how much of a mean, or of a step, is that of before.
SHARES = ("b1", "b2", "b3", "beta", "momentum", "decay", "rho")


def _check_option(value: Any, known: inspect.Parameter) -> None:
    """Refuse what Optax would take in silence, or by an error that names nothing."""
    name = known.name
    value = of_kind(value, known.annotation, name)
    number = name in SHARES or isinstance(known.default, int | float)
    if value is None and allows_none(known.annotation) or not number:
        return
    scheduled = callable(value) and "Callable" in str(known.annotation)
    if not (scheduled or isinstance(known.default, bool)):
        share = as_finite(value, Scalar, name)
        within(share, name, "[0, 1)") if name in SHARES else refuse_negative(share, name)


def by_name(
    name: str,
    learning_rate: LearningRate | Mapping[Where, LearningRate] | None,
    options: dict[str, Any],
) -> optax.GradientTransformation | Mapping[Where, optax.GradientTransformation]:
    """The optimiser of this name, or one for each part."""
    if name == "dpsgd":
        raise ValueError(
            "'dpsgd' clips the gradient of every sample by itself, and the trainer knows the "
            "gradient of a batch only: a privacy guarantee would be false. Use "
            "`optax.contrib.dpsgd` in a loop of your own."
        )
    if name not in OPTIMISERS:
        raise ValueError(
            f"`optimiser` {name!r} is not among {', '.join(OPTIMISERS)}; any Optax transformation "
            f"will do."
        )
    make = OPTIMISERS[name]
    known = inspect.signature(make).parameters
    if unknown := set(options) - set(known):
        raise ValueError(
            f"{name} has no option {', '.join(map(repr, sorted(unknown)))}; it has "
            f"{', '.join(known)}."
        )
    if isinstance(learning_rate, Mapping):
        return {part: by_name(name, rate, options) for part, rate in learning_rate.items()}  # pyright: ignore[reportReturnType]
    if learning_rate is None and known["learning_rate"].default is inspect.Parameter.empty:
        raise ValueError(f"`learning_rate` is missing: {name} has none of its own.")
    if learning_rate is not None and not callable(learning_rate):
        refuse_negative(as_scalar(learning_rate, "learning_rate"), "learning_rate")
    elif learning_rate is not None and not isinstance(learning_rate, AbstractSchedule):
        _refuse_no_rate(learning_rate)
    if isinstance(learning_rate, AbstractSchedule):
        refuse_negative_values(learning_rate, "learning_rate")
        learning_rate = OverRun(learning_rate)
    for option, value in options.items():
        _check_option(value, known[option])
    mask = next((option for option in ("mask", "weight_decay_mask") if option in known), None)
    if mask is None and {"weight_decay", "weight_decay_rate"} & set(options):
        raise ValueError(
            f"the weight decay of {name} shrinks everything, prototypes too: use "
            f"`pz.training.WeightDecay`."
        )
    seeded = "key" in known and options.get("seed") is None
    defaults = {mask: decays} if mask is not None else {"key": 0} if seeded else {}
    return make(learning_rate, **{**defaults, **options})
