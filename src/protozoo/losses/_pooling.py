"""Reductions of the dissimilarity matrix over classes.

Prototypes are grouped by class, so the matrix folds into (n, c, m), m prototypes for each class: one reduction then serves
all classes. Winners are differentiated by index: the derivative of a minimum is a one at the winner (the first of equals),
which a scatter of two numbers per row writes in a single pass, where automatic differentiation of masked minima makes many.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_column
from .._types import Array, Float, Int, Labels, PerSample
from ._base import PrototypeLabels


def fold(delta: Float[Array, "n p"], labels: PrototypeLabels, fill: float = jnp.inf) -> Float[Array, "n c m"]:
    """Group the columns by class; classes with fewer prototypes than others are filled up with `fill`."""
    counts = np.bincount(labels)
    if (counts == counts[0]).all():
        return delta.reshape(len(delta), len(counts), counts[0])
    padded = jnp.pad(delta, ((0, 0), (0, 1)), constant_values=fill)
    return padded[:, _columns(labels)]


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
    return jnp.min(fold(delta, labels), axis=-1)


def class_logsumexp(logits: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
    """The logarithm of each class's total of exp(logits)."""
    if len(labels) == labels[-1] + 1:
        return logits
    return jax.nn.logsumexp(fold(logits, labels, -jnp.inf), axis=-1)


def own_class(grouped: Float[Array, "n c *m"], y: Labels) -> Float[Array, "n *m"]:
    """The entries of each sample's own class."""
    return jnp.take_along_axis(grouped, y.reshape(-1, *[1] * (grouped.ndim - 1)), axis=1)[:, 0]


def winners(delta: Float[Array, "n p"], labels: PrototypeLabels, y: Labels) -> tuple[PerSample, PerSample]:
    """d⁺ and d⁻: the nearest prototype of each sample's own class and the nearest of any other class."""
    return _winners(tuple(labels.tolist()), delta, y)


def winner_columns(delta: Float[Array, "n p"], labels: PrototypeLabels, y: Labels) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """Which prototypes `winners` finds."""
    return _find_winners(tuple(labels.tolist()), delta, y)[1]


def _find_winners(labels: tuple[int, ...], delta: Array, y: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    columns = jnp.asarray(_columns(np.array(labels)))
    grouped = fold(delta, np.array(labels))
    minima = jnp.min(grouped, axis=-1)
    own = jax.nn.one_hot(y, minima.shape[1], dtype=bool)
    rival = nearest_column(jnp.where(own, jnp.inf, minima))

    def winner(k: Array) -> tuple[Array, Array]:
        row = jnp.take_along_axis(grouped, k[:, None, None], axis=1)[:, 0]
        member = nearest_column(row)
        value = jnp.take_along_axis(row, member[:, None], axis=1)[:, 0]
        return value, columns[k, member]

    (closest, i), (closest_rival, j) = winner(y), winner(rival)
    return (closest, closest_rival), (i, j)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _winners(labels: tuple[int, ...], delta: Array, y: Array) -> tuple[Array, Array]:
    return _find_winners(labels, delta, y)[0]


def _winners_forward(labels: tuple[int, ...], delta: Array, y: Array) -> tuple:
    return _find_winners(labels, delta, y)


def _winners_backward(labels: tuple[int, ...], residuals: tuple[Array, Array], cotangents: tuple) -> tuple:
    (i, j), (a, b) = residuals, cotangents
    column = jnp.arange(len(labels))[None, :]
    return jnp.where(column == i[:, None], a[:, None], 0) + jnp.where(column == j[:, None], b[:, None], 0), None


_winners.defvjp(_winners_forward, _winners_backward)


@jax.custom_vjp
def nearest(delta: Float[Array, "n p"]) -> PerSample:
    """The smallest dissimilarity of each sample; its derivative is one at the first of equals."""
    return jnp.min(delta, axis=1)


def _nearest_forward(delta: Array) -> tuple:
    return jnp.min(delta, axis=1), (nearest_column(delta), jnp.zeros_like(delta, shape=(0, delta.shape[1])))


def _nearest_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple:
    winner, shape = residuals
    return (jnp.where(jnp.arange(shape.shape[1])[None, :] == winner[:, None], cotangent[:, None], 0),)


nearest.defvjp(_nearest_forward, _nearest_backward)
