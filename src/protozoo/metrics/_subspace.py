"""A fixed orthogonal projection."""

import jax.numpy as jnp
import numpy as np

from .._module import hyper
from .._types import Array, ArrayLike, Float
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Dense


class Subspace(AbstractAdaptation):
    """\\(\\delta = \\lVert (x - w)\\,U \\rVert^2\\), U orthonormal and never learned.

    `Chain(Subspace.spanned_by(x), Omega.identity(r))` is a relevance matrix with null-space correction: directions in which
    the data do not vary (there always are some if n ≤ d) are nothing to the loss, and would otherwise stay in Ω as they were
    at first, disturb its relevances, and count for new samples.

    **Arguments:**

    - `basis`: U, orthonormal columns, shape `(d, r)`.

    Source: M. Strickert, B. Hammer, T. Villmann, M. Biehl, *Regularization and improved interpretation of linear data mappings
    and adaptive distance measures*, IEEE CIDM 2013.
    """

    basis: Float[Array, "d r"] = hyper()

    @classmethod
    def spanned_by(cls, x: Float[ArrayLike, "n ..."]) -> "Subspace":
        """The directions in which samples vary, to the precision of their dtype; those of largest variance first.

        **Raises:** `ValueError` if all samples are equal.
        """
        x = np.asarray(x)
        x = x.reshape(len(x), -1)
        eps = np.finfo(x.dtype if x.dtype.kind == "f" else np.float32).eps
        _, scale, directions = np.linalg.svd(x.astype(np.float64) - x.mean(axis=0, dtype=np.float64), full_matrices=False)
        rank = int(np.sum(scale > scale[0] * max(x.shape) * eps))
        if rank == 0:
            raise ValueError("`x` spans nothing: all samples are equal.")
        return cls(jnp.asarray(directions[:rank].T, jnp.result_type(float)))

    @property
    def rank(self) -> int:
        """r, the number of directions."""
        return self.basis.shape[1]

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.basis)
