"""What dissimilarities mean."""

import abc
from typing import ClassVar

import equinox as eqx
import numpy as np

from .._types import Array, Float, Int


PrototypeLabels = Int[np.ndarray, " p"]


class AbstractDecision(eqx.Module):
    """What the dissimilarities of a sample mean: a score for each class, from which every
    prediction is read.

    Every loss is one. What a model is trained by and how it decides are two questions: a model may
    be given another decision than that of its loss, before or after training. A decision of your
    own needs `scores`. If numbers of it have the unit of dissimilarities, let it be an
    `AbstractHomogeneous`, too.

    Labels of prototypes arrive as a NumPy array, grouped by class: they are known while a program
    is compiled.
    """

    #: Whether what it decides depends on the differences of a sample's dissimilarities alone.
    #: Models then leave out what all of them have in common (`relative_dissimilarities`): far away
    #: from all prototypes, nothing else would be left of them.
    relative: ClassVar[bool] = False

    #: Whether its last class is "none of these": what no prototype stands for.
    open_set: ClassVar[bool] = False

    #: Whether the class of the nearest prototype wins, whatever the other dissimilarities are: what
    #: geometry alone can prove.
    nearest_wins: ClassVar[bool] = False

    @abc.abstractmethod
    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        """Logarithms of unnormalised class probabilities."""
