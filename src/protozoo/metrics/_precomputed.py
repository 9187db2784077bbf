"""Dissimilarities that were computed elsewhere."""

from typing import ClassVar

from .._argmin import nearest_column
from .._types import Array, Float
from ..prototypes import Prototypes
from ._base import AbstractMetric


class Precomputed(AbstractMetric):
    """\\(\\delta_{ij} = D_{i,r(j)}\\): a sample is its row of dissimilarities to N reference
    samples, and each prototype is one of these references, \\(r(j)\\).

    Samples have shape `(n, N)`: to train, all rows of the (N, N) matrix; to predict, the
    dissimilarities of new samples to the same N. A prototype, too, is stored as its row, and is
    known by where it is smallest, its dissimilarity to itself. Anything will do that is zero on the
    diagonal and positive elsewhere (or zero, between samples that are equal).

    It cannot be differentiated; `MedianOptimization` exchanges prototypes for other samples.

    Source: T. Kohonen, P. Somervuo, *How to make large self-organizing maps for nonvectorial data*,
    Neural Networks 15, 2002.
    """

    differentiable: ClassVar[bool] = False
    takes_dissimilarities: ClassVar[bool] = True

    def __call__(self, x: Float[Array, "n N"], prototypes: Prototypes) -> Float[Array, "n p"]:
        return x[:, nearest_column(prototypes.points)]
