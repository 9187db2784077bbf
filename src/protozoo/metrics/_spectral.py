"""Relevances of what no isometry changes."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, on_device, positive_integer
from .._module import AbstractScaleFree, learned
from .._types import Array, Float
from ..manifolds import AbstractSpectral
from ..prototypes import Prototypes
from ._base import AbstractMetric


class SpectralRelevance(AbstractMetric, AbstractScaleFree):
    """\\(\\delta = \\sum_i \\lambda_i\\,\\theta_i^2\\) with \\(\\lambda = \\mathrm{softmax}(r)\\):
    relevances of the numbers that no isometry changes.

    On subspaces these are the principal angles, on rotations the angles of the planes that are
    turned, on positive definite matrices the logarithms of eigenvalues, each in ascending order. A
    metric of this kind is as invariant as the geodesic distance, which it is, but for a factor,
    where all relevances are equal.

    **Arguments:**

    - `logits`: r, shape `(r,)`, as many as the rank of the space.

    **Raises:** `ValueError`, when it is used, for points of a space that has no such numbers or
    another rank.

    Source: M. Mohammadi, M. Babai, M. Wilkinson, *Generalized relevance learning Grassmann
    quantization*, arXiv, 2024.
    """

    logits: Float[Array, " r"] = learned()
    degree: ClassVar[int] = 0

    @classmethod
    @of_kinds
    def uniform(cls, rank: int) -> "SpectralRelevance":
        """Equal relevances 1/r."""
        positive_integer(rank, "rank")
        return cls(on_device(np.zeros(rank), float))

    @property
    def relevances(self) -> Float[Array, " r"]:
        """λ: positive, with sum one."""
        return jax.nn.softmax(self.logits)

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        space = prototypes.space
        if not isinstance(space, AbstractSpectral):
            raise ValueError(
                f"of two points of {space}, there is no number but their distance: choose "
                f"`SquaredEuclidean`."
            )
        if len(self.logits) != space.rank:
            raise ValueError(
                f"`logits` must have shape ({space.rank},), the rank of {space}, got "
                f"{self.logits.shape}."
            )
        numbers = space.spectrum(prototypes.points, x)
        return jnp.sum(self.relevances[None, None] * numbers**2, axis=-1)
