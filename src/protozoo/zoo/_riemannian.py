"""Learning vector quantisation on curved spaces: the rows of the flat one with another space."""

from collections.abc import Callable

from .._sources import BARACHANT_2012, HAMMER_2005, SCHNEIDER_2009, Source
from ..manifolds import SPD
from ._makers import omega, per_class, squared_euclidean, supervised_neural_gas
from ._recipe import Recipe
from ._supervised import adam


_training = adam(5e-2, epochs=100)


def _symmetric_positive_definite(shape: tuple[int, ...]) -> SPD:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"`x` must hold square matrices, (n, k, k), got samples of shape {shape}; or pass `space`.")
    return SPD(shape[0])


def _row(name: str, sources: list[Source], metric: Callable) -> Recipe:
    parts = per_class, metric, supervised_neural_gas, _training
    return Recipe(name, tuple(sources), *parts, space=_symmetric_positive_definite)


RiemannianSRNG = _row("RiemannianSRNG", [HAMMER_2005, BARACHANT_2012], squared_euclidean)
RiemannianSMNG = _row("RiemannianSMNG", [HAMMER_2005, SCHNEIDER_2009, BARACHANT_2012], omega)
