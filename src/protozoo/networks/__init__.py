"""Recurrent networks of simple units, whose synapses learn from what they see of the network:
locally."""

from .._namespace import public as _public
from ._constraints import (
    AbstractSubspace as AbstractSubspace,
    Hollow as Hollow,
    Symmetric as Symmetric,
)
from ._dynamics import Phase as Phase, Settling as Settling
from ._encoder import Settled as Settled
from ._layer_map import Edge as Edge, LayerMap as LayerMap
from ._local_losses import (
    AbstractLocalLoss as AbstractLocalLoss,
    CrossEntropy as CrossEntropy,
    Delta as Delta,
    Hebbian as Hebbian,
    Perceptron as Perceptron,
    TruncatedPerceptron as TruncatedPerceptron,
)
from ._network import RecurrentNetwork as RecurrentNetwork
from ._sparse import Sparse as Sparse
from ._synapses import (
    AbstractSynapses as AbstractSynapses,
    AbstractWrappedSynapses as AbstractWrappedSynapses,
    Dense as Dense,
    Ferromagnetic as Ferromagnetic,
    Frozen as Frozen,
    Recurrent as Recurrent,
    Similarities as Similarities,
    Standardised as Standardised,
)
from ._units import (
    AbstractUnits as AbstractUnits,
    Binary as Binary,
    Graded as Graded,
    Linear as Linear,
)


__all__ = _public(globals())
