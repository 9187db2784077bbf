"""What the dissimilarities should be, and what they mean."""

from .._namespace import public as _public
from ._base import (
    AbstractLoss as AbstractLoss,
    AbstractSampleLoss as AbstractSampleLoss,
    AbstractWinnerLoss as AbstractWinnerLoss,
    Winners as Winners,
    nearness as nearness,
)
from ._cbc import CBC as CBC
from ._clustering import (
    ClasswiseClustering as ClasswiseClustering,
    Fuzzy as Fuzzy,
    HardClustering as HardClustering,
)
from ._cooperative import Cooperative as Cooperative
from ._cross_entropy import CrossEntropy as CrossEntropy
from ._decision import AbstractDecision as AbstractDecision
from ._glvq import GLVQ as GLVQ
from ._lvq import LVQ1 as LVQ1, LVQ21 as LVQ21
from ._mixture import Mixture as Mixture
from ._nearest_neighbours import NearestNeighbours as NearestNeighbours
from ._pooling import (
    class_logsumexp as class_logsumexp,
    class_minimum as class_minimum,
    winners as winners,
)
from ._soft import RSLVQ as RSLVQ, AbstractSoftLoss as AbstractSoftLoss, SoftLVQ as SoftLVQ
from ._transfer import identity as identity, sigmoid as sigmoid, swish as swish


__all__ = _public(globals())
