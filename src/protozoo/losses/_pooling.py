"""Reductions of the dissimilarity matrix over classes.

Prototypes are grouped by class, so the matrix folds into (c, m, n), m prototypes for each class:
one reduction then serves all classes. Samples are the last axis, as they are where metrics write
the matrix: a processor reduces many of them at once.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_row
from .._types import Array, Float, Int, Labels, Num, PerSample
from ._base import PrototypeLabels, Winners, entries


def fold(
    delta: Float[Array, "n p"], labels: PrototypeLabels, fill: float = jnp.inf
) -> Float[Array, "c m n"]:
    """Group the columns by class; classes with fewer prototypes than others are filled up with
    `fill`."""
    counts = np.bincount(labels)
    if (counts == counts[0]).all():
        return delta.T.reshape(len(counts), counts[0], delta.shape[0])
    return jnp.pad(delta.T, ((0, 1), (0, 0)), constant_values=fill)[class_columns(labels)]


def class_columns(labels: PrototypeLabels) -> Int[np.ndarray, "c m"]:
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


def nearest_of_classes(delta: Float[Array, "n p"], labels: PrototypeLabels) -> Int[Array, "n c"]:
    """Which prototype is the nearest one, class by class; the first of equals."""
    columns, members = jnp.asarray(class_columns(labels)), nearest_row(fold(delta, labels))
    return jnp.take_along_axis(columns, members, axis=1).T


def class_logsumexp(logits: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
    """The logarithm of each class's total of exp(logits)."""
    if len(labels) == labels[-1] + 1:
        return logits
    return log_total(fold(logits, labels, -jnp.inf), axis=1).T


def log_total(logits: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """log Σ exp(logits) over one axis.

    Beside `jax.nn.logsumexp`, it is safe when compiled: a logit and the largest one are perhaps
    computed twice, in other roundings, and the difference of large ones is then positive, and
    large.
    """
    largest = jax.lax.stop_gradient(jnp.max(logits, axis=axis, keepdims=True))
    shifted = logits - jnp.where(jnp.isfinite(largest), largest, 0)
    shifted = shifted - jax.lax.stop_gradient(jnp.maximum(shifted, 0))
    total = jnp.sum(jnp.exp(shifted), axis=axis)
    return jnp.squeeze(largest, axis) + jnp.log(total)


def own_class(grouped: Num[Array, "c *m n"], y: Labels) -> Num[Array, "*m n"]:
    """The entries of each sample's own class."""
    return jnp.take_along_axis(grouped, y.reshape(*[1] * (grouped.ndim - 1), -1), axis=0)[0]


def winners(
    delta: Float[Array, "n p"],
    labels: PrototypeLabels,
    y: Labels,
) -> tuple[PerSample, PerSample]:
    """d⁺ and d⁻: the nearest prototype of each sample's own class and the nearest of any other
    class.

    The derivative of a minimum is a one at the winner, the first of equals.
    """
    closest, rival = entries(delta, find_winners(jax.lax.stop_gradient(delta), labels, y))
    return closest, rival


def find_winners(delta: Float[Array, "n p"], labels: PrototypeLabels, y: Labels) -> Winners:
    """d⁺ and d⁻, and which prototypes these are."""
    columns, grouped = jnp.asarray(class_columns(labels)), fold(delta, labels)
    minima, members = jnp.min(grouped, axis=1), nearest_row(grouped)
    rivals = jnp.where(jnp.arange(len(minima))[:, None] == y[None], jnp.inf, minima)

    def winner(k: Array) -> tuple[Array, Array]:
        return own_class(minima, k), columns[k, own_class(members, k)]

    (closest, i), (rival, j) = winner(y), winner(nearest_row(rivals))
    return Winners(jnp.stack([closest, rival]), jnp.stack([i, j]))
