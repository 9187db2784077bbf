"""Reductions of the dissimilarity matrix over classes.

Prototypes are grouped by class, so the matrix folds into (c, m, n), m prototypes for each class: one reduction then serves
all classes. Samples are the last axis, as they are where metrics write the matrix: a processor reduces many of them at once.
Winners are differentiated by index: the derivative of a minimum is a one at the winner (the first of equals), written in a
single pass, where automatic differentiation of masked minima makes many.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_column, nearest_row
from .._types import Array, Float, Int, Labels, Num, PerSample
from ._base import PrototypeLabels


def fold(delta: Float[Array, "n p"], labels: PrototypeLabels, fill: float = jnp.inf) -> Float[Array, "c m n"]:
    """Group the columns by class; classes with fewer prototypes than others are filled up with `fill`."""
    counts = np.bincount(labels)
    if (counts == counts[0]).all():
        return delta.T.reshape(len(counts), counts[0], delta.shape[0])
    return jnp.pad(delta.T, ((0, 1), (0, 0)), constant_values=fill)[_columns(labels)]


def _columns(labels: PrototypeLabels) -> Int[np.ndarray, "c m"]:
    """For each class the columns of its prototypes, p where there is none."""
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    member = np.arange(counts.max())
    return np.where(member < counts[:, None], first[:, None] + member, len(labels))


def class_minimum(delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
    """The nearest prototype's dissimilarity, class by class."""
    if len(labels) == labels[-1] + 1:
        return delta
    return jnp.min(fold(delta, labels), axis=1).T


def class_logsumexp(logits: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
    """The logarithm of each class's total of exp(logits)."""
    if len(labels) == labels[-1] + 1:
        return logits
    return log_total(fold(logits, labels, -jnp.inf), axis=1).T


def log_total(logits: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """log Σ exp(logits) over one axis.

    Beside `jax.nn.logsumexp`, it is safe when compiled: a logit and the largest one are perhaps computed twice, in other
    roundings, and the difference of large ones is then positive, and large.
    """
    largest = jax.lax.stop_gradient(jnp.max(logits, axis=axis, keepdims=True))
    shifted = logits - jnp.where(jnp.isfinite(largest), largest, 0)
    shifted = shifted - jax.lax.stop_gradient(jnp.maximum(shifted, 0))
    total = jnp.sum(jnp.exp(shifted), axis=axis)
    return jnp.squeeze(largest, axis) + jnp.log(total)


def own_class(grouped: Num[Array, "c *m n"], y: Labels) -> Num[Array, "*m n"]:
    """The entries of each sample's own class."""
    return jnp.take_along_axis(grouped, y.reshape(*[1] * (grouped.ndim - 1), -1), axis=0)[0]


def winners(delta: Float[Array, "n p"], labels: PrototypeLabels, y: Labels) -> tuple[PerSample, PerSample]:
    """d⁺ and d⁻: the nearest prototype of each sample's own class and the nearest of any other class."""
    return _winners(tuple(labels.tolist()), delta, y)


def winner_columns(delta: Float[Array, "n p"], labels: PrototypeLabels, y: Labels) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """Which prototypes `winners` finds."""
    return _find_winners(tuple(labels.tolist()), delta, y)[1]


def _find_winners(labels: tuple[int, ...], delta: Array, y: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    columns, grouped = jnp.asarray(_columns(np.array(labels))), fold(delta, np.array(labels))
    minima, members = jnp.min(grouped, axis=1), nearest_row(grouped)
    rivals = jnp.where(jnp.arange(len(minima))[:, None] == y[None], jnp.inf, minima)

    def winner(k: Array) -> tuple[Array, Array]:
        return own_class(minima, k), columns[k, own_class(members, k)]

    (closest, i), (rival, j) = winner(y), winner(nearest_row(rivals))
    return (closest, rival), (i, j)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _winners(labels: tuple[int, ...], delta: Array, y: Array) -> tuple[Array, Array]:
    return _find_winners(labels, delta, y)[0]


def _winners_forward(labels: tuple[int, ...], delta: Array, y: Array) -> tuple:
    return _find_winners(labels, delta, y)


def _winners_backward(labels: tuple[int, ...], residuals: tuple[Array, Array], cotangents: tuple) -> tuple:
    (i, j), (a, b) = residuals, cotangents
    p = len(labels)
    return _at_rows(i, a, p).T + _at_rows(j, b, p).T, None


_winners.defvjp(_winners_forward, _winners_backward)


@jax.custom_vjp
def nearest(delta: Float[Array, "n p"]) -> PerSample:
    """The smallest dissimilarity of each sample; its derivative is one at the first of equals."""
    return jnp.min(delta.T, axis=0)


def _nearest_forward(delta: Array) -> tuple:
    return nearest(delta), (nearest_column(delta), jnp.zeros_like(delta, shape=(0, delta.shape[1])))


def _nearest_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple:
    winner, shape = residuals
    return (_at_rows(winner, cotangent, shape.shape[1]).T,)


nearest.defvjp(_nearest_forward, _nearest_backward)


def _at_rows(index: Int[Array, " n"], values: PerSample, p: int) -> Float[Array, "p n"]:
    """Each sample's value in one row of its column, zeros elsewhere."""
    return jnp.where(jnp.arange(p)[:, None] == index[None], values[None], 0)
