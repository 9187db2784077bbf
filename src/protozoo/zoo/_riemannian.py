"""Learning vector quantisation on curved spaces: the rows of the flat one with another space."""

from collections.abc import Callable

from ..manifolds import SPD
from ._makers import omega, per_class, squared_euclidean, supervised_neural_gas
from ._recipe import Recipe
from ._supervised import HAMMER_2005, SCHNEIDER_2009, adam


BARACHANT_2012 = (
    "Geodesic distances of covariance matrices as in A. Barachant et al.: Multiclass brain-computer interface classification "
    "by Riemannian geometry. IEEE Transactions on Biomedical Engineering 59, 920-928, 2012."
)


_training = adam(5e-2, epochs=100)


def _symmetric_positive_definite(shape: tuple[int, ...]) -> SPD:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"`x` must hold square matrices, (n, k, k), got samples of shape {shape}; or pass `space`.")
    return SPD(shape[0])


def _row(name: str, citation: str, metric: Callable) -> Recipe:
    return Recipe(name, citation, per_class, metric, supervised_neural_gas, _training, space=_symmetric_positive_definite)


ROWS = (
    _row("RiemannianSRNG", f"{HAMMER_2005} {BARACHANT_2012}", squared_euclidean),
    _row("RiemannianSMNG", f"{HAMMER_2005} {SCHNEIDER_2009} {BARACHANT_2012}", omega),
)
