"""How far is a sample from each prototype?"""

from ._base import (
    AbstractAdaptation as AbstractAdaptation,
    AbstractClosedForm as AbstractClosedForm,
    AbstractMetric as AbstractMetric,
    AbstractQuadratic as AbstractQuadratic,
    Moments as Moments,
)
from ._chain import Chain as Chain
from ._gaussian_kernel import GaussianKernel as GaussianKernel
from ._linear_maps import AbstractLinearMap as AbstractLinearMap
from ._mahalanobis import Mahalanobis as Mahalanobis
from ._omega import LocalOmega as LocalOmega, Omega as Omega
from ._relevance import Relevance as Relevance
from ._squared_euclidean import SquaredEuclidean as SquaredEuclidean
