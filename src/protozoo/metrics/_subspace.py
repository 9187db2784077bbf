"""A fixed orthogonal projection."""

import numpy as np

from .._checks import known_value, of_values, on_device, present_samples
from .._module import hyper
from .._types import Array, ArrayLike, Float, Num
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Dense
from ._principal import flat, varying_directions


class Subspace(AbstractAdaptation):
    """\\(\\delta = \\lVert (x - w)\\,U \\rVert^2\\), U orthonormal and never learned.

    `Chain(Subspace.spanned_by(x), Omega.identity(r))` is a relevance matrix with null-space
    correction: directions in which the data do not vary (there always are some if n ≤ d) are
    nothing to the loss, and would otherwise stay in Ω as they were at first, disturb its
    relevances, and count for new samples.

    **Arguments:**

    - `basis`: U, orthonormal columns, shape `(d, r)`.

    **Raises:** `ValueError` for columns that are not orthonormal.

    Source: M. Strickert, B. Hammer, T. Villmann, M. Biehl, *Regularization and improved
    interpretation of linear data mappings and adaptive distance measures*, IEEE CIDM 2013.
    """

    basis: Float[Array, "d r"] = hyper()

    def __check_init__(self):
        known = known_value(self.basis)
        if known is not None and not np.allclose(
            known.T @ known, np.eye(known.shape[1]), atol=1e-3
        ):
            raise ValueError(
                "`basis` must have orthonormal columns: `np.linalg.qr(basis)[0]` spans the same "
                "with such."
            )

    @classmethod
    @of_values
    def spanned_by(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "Subspace":
        """The directions in which samples vary, to the precision of their dtype; those of largest
        variance first.

        **Arguments:**

        - `x`: samples; those with a `sample_weight`, `(n,)`, of zero are left out.

        **Raises:** `ValueError` if all samples are equal.
        """
        x = flat(x)
        weight, x, _ = present_samples(x, sample_weight)
        directions = varying_directions(x, weight)
        if directions.shape[1] == 0:
            raise ValueError("`x` spans nothing: all samples are equal.")
        return cls(on_device(directions))

    @property
    def rank(self) -> int:
        """r, the number of directions."""
        return self.basis.shape[1]

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.basis)
