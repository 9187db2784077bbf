"""One learned weight for each feature."""

import jax
import numpy as np
import optax

from .._checks import of_kinds, on_device, positive_integer
from .._module import learned
from .._types import Array, Float
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Scale


class Relevance(AbstractAdaptation):
    """\\(\\delta = \\sum_j \\lambda_j (x_j - w_j)^2\\) with \\(\\lambda = \\mathrm{softmax}(r)\\),
    on the simplex by construction.

    **Arguments:**

    - `logits`: r, shape `(d,)`: coordinates of the displacement (of the tangent space, in a curved
      space).

    Source: B. Hammer, T. Villmann, *Generalized relevance learning vector quantization*, Neural
    Networks 15, 2002.
    """

    logits: Float[Array, " d"] = learned()

    @classmethod
    @of_kinds
    def uniform(cls, dimension: int) -> "Relevance":
        """Equal relevances 1/d."""
        positive_integer(dimension, "dimension")
        return cls(on_device(np.zeros(dimension), float))

    @property
    def relevances(self) -> Float[Array, " d"]:
        """λ: positive, with sum one."""
        return jax.nn.softmax(self.logits)

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Scale(self.relevances)


class SparseRelevance(AbstractAdaptation):
    """\\(\\delta = \\sum_j \\lambda_j (x_j - w_j)^2\\) with λ the projection of r onto the simplex:
    relevances can be exactly zero.

    **Arguments:**

    - `logits`: r, shape `(d,)`.

    Source: Hammer & Villmann 2002 (see `Relevance`), where negative relevances are cut and the rest
    rescaled; the projection: A. Martins, R. Astudillo, *From softmax to sparsemax: a sparse model
    of attention and multi-label classification*, ICML 2016.
    """

    logits: Float[Array, " d"] = learned()

    @classmethod
    @of_kinds
    def uniform(cls, dimension: int) -> "SparseRelevance":
        """Equal relevances 1/d."""
        positive_integer(dimension, "dimension")
        return cls(on_device(np.full(dimension, 1 / dimension), float))

    @property
    def relevances(self) -> Float[Array, " d"]:
        """λ: non-negative, with sum one."""
        return optax.projections.projection_simplex(self.logits)

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Scale(self.relevances)
