"""Which points represent the data, and which class each of them stands for."""

from .._namespace import public as _public
from ._initialisers import (
    class_means as class_means,
    greedy_kmeans_plus_plus as greedy_kmeans_plus_plus,
    kmeans_plus_plus as kmeans_plus_plus,
    random_samples as random_samples,
)
from ._prototypes import Prototypes as Prototypes


__all__ = _public(globals())
