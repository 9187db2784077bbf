"""The squared distance of the space itself."""

from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Identity


class SquaredEuclidean(AbstractAdaptation):
    """\\(\\delta = \\lVert x - w\\rVert^2\\); in a curved space, the squared geodesic distance.

    Units: the square of the data's.
    """

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Identity()
