"""What a point is made from: encoders that compose with every metric and loss. Any callable module will do."""

from .._namespace import public as _public
from ._cnn import CNN as CNN
from ._mlp import MLP as MLP
from ._rematerialised import Rematerialised as Rematerialised
from ._stateful import Stateful as Stateful


__all__ = _public(globals())
