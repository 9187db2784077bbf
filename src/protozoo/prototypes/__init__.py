"""Which points represent the data, and which class each of them stands for."""

from ._initialisers import (
    class_means as class_means,
    kmeans_plus_plus as kmeans_plus_plus,
    random_samples as random_samples,
)
from ._prototypes import Prototypes as Prototypes
