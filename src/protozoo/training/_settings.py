"""What a trainer's settings are made of: each a converter of its field,
`(given, annotation, name)`."""

from collections.abc import Callable, Sequence
from typing import Any

from jax.sharding import NamedSharding

from .._checks import allows_none, of_kind, positive_integer
from ..evaluation import METRICS, Metric
from ._freeze import Freeze
from ._objective import AbstractCurriculum
from ._rule import AbstractRule
from ._sharding import as_sharding


def as_rule(given: Any, annotation: Any, name: str) -> AbstractRule:
    """A learning rule."""
    if not isinstance(given, AbstractRule):
        raise ValueError(
            f"`{name}` must be a learning rule, such as `GradientDescent(optax.adam(1e-2))`, got "
            f"{given!r}."
        )
    return given


def as_count(given: Any, annotation: Any, name: str) -> int | None:
    """A positive number of something."""
    if not (given is None and allows_none(annotation)):
        positive_integer(given, name)
    return None if given is None else int(given)


def as_freeze(given: Any, annotation: Any, name: str) -> Freeze:
    """Names of parts, or functions that find them."""
    if given is None or isinstance(given, str) or callable(given):
        return given
    for one in _sequence(given, name):
        if not (isinstance(one, str) or callable(one)):
            raise TypeError(
                f"`{name}` must hold dotted names or functions of the model, got {one!r}."
            )
    return tuple(given) or None


def as_metrics(given: Any, annotation: Any, name: str) -> tuple[tuple[str, Metric], ...]:
    """Metrics, each with its name."""
    named = tuple(_named(one, name) for one in _sequence(given, name))
    names = [called for called, _ in named]
    if len(set(names)) < len(names):
        raise ValueError(f"`{name}` must have different names, got {', '.join(names)}.")
    if "loss" in names:
        raise ValueError(
            f"`{name}` must not be called 'loss': `validation_loss` is what the history has of the "
            "loss itself. Choose another name."
        )
    return named


def _named(given: Any, name: str) -> tuple[str, Metric]:
    if isinstance(given, str):
        if given not in METRICS:
            raise ValueError(
                f"`{name}` has no metric {given!r}; it knows {', '.join(map(repr, METRICS))}, and "
                "functions of (scores, y, weight)."
            )
        return given, METRICS[given]
    called, function = (
        given if isinstance(given, tuple) else (getattr(given, "__name__", ""), given)
    )
    if not (callable(function) and isinstance(called, str)):
        raise TypeError(
            f"`{name}` must hold names of metrics, functions of (scores, y, weight), or pairs of a "
            f"name and a function, got {given!r}."
        )
    if not called.isidentifier():
        raise ValueError(
            f"`{name}`: {given!r} has no name for the history: define it by `def`, or pass a pair, "
            "('my_metric', function)."
        )
    return called, function


def as_tuple_of(kind: type) -> Callable[[Any, Any, str], tuple]:
    """A converter to a tuple of objects of this kind."""

    def convert(given: Any, annotation: Any, name: str) -> tuple:
        if not all(isinstance(one, kind) for one in _sequence(given, name)):
            raise ValueError(
                f"`{name}` must hold objects of a subclass of {kind.__name__}, got {given!r}."
            )
        return tuple(given)

    return convert


def as_curriculum(given: Any, annotation: Any, name: str) -> AbstractCurriculum | None:
    """A curriculum, or none."""
    if given is not None and not isinstance(given, AbstractCurriculum):
        raise ValueError(f"`{name}` must be a curriculum such as `SelfPaced(0.5)`, got {given!r}.")
    return given


def as_precision(given: Any, annotation: Any, name: str) -> str | None:
    """The name of a lower precision, or none."""
    if of_kind(given, annotation, name) not in (None, "bfloat16", "float16"):
        raise ValueError(
            f"`{name}` must be 'bfloat16', 'float16' or None (that of the data), got {given!r}."
        )
    return given


def as_devices(given: Any, annotation: Any, name: str) -> NamedSharding | None:
    """How samples are spread over devices, or not at all."""
    return as_sharding(given)


def _sequence(given: Any, name: str) -> Sequence:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise TypeError(f"`{name}` must be a list or a tuple, got {given!r}.")
    return given
