"""What is read from the scores of classes, whatever model they are of."""

import jax
import jax.numpy as jnp
from jax.core import Tracer

from .._argmin import nearest_column
from .._checks import known_value
from .._schedules import as_scalar
from .._types import Array, ArrayLike, Bool, Float, Int, Num, PerSample, Scalar
from ._units import magnitude


def probabilities(scores: Float[Array, "n c"]) -> Float[Array, "n c"]:
    """Their softmax."""
    return jax.nn.softmax(scores.T, axis=0).T


def decided(scores: Float[Array, "n c"]) -> Int[Array, " n"]:
    """The most probable class."""
    # Of the probabilities rather than the scores: where rounding ties the former, both must break
    # the tie alike.
    return smallest(-jax.lax.optimization_barrier(probabilities(scores)))


def confidence(scores: Float[Array, "n c"]) -> PerSample:
    """\\((p_1 - p_2)/(p_1 + p_2)\\) of the two most probable classes."""
    if scores.shape[1] == 1:
        return jnp.ones_like(scores[:, 0])
    best = jax.lax.top_k(scores, 2)[0]
    return jnp.tanh(0.5 * (best[:, 0] - best[:, 1]))


def as_share(value: ArrayLike, name: str, what: str) -> Scalar:
    """A number in [0, 1], where its value is known; `what` it is.

    **Raises:** `ValueError` if it is known not to be in [0, 1].
    """
    number = value if isinstance(value, Tracer) else as_scalar(value, name)
    known = known_value(number)
    if known is not None and not 0 <= known <= 1:
        raise ValueError(f"`{name}` is {what} and must lie in [0, 1], got {value}.")
    return number


def smallest(values: Float[Array, "n k"]) -> Int[Array, " n"]:
    """The column of the smallest; -1 where numbers of a sample are none, so that nothing can be
    told."""
    return jnp.where(
        jnp.isnan(jnp.min(values.T, axis=-2, keepdims=True))[0], -1, nearest_column(values)
    )


def finite_rows(rows: Float[Array, "n ..."], gaps: bool = False) -> Bool[Array, " n"]:
    """Whether all numbers of each row are finite; with `gaps`, but for those that are none."""
    return jnp.isfinite(magnitude(rows, gaps))


def known_rows(answer: Num[Array, "n ..."]) -> Bool[Array, " n"]:
    """Whether an answer is known for each sample: finite, or an index (or some of them)."""
    if jnp.issubdtype(answer.dtype, jnp.inexact):
        return finite_rows(answer)
    return jnp.all(answer >= 0, axis=tuple(range(1, answer.ndim)))


def where_known(known: Bool[Array, " n"], answer: Num[Array, "n ..."]) -> Num[Array, "n ..."]:
    """The answer; NaN, or -1 for an index, for samples of which it is not known."""
    unknown = jnp.nan if jnp.issubdtype(answer.dtype, jnp.inexact) else -1
    return jnp.where(known.reshape(-1, *[1] * (answer.ndim - 1)), answer, unknown)
