"""What every feature of a sample contributes to its dissimilarities."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, of_values, positive_integer
from .._module import static
from .._products import flattened
from .._types import Array, ArrayLike, Float, Int
from ..losses.internal import nearest_of_classes
from ..metrics import AbstractMetric, AbstractQuadratic, Missing
from ._model import PrototypeModel, Seen


#: How many numbers of prototypes' own maps are held at a time.
TOGETHER = 2**20


class Contributions(NamedTuple):
    """Dissimilarities as sums over features: `distances = features.sum(axis=-1) + constant`.

    - `prototypes`: the numbers of each sample's nearest prototypes, the nearest one first,
      `(n, k)`.
    - `distances`: δ of these, `(n, k)`.
    - `features`: what each feature adds to δ, `(n, k, d)`. Below zero where a feature makes up for
      others that it goes together with.
    - `constant`: δ of a sample at the place of the prototype, `(n, k)`: zero but for densities,
      where it is what a volume costs.
    """

    prototypes: Int[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]
    features: Float[np.ndarray, "n k d"]
    constant: Float[np.ndarray, "n k"]


@of_values
@of_kinds
def contributions(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], nearest: int = 1, per_class: bool = False
) -> Contributions:
    """What every feature of a sample contributes to δ: an explanation that adds up.

    With v the displacement of a sample from a prototype, \\(\\lVert vA\\rVert^2 = \\sum_i v_i
    (v\\Lambda)_i\\), of which feature i has its term. Where δ is a function of this sum that is
    zero with it (a kernel), every feature has the same share of δ as of the sum: what it adds to δ
    on the straight way from the prototype to the sample (the attribution of Aumann and Shapley).

    **Arguments:**

    - `model`: a model with a quadratic metric in a flat space.
    - `x`: samples. Behind an encoder, features are those of its output.
    - `nearest`: k, how many prototypes to tell of.
    - `per_class`: whether the nearest prototype of each class alone is told of: with k = 2, what
      speaks for a class, and what for its rival.

    **Raises:** `ValueError` for another metric and in a curved space, where features have no terms
    of their own, and for more prototypes (or classes) than there are.

    Source: M. Sundararajan, A. Taly, Q. Yan, *Axiomatic attribution for deep networks*, ICML 2017.
    """
    prototypes, metric = model.encoded_prototypes(), model.metric
    if not isinstance(_quadratic(metric), AbstractQuadratic):
        raise ValueError(
            f"`contributions` needs a quadratic metric: δ of {type(metric).__name__} is no sum of "
            "terms of features."
        )
    if not prototypes.space.displacement_is_difference:
        raise ValueError(
            f"`contributions` needs a flat space: points of {prototypes.space} have no features "
            "that could have terms of their own."
        )
    positive_integer(nearest, "nearest")
    count, of = (
        (prototypes.classes, "classes of its prototypes")
        if per_class
        else (len(prototypes), "prototypes")
    )
    if nearest > count:
        raise ValueError(f"`nearest` is {nearest}, and the model has {count} {of}.")
    found = model.ask(_Contributing(nearest, per_class), x)
    return Contributions(*(np.asarray(one) for one in found))


class _Contributing(eqx.Module):
    """The question; equal ones are one compiled program."""

    nearest: int = static()
    per_class: bool = static()

    def __call__(self, seen: Seen) -> tuple[Array, Array, Array, Array]:
        units, delta = seen.judge.units, seen.distances()
        metric: Any = _quadratic(units.metric)
        prototypes = units.prototypes
        columns = self._columns(delta, prototypes.labels)
        delta = jnp.take_along_axis(delta, columns, axis=1)
        terms = _terms(metric, flattened(units.of(seen.points)), prototypes, columns)
        squared = jnp.sum(terms, axis=-1)
        constant = metric.radial(jnp.zeros_like(squared), prototypes, columns) * units.factor
        # As shares of δ itself: they add up to the very number that the model decides by.
        share = jnp.where(squared > 0, (delta - constant) / jnp.where(squared > 0, squared, 1), 0)
        constant = jnp.where(squared > 0, constant, delta)
        return columns, delta, terms * share[..., None], constant

    def _columns(self, delta: Float[Array, "n p"], labels: np.ndarray) -> Int[Array, "n k"]:
        candidates = jnp.broadcast_to(jnp.arange(delta.shape[1])[None], delta.shape)
        if self.per_class:
            candidates = nearest_of_classes(delta, labels)
        there = jnp.take_along_axis(delta, candidates, axis=1)
        best = jax.lax.top_k(-there, self.nearest)[1]
        return jnp.take_along_axis(candidates, best, axis=1)


def _quadratic(metric: AbstractMetric) -> AbstractMetric:
    """The metric of the features that are there."""
    return metric.metric if isinstance(metric, Missing) else metric


def _terms(
    metric: AbstractQuadratic, x: Float[Array, "n d"], prototypes: Any, columns: Int[Array, "n k"]
) -> Float[Array, "n k d"]:
    """\\(v_i (v\\Lambda)_i\\): half of each feature times the derivative of the squared norm by
    it."""
    linear, points = metric.linear_map(prototypes), flattened(prototypes.points)

    def of_pair(pair: tuple[Array, Array]) -> Float[Array, " d"]:
        row, j = pair
        v = row - points[j]
        v = jnp.where(jnp.isnan(v), 0, v)  # a gap adds nothing
        one = jax.tree.map(lambda a: a[j], linear) if metric.local else linear
        return 0.5 * v * jax.grad(one.squared_norm)(v)

    n, k = columns.shape
    pairs = jnp.repeat(x, k, axis=0), columns.reshape(-1)
    if not metric.local:
        return jax.vmap(lambda *pair: of_pair(pair))(*pairs).reshape(n, k, -1)
    # Never a map for every pair.
    each = sum(leaf.size // len(leaf) for leaf in jax.tree.leaves(linear))
    return jax.lax.map(of_pair, pairs, batch_size=max(1, TOGETHER // max(each, 1))).reshape(
        n, k, -1
    )
