"""Clustering, vector quantisation and mixtures: all by alternating optimisation."""

from collections.abc import Callable

from .._sources import (
    ARTHUR_2007,
    BEZDEK_1981,
    COTTRELL_2006,
    DEMPSTER_1977,
    LLOYD_1982,
    MARTINETZ_1993,
    Source,
)
from ..training import AlternatingOptimization, Stopping, Trainer
from ._makers import (
    clusters,
    fuzzy,
    gaussian_components,
    hard_clustering,
    mahalanobis,
    mixture,
    neural_gas,
    squared_euclidean,
)
from ._recipe import Recipe


def _row(
    name: str,
    sources: list[Source],
    metric: Callable,
    loss: Callable,
    epochs: int,
    tolerance: float | None,
    prototypes: Callable = clusters,
) -> Recipe:
    def training() -> Trainer:
        return Trainer(AlternatingOptimization(), epochs, stopping=Stopping(tolerance=tolerance))

    return Recipe(name, tuple(sources), prototypes, metric, loss, training, supervised=False)


HCM = _row("HCM", [LLOYD_1982, ARTHUR_2007], squared_euclidean, hard_clustering, 300, tolerance=0.0)
FCM = _row("FCM", [BEZDEK_1981], squared_euclidean, fuzzy, 300, tolerance=0.0)
# The neighbourhood shrinks over all epochs: an early end would leave it wide.
NeuralGas = _row("NeuralGas", [COTTRELL_2006, MARTINETZ_1993], squared_euclidean, neural_gas, 100, tolerance=None)
GaussianMixture = _row(
    "GaussianMixture", [DEMPSTER_1977], mahalanobis, mixture, 100, tolerance=1e-3, prototypes=gaussian_components
)
