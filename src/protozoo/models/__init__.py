"""The assembled thing, and what it answers."""

from ._model import PrototypeModel as PrototypeModel
