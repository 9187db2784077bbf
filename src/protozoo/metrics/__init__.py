"""How far is a sample from each prototype?"""

from .._module import (
    AbstractHomogeneous as AbstractHomogeneous,
    AbstractScaleFree as AbstractScaleFree,
)
from .._namespace import public as _public
from ._base import (
    AbstractAdaptation as AbstractAdaptation,
    AbstractCentroidal as AbstractCentroidal,
    AbstractLinearlyAdapted as AbstractLinearlyAdapted,
    AbstractMetric as AbstractMetric,
    AbstractMixing as AbstractMixing,
    AbstractQuadratic as AbstractQuadratic,
    AbstractSaturating as AbstractSaturating,
    AbstractSeminorm as AbstractSeminorm,
    relative_dissimilarities as relative_dissimilarities,
)
from ._chain import Chain as Chain
from ._closed_form import (
    AbstractClosedForm as AbstractClosedForm,
    Moments as Moments,
    Step as Step,
)
from ._covariances import (
    AbstractCovariances as AbstractCovariances,
    AbstractTriangular as AbstractTriangular,
    AbstractVariances as AbstractVariances,
    Diagonal as Diagonal,
    Full as Full,
    Spherical as Spherical,
    Tied as Tied,
)
from ._exponential_kernel import ExponentialKernel as ExponentialKernel
from ._gaussian_kernel import (
    AbstractKernel as AbstractKernel,
    GaussianKernel as GaussianKernel,
    TangentExponentialKernel as TangentExponentialKernel,
)
from ._linear_maps import (
    AbstractApplied as AbstractApplied,
    AbstractExpanded as AbstractExpanded,
    AbstractLinearMap as AbstractLinearMap,
    Composed as Composed,
    Dense as Dense,
    Identity as Identity,
    Residual as Residual,
    Scale as Scale,
)
from ._mahalanobis import Mahalanobis as Mahalanobis
from ._missing import Missing as Missing
from ._norms import Cosine as Cosine, LpNorm as LpNorm
from ._omega import (
    AbstractOmega as AbstractOmega,
    ClassOmega as ClassOmega,
    LocalOmega as LocalOmega,
    Omega as Omega,
)
from ._precomputed import Precomputed as Precomputed
from ._relational import Relational as Relational, dissimilarities_of as dissimilarities_of
from ._relevance import Relevance as Relevance, SparseRelevance as SparseRelevance
from ._spectral import SpectralRelevance as SpectralRelevance
from ._squared_euclidean import SquaredEuclidean as SquaredEuclidean
from ._subspace import Subspace as Subspace
from ._tangent import Tangent as Tangent
from ._units import OwnUnits as OwnUnits, own_units as own_units
from ._wasserstein import Wasserstein as Wasserstein


__all__ = _public(globals())
