"""What a point is made from: encoders that compose with every metric and loss. Any callable module
will do."""

from .._namespace import public as _public
from ._cnn import CNN as CNN
from ._curved import Curved as Curved, TangentSpace as TangentSpace
from ._kernel_distances import KernelDistances as KernelDistances
from ._lipschitz import lipschitz as lipschitz
from ._local import AbstractLocalEncoder as AbstractLocalEncoder
from ._mlp import MLP as MLP
from ._rematerialised import Rematerialised as Rematerialised
from ._scale import (
    AbstractElementwise as AbstractElementwise,
    AbstractScale as AbstractScale,
    MinMax as MinMax,
    Robust as Robust,
    Standardise as Standardise,
    Whitening as Whitening,
)
from ._stateful import Stateful as Stateful


__all__ = _public(globals())
