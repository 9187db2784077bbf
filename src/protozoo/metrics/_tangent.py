"""Distances to affine subspaces."""

import jax.numpy as jnp
import numpy as np

from .._checks import as_floats, known_value
from .._module import AbstractConstrained, learned, replaced
from .._types import Array, ArrayLike, Float, PyTree
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Residual


class Tangent(AbstractAdaptation, AbstractConstrained):
    """\\(\\delta_j = \\lVert (I - B_jB_j^\\top)(x - w_j)\\rVert^2\\): the squared distance to an affine subspace through each
    prototype.

    **Arguments:**

    - `bases`: B_j, columns that span the subspaces, shape `(p, d, s)` with s < d; s = 0 is the Euclidean distance.

    Columns are orthonormalised, at first and after every update, without changing the subspace that they span.

    **Raises:** `ValueError` unless 0 ≤ s < d (with s = d every distance would be zero), or for columns that depend on each
    other.

    Source: S. Saralajew, T. Villmann, *Adaptive tangent distances in generalized learning vector quantization for
    transformation and distortion invariant classification learning*, IJCNN 2016.
    """

    bases: Float[Array, "p d s"] = learned()

    def __post_init__(self):
        self.bases = as_floats(self.bases, "bases")
        _check_subspace(self.bases.shape[-1], self.bases.shape[-2])
        if self.bases.shape[-1]:
            self.bases = _orthonormal(self.bases)
            _refuse_dependent(self.bases)

    @classmethod
    def from_data(
        cls, x: Float[ArrayLike, "n d"], prototypes: Prototypes, subspace_dim: int = 2, y: ArrayLike | None = None
    ) -> "Tangent":
        """The directions of largest variance among the samples (of the class) nearest to each prototype.

        A prototype with fewer than s + 1 such samples takes those of its whole class.
        """
        # In NumPy wherever an index is a number: JAX would compile a program for each.
        space, d, x, points = prototypes.space, prototypes.space.dimension, np.asarray(x), np.asarray(prototypes.points)
        _check_subspace(subspace_dim, d)
        squared = np.asarray(space.squared_distances(prototypes.points, jnp.asarray(x)))
        own = np.ones(squared.shape, bool) if y is None else np.asarray(y)[:, None] == prototypes.labels
        nearest = np.where(own, squared, np.inf).argmin(axis=1)
        bases = []
        for j in range(len(prototypes)):
            mine = np.flatnonzero(own[:, j] & (nearest == j))
            mine = mine if len(mine) > subspace_dim else np.flatnonzero(own[:, j])
            # Repeated up to a power of two: what is computed has few shapes, and each is compiled once.
            filled = np.resize(mine, 1 << (len(mine) - 1).bit_length())
            v = space.coordinates(jnp.asarray(points[j : j + 1]), jnp.asarray(x[filled]))
            v = np.asarray(v, np.float64)[: len(mine), 0]
            directions = np.linalg.eigh(np.cov(v.T, bias=True).reshape(d, d))[1]
            bases.append(directions[:, ::-1][:, :subspace_dim])
        return cls(jnp.asarray(np.stack(bases), prototypes.points.dtype))

    @property
    def local(self) -> bool:
        return True

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Residual(self.bases)

    # A frozen basis was taken out of the tree, and leaves `None`.

    def chart(self) -> "Tangent":
        return self

    def pull(self, gradient: PyTree) -> "Tangent":
        # A change within the span is no change of a subspace: `Residual` has no derivative along it.
        return gradient

    def retract(self, base: PyTree) -> "Tangent":
        return self.project()

    def project(self) -> "Tangent":
        if self.bases is None or self.bases.shape[-1] == 0:
            return self
        return replaced(self, bases=_orthonormal(self.bases))


def _orthonormal(bases: Float[Array, "p d s"]) -> Float[Array, "p d s"]:
    """Gram and Schmidt's columns, each freed twice of those before it for full precision.

    They are smooth where the columns are orthonormal already, as a line search has them; the derivatives of singular vectors,
    by which the polar factor is found, are infinite there.
    """
    columns = []
    for column in jnp.moveaxis(bases, -1, 0):
        # Sums of products are faster than the many tiny matrices of a factorisation.
        for before in 2 * columns:
            column = column - jnp.sum(before * column, axis=-1, keepdims=True) * before
        columns.append(column / jnp.sqrt(jnp.sum(column**2, axis=-1, keepdims=True)))
    return jnp.stack(columns, axis=-1)


def _refuse_dependent(bases: Float[Array, "p d s"]) -> None:
    known = known_value(bases)
    if known is not None:
        gram = np.einsum("pds,pdt->pst", known, known)
        worst = np.abs(gram - np.eye(known.shape[-1])).max(axis=(1, 2))
        if not (worst < 1e-3).all():
            raise ValueError(f"`bases`: the columns of basis {int(np.argmax(~(worst < 1e-3)))} depend on each other.")


def _check_subspace(s: int, d: int) -> None:
    if not 0 <= s < d:
        raise ValueError(f"`subspace_dim` must lie between 0 and {d - 1}, one less than the number of features, got {s}.")
