"""What surrounds the model that training and compiled answers compute with."""

from typing import Any

import equinox as eqx

from .._module import replaced
from ..backbones import AbstractScale
from ._base import Trainable
from ._card import Card
from ._model import PrototypeModel
from ._selection import Selection


class Outside(eqx.Module):
    """The scale and the card of a model.

    Training needs neither: its samples are scaled once, and the card is about what it returns. So
    compiled programs are given a model without them (`inside`), and results are given them back
    (`around`): cards are part of no program, and no program hands out the card of another model.
    """

    scale: AbstractScale | None = None
    card: Card | None = None

    @classmethod
    def of(cls, model: Any) -> "Outside":
        """What surrounds this model: nothing, unless it has prototypes."""
        if not isinstance(model, PrototypeModel):
            return cls()
        return cls(model.scale, model.card)

    def around(self, model: Trainable) -> Trainable:
        """The model with its surroundings."""
        if not isinstance(model, PrototypeModel):
            return model
        return replaced(model, scale=self.scale, card=self.card)

    def selected(self, selection: Selection) -> "Outside":
        """The surroundings of a model of these classes."""
        return replaced(self, card=selection.named(self.card))


#: Of a model that has neither.
NOTHING = Outside()


def inside(model: Trainable) -> Trainable:
    """The model without surroundings, of samples that are scaled already."""
    if not isinstance(model, PrototypeModel):
        return model
    return replaced(model, scale=None, card=None)
