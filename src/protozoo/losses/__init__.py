"""What the dissimilarities should be, and what they mean."""

from .._namespace import public as _public
from ._base import (
    AbstractLoss as AbstractLoss,
    AbstractMemberships as AbstractMemberships,
    AbstractSampleLoss as AbstractSampleLoss,
    AbstractTypicalities as AbstractTypicalities,
    AbstractWinnerLoss as AbstractWinnerLoss,
    Winners as Winners,
    nearness as nearness,
)
from ._cbc import (
    CBC as CBC,
    AbstractComponents as AbstractComponents,
    AbstractStable as AbstractStable,
    RobustStableCBC as RobustStableCBC,
    StableCBC as StableCBC,
)
from ._clustering import (
    ClasswiseClustering as ClasswiseClustering,
    Fuzzy as Fuzzy,
    HardClustering as HardClustering,
)
from ._cooperative import Cooperative as Cooperative
from ._cross_entropy import CrossEntropy as CrossEntropy
from ._decision import AbstractDecision as AbstractDecision
from ._glvq import GLVQ as GLVQ
from ._hypothesis_margin import HypothesisMargin as HypothesisMargin
from ._lvq import LVQ1 as LVQ1, LVQ21 as LVQ21
from ._mixture import Mixture as Mixture
from ._nearest_neighbours import NearestNeighbours as NearestNeighbours
from ._one_class import (
    SVQOCC as SVQOCC,
    AbstractOneClass as AbstractOneClass,
    ContrastiveSVQOCC as ContrastiveSVQOCC,
    DataDescription as DataDescription,
    OneClass as OneClass,
    RejectedShare as RejectedShare,
)
from ._open_set import (
    AbstractVisibility as AbstractVisibility,
    Calibrated as Calibrated,
    Level as Level,
    OpenSet as OpenSet,
    Radii as Radii,
)
from ._pooling import (
    class_logsumexp as class_logsumexp,
    class_minimum as class_minimum,
    winners as winners,
)
from ._possibilistic import (
    Columnwise as Columnwise,
    Possibilistic as Possibilistic,
    Saturated as Saturated,
)
from ._radial import AbstractRadial as AbstractRadial, Cauchy as Cauchy, Welsch as Welsch
from ._soft import RSLVQ as RSLVQ, AbstractSoftLoss as AbstractSoftLoss, SoftLVQ as SoftLVQ
from ._sum import Sum as Sum
from ._transfer import identity as identity, sigmoid as sigmoid, swish as swish


__all__ = _public(globals())
