"""Distances to affine subspaces."""

from collections.abc import Callable

import numpy as np

from .._checks import (
    as_labels,
    known_value,
    of_kinds,
    of_values,
    on_device,
    present_samples,
    sample_numbers,
)
from .._constraints import Orthonormal
from .._module import as_declared, learned
from .._statistics import BLOCK
from .._types import Array, ArrayLike, Float, Int, Num
from ..manifolds import curved_coordinates, curved_squares
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Residual
from ._principal import completed, varying_directions


class Tangent(AbstractAdaptation):
    """\\(\\delta_j = \\lVert (I - B_jB_j^\\top)(x - w_j)\\rVert^2\\): the squared distance to an
    affine subspace through each prototype.

    **Arguments:**

    - `bases`: B_j, columns that span the subspaces, shape `(p, d, s)` with s < d; s = 0 is the
      Euclidean distance.

    Columns are orthonormalised, at first and after every update, without changing the subspace that
    they span.

    **Raises:** `ValueError` unless 0 ≤ s < d (with s = d every distance would be zero), or for
    columns that depend on each other.

    Source: S. Saralajew, T. Villmann, *Adaptive tangent distances in generalized learning vector
    quantization for transformation and distortion invariant classification learning*, IJCNN 2016.
    """

    bases: Float[Array, "p d s"] = learned(axis="prototype", constraint=Orthonormal())

    def __post_init__(self):
        self.bases = as_declared(self, "bases")
        _check_subspace(self.bases.shape[-1], self.bases.shape[-2])
        if self.bases.shape[-1]:
            self.bases = _orthonormal(self.bases)
            _refuse_dependent(self.bases)

    @classmethod
    @of_values
    @of_kinds
    def from_data(
        cls,
        x: Float[ArrayLike, "n ..."],
        prototypes: Prototypes,
        subspace_dim: int = 2,
        y: ArrayLike | None = None,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Tangent":
        """The directions of largest variance among the samples (of the class) nearest to each
        prototype.

        Where these vary in fewer than s directions, those of the whole class.

        **Arguments:**

        - `x`: samples, weighted by `sample_weight`, `(n,)`, if given: a weight is as many copies of
          a sample.
        - `prototypes`: the points that the subspaces go through.
        - `subspace_dim`: s.
        - `y`: the classes of the samples, if those of others do not count.

        **Raises:** `ValueError` unless 0 ≤ s < d, and if there is no sample of the class of a
        prototype.
        """
        _check_subspace(subspace_dim, prototypes.space.coordinate_size)
        x = np.asarray(sample_numbers(x, prototypes.space.point_shape))
        y = None if y is None else as_labels(y, len(x))
        weight, x, y = present_samples(x, sample_weight, y)

        nearest, labels, bases = _nearest(prototypes, x, y), prototypes.labels, []
        order = np.argsort(nearest, kind="stable")
        groups = np.split(order, np.searchsorted(nearest[order], np.arange(1, len(labels))))
        most = max(map(len, groups))

        def varying(mine: np.ndarray, j: int) -> np.ndarray:
            seen = displacements_from(prototypes, j, x[mine], most)
            return varying_directions(seen, None if weight is None else weight[mine])

        for j, mine in enumerate(groups):
            directions = (
                varying(mine, j) if len(mine) else np.zeros((prototypes.space.coordinate_size, 0))
            )
            if directions.shape[1] < subspace_dim:
                whole = np.arange(len(x)) if y is None else np.flatnonzero(y == labels[j])
                if len(whole) == 0:
                    raise ValueError(
                        f"`y` has no sample of class {labels[j]}, which prototype {j} stands for."
                    )
                directions = varying(whole, j)
            bases.append(completed(directions, subspace_dim))
        return cls(on_device(np.stack(bases), prototypes.points.dtype))

    @property
    def local(self) -> bool:
        return True

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Residual(self.bases)


def _nearest(prototypes: Prototypes, x: np.ndarray, y: np.ndarray | None) -> Int[np.ndarray, " n"]:
    """Which prototype (of its own class) is nearest to each sample."""
    winner = np.empty(len(x), int)
    # As many samples at a time as have few features and few prototypes.
    rows = max(1, BLOCK // max(x[0].size, len(prototypes)))
    points = np.asarray(prototypes.points, np.float64).reshape(len(prototypes), -1)
    centre = points.mean(axis=0)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        if prototypes.space.displacement_is_difference:
            # Without what all prototypes have in common.
            v, w = x[part].reshape(-1, points.shape[1]) - centre, points - centre
            squares = np.sum(w**2, axis=1) - 2 * v @ w.T
        else:
            squares = _padded(curved_squares, prototypes, x[part], prototypes.points)
        if y is not None:
            squares = np.where(y[part, None] == prototypes.labels, squares, np.inf)
        winner[part] = squares.argmin(axis=1)
    return winner


def displacements_from(
    prototypes: Prototypes, j: int, x: np.ndarray, most: int = 1
) -> Float[np.ndarray, "m k"]:
    """Samples as seen from a prototype; in a flat space, from wherever they are. Prototypes that
    are asked with the same `most`, which is as many samples as one of them sees, share a program.
    """
    if prototypes.space.displacement_is_difference:
        return x.reshape(len(x), -1)
    point = np.asarray(prototypes.points)[j : j + 1]
    return _padded(curved_coordinates, prototypes, x, point, most)[:, 0]


def _padded(
    function: Callable, prototypes: Prototypes, x: np.ndarray, points: ArrayLike, most: int = 1
) -> np.ndarray:
    """Repeated up to a power of two: what is computed has few shapes, and each is compiled once."""
    filled = np.resize(np.arange(len(x)), 1 << (max(len(x), most) - 1).bit_length())
    return function(prototypes.space, points, x[filled])[: len(x)]


def _orthonormal(bases: Float[Array, "p d s"]) -> Float[Array, "p d s"]:
    """The same subspaces by orthonormal columns, each on its side of those before it; by NumPy
    where they are known, in double precision and without a program."""
    known = known_value(bases)
    if known is None:
        return Orthonormal().project(bases)
    known = known.astype(np.float64)
    columns, triangle = np.linalg.qr(known)
    left = np.diagonal(triangle, axis1=-2, axis2=-1)
    # What is left of a column beside those before it may be rounding, and then has no direction.
    rounding = known.shape[-2] * float(np.finfo(bases.dtype).eps)
    sides = np.where(np.abs(left) > rounding * np.linalg.norm(known, axis=-2), np.sign(left), 0)
    return on_device(columns * sides[:, None, :], bases.dtype)


def _refuse_dependent(bases: Float[Array, "p d s"]) -> None:
    known = known_value(bases)
    if known is not None:
        gram = np.einsum("pds,pdt->pst", known, known)
        worst = np.abs(gram - np.eye(known.shape[-1])).max(axis=(1, 2))
        if not (worst < 1e-3).all():
            raise ValueError(
                f"`bases`: the columns of basis {int(np.argmax(~(worst < 1e-3)))} depend on each "
                f"other."
            )


def _check_subspace(s: int, d: int) -> None:
    if not 0 <= s < d:
        raise ValueError(
            f"`subspace_dim` must lie between 0 and {d - 1}, one less than the number of features, "
            f"got {s}."
        )
