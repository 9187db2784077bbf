"""Clustering, vector quantisation and mixtures: all by alternating optimisation."""

from collections.abc import Callable

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


LLOYD_1982 = (
    "S. Lloyd: Least squares quantization in PCM. IEEE Transactions on Information Theory 28, 129-137, 1982. Seeding: "
    "D. Arthur, S. Vassilvitskii: k-means++: the advantages of careful seeding. SODA 2007."
)
BEZDEK_1981 = "J. Bezdek: Pattern recognition with fuzzy objective function algorithms. Plenum Press, 1981."
COTTRELL_2006 = (
    "M. Cottrell, B. Hammer, A. Hasenfuß, T. Villmann: Batch and median neural gas. Neural Networks 19, 762-771, 2006. After "
    "T. Martinetz, S. Berkovich, K. Schulten, IEEE Transactions on Neural Networks 4, 558-569, 1993."
)
DEMPSTER_1977 = (
    "A. Dempster, N. Laird, D. Rubin: Maximum likelihood from incomplete data via the EM algorithm. Journal of the Royal "
    "Statistical Society B 39, 1-38, 1977."
)


def _row(
    name: str,
    citation: str,
    metric: Callable,
    loss: Callable,
    epochs: int,
    tolerance: float | None,
    prototypes: Callable = clusters,
) -> Recipe:
    def training() -> Trainer:
        return Trainer(AlternatingOptimization(), epochs, stopping=Stopping(tolerance=tolerance))

    return Recipe(name, citation, prototypes, metric, loss, training, supervised=False)


ROWS = (
    _row("HCM", LLOYD_1982, squared_euclidean, hard_clustering, 300, tolerance=0.0),
    _row("FCM", BEZDEK_1981, squared_euclidean, fuzzy, 300, tolerance=0.0),
    # The neighbourhood shrinks over all epochs: an early end would leave it wide.
    _row("NeuralGas", COTTRELL_2006, squared_euclidean, neural_gas, 100, tolerance=None),
    _row("GaussianMixture", DEMPSTER_1977, mahalanobis, mixture, 100, tolerance=1e-3, prototypes=gaussian_components),
)
