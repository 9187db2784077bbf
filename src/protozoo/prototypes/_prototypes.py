"""Labelled points in a space."""

from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import numpy as np
from jax.core import Tracer

from .._checks import (
    as_floats,
    as_key,
    as_labels,
    as_numbers,
    of_kind,
    of_kinds,
    of_values,
    present_samples,
    sample_numbers,
    values_of,
)
from .._module import learned, part, replaced, static
from .._types import Array, ArrayLike, Float, Int, Num, PRNGKeyArray
from ..manifolds import AbstractManifold, Euclidean, OnManifold
from ._initialisers import initialise


class Prototypes(eqx.Module):
    """p points of a space, grouped by the class that each of them represents.

    **Arguments:**

    - `points`: `(p, *space.point_shape)`.
    - `labels`: p integers 0…c-1 in ascending order, every class at least once; `None` for points
      without classes (clusters), each of which then stands for itself.
    - `space`: where the points live; flat by default.

    The labels are part of the model's structure, not of its arrays: which columns of the
    dissimilarity matrix belong to which class is known when a program is compiled, so that pooling
    over a class is one reduction.

    Points are trained in their space (`manifolds.OnManifold`).

    **Raises:** `ValueError` for points that do not lie in the space, labels that are not grouped, a
    class without points.
    """

    points: Float[Array, "p ..."] = learned(
        axis="prototype", constraint=lambda prototypes: OnManifold(prototypes.space)
    )
    space: AbstractManifold = part()
    counts: tuple[int, ...] | None = static()

    def __init__(
        self,
        points: Float[ArrayLike, "p ..."],
        labels: ArrayLike | Sequence[int] | None = None,
        space: AbstractManifold | None = None,
    ):
        self.points = as_floats(points, "points")
        if self.points.ndim < 2 or self.points.size == 0:
            raise ValueError(
                f"`points` must have shape (p, *point_shape) with p > 0, got {self.points.shape}."
            )
        self.space = of_kind(
            Euclidean(self.points.shape[1:]) if space is None else space, AbstractManifold, "space"
        )
        if self.points.shape[1:] != self.space.point_shape:
            raise ValueError(
                f"`points` of shape {self.points.shape} are not points of {self.space}: each must "
                f"have shape {self.space.point_shape}."
            )
        if not isinstance(self.points, Tracer) and (violation := self.space.violation(self.points)):
            raise ValueError(f"`points` do not lie in {self.space}: {violation}")
        self.counts = (
            None
            if labels is None
            else _class_counts(values_of(as_numbers(labels, "labels"), "labels"), len(self.points))
        )

    def __check_init__(self):
        # What was read from a file has not been through the constructor.
        counts = self.counts
        if counts is None:
            return
        whole = isinstance(counts, tuple) and all(
            isinstance(one, int | np.integer) and one > 0 for one in counts
        )
        if not whole or sum(counts) != len(self.points):
            raise ValueError(
                f"`counts` must be positive integers that add up to {len(self.points)}, the number "
                f"of points, got {str(counts):.60}."
            )

    @classmethod
    @of_values
    @of_kinds
    def from_classes(
        cls,
        x: Float[ArrayLike, "n ..."],
        y: Int[ArrayLike, " n"],
        per_class: int | Mapping[int, int] = 1,
        *,
        key: PRNGKeyArray | int,
        initialiser: str | Callable = "samples",
        space: AbstractManifold | None = None,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Prototypes":
        """Prototypes chosen class by class.

        **Arguments:**

        - `x`, `y`: samples and their classes 0…c-1.
        - `per_class`: how many for each class: a number, or a mapping from class to number.
        - `key`: a random key.
        - `initialiser`: `"samples"`, `"means"` or `"kmeans++"`, or a function
          `(x, count, key, space) -> points` that is given the samples of one class. If it has an
          argument `weight`, it is also given their weights, unless they are all equal; otherwise
          weights other than zero mean nothing to it.
        - `space`: where x lives; flat by default.
        - `sample_weight`: one for each sample, not negative. Samples of weight zero are left out;
          means are weighted, and random choices have probabilities proportional to weights.

        **Raises:** `ValueError` if a class is empty or smaller than the number of prototypes asked
        of it, for weights that are negative, and for points of another shape than was asked for.
        """
        x, space = _placed(x, space, sample_weight)
        labels = as_labels(y, len(x))
        points, labels = initialise(
            x, labels, per_class, as_key(key), initialiser, space, sample_weight, "per_class"
        )
        return cls(points, labels, space)

    @classmethod
    @of_values
    @of_kinds
    def from_samples(
        cls,
        x: Float[ArrayLike, "n ..."],
        count: int,
        *,
        key: PRNGKeyArray | int,
        initialiser: str | Callable = "kmeans++",
        space: AbstractManifold | None = None,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Prototypes":
        """`count` prototypes without classes; the arguments are those of `from_classes`."""
        x, space = _placed(x, space, sample_weight)
        one = np.zeros(len(x), np.int8)
        points, _ = initialise(
            x, one, count, as_key(key), initialiser, space, sample_weight, "count"
        )
        return cls(points, None, space)

    @property
    def labels(self) -> Int[np.ndarray, " p"]:
        """The class of each prototype; of unlabelled prototypes, their own index."""
        if self.counts is None:
            return np.arange(len(self))
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def classes(self) -> int:
        """The number c of classes; of unlabelled prototypes, p."""
        return len(self) if self.counts is None else len(self.counts)

    @property
    def labelled(self) -> bool:
        """Whether the prototypes stand for classes rather than for themselves."""
        return self.counts is not None

    def __len__(self) -> int:
        return self.points.shape[0]

    def moved(
        self, points: Float[Array, "p ..."], space: AbstractManifold | None = None
    ) -> "Prototypes":
        """The same classes at other points, perhaps of another space."""
        return replaced(self, points=points, space=self.space if space is None else space)


def _placed(
    x: ArrayLike, space: AbstractManifold | None, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, AbstractManifold]:
    """Samples as they are, not copied, and the space they live in."""
    x = np.asarray(sample_numbers(x))
    present_samples(x, sample_weight)
    placed: AbstractManifold = of_kind(
        Euclidean(x.shape[1:]) if space is None else space, AbstractManifold, "space"
    )
    if x.shape[1:] != placed.point_shape:
        raise ValueError(
            f"`x` must have shape (n, *{placed.point_shape}) to lie in {placed}, got {x.shape}."
        )
    return x, placed


def _class_counts(labels: np.ndarray, p: int) -> tuple[int, ...]:
    if labels.shape != (p,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be {p} integers, one for each point, got shape {labels.shape} of "
            f"{labels.dtype}."
        )
    if labels.min() < 0 or np.any(np.diff(labels) < 0):
        raise ValueError(
            "`labels` must be non-negative and in ascending order; sort both: "
            "`order = np.argsort(labels, kind='stable')`, then `points[order]`, `labels[order]`."
        )
    counts = np.bincount(labels)
    if not counts.all():
        missing = int(np.flatnonzero(counts == 0)[0])
        raise ValueError(
            f"`labels`: class {missing} has no prototype; classes must be 0…{len(counts) - 1} "
            f"without gaps."
        )
    return tuple(int(c) for c in counts)
