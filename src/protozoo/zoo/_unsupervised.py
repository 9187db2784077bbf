"""Clustering, vector quantisation and mixtures: all by alternating optimisation."""

from collections.abc import Callable

from .._sources import (
    ARTHUR_2007,
    BEZDEK_1981,
    COTTRELL_2006,
    DEMPSTER_1977,
    GATH_1989,
    GUSTAFSON_1979,
    KRISHNAPURAM_1993,
    KRISHNAPURAM_1996,
    LLOYD_1982,
    MARTINETZ_1993,
    MASULLI_2006,
    NEBEL_2015,
    PAL_1997,
    PAL_2005,
    ZHANG_2003,
    ZHANG_2004,
    Source,
)
from ..training import AlternatingOptimization, MedianOptimization, Stopping, Trainer
from ._clusters import (
    centres_of_fcm,
    fuzzy,
    fuzzy_columnwise,
    fuzzy_exponential,
    fuzzy_mixture,
    fuzzy_possibilistic,
    gaussian_components,
    graded,
    hard_clustering,
    improved_exponential,
    improved_possibilistic,
    kernel,
    mahalanobis,
    mixture,
    possibilistic,
    volumes,
    well_separated,
)
from ._makers import clusters, euclidean_or_given, neural_gas, squared_euclidean
from ._recipe import Recipe


def _row(
    name: str,
    sources: list[Source],
    metric: Callable,
    loss: Callable,
    epochs: int = 300,
    tolerance: float | None = 0.0,
    prototypes: Callable = centres_of_fcm,
    restarts: int = 1,
    reseed: bool = False,
) -> Recipe:
    # The bandwidth of a kernel has no closed form.
    freeze = "metric" if metric is kernel else None

    def training() -> Trainer:
        rule = AlternatingOptimization(reseed=reseed)
        return Trainer(rule, epochs, freeze=freeze, stopping=Stopping(tolerance=tolerance))

    return Recipe(
        name,
        tuple(sources),
        prototypes,
        metric,
        loss,
        training,
        supervised=False,
        restarts=restarts,
    )


# Prototypes that compete for samples.
HCM = _row(
    "HCM", [LLOYD_1982, ARTHUR_2007], squared_euclidean, hard_clustering, prototypes=clusters
)
KMeans = _row(
    "KMeans",
    [LLOYD_1982, ARTHUR_2007],
    squared_euclidean,
    hard_clustering,
    prototypes=well_separated,
    restarts=10,
    reseed=True,
)
FCM = _row("FCM", [BEZDEK_1981], squared_euclidean, fuzzy, prototypes=clusters)
KFCM = _row("KFCM", [ZHANG_2003], kernel, fuzzy)
GustafsonKessel = _row("GustafsonKessel", [GUSTAFSON_1979], volumes, fuzzy)
GathGeva = _row("GathGeva", [GATH_1989], mahalanobis, fuzzy_mixture)

# Prototypes that do not, or not only.
PCM = _row("PCM", [KRISHNAPURAM_1993], squared_euclidean, possibilistic)
KPCM = _row("KPCM", [KRISHNAPURAM_1993], kernel, possibilistic)
FPCM = _row("FPCM", [PAL_1997], squared_euclidean, fuzzy_columnwise)
KFPCM = _row("KFPCM", [PAL_1997], kernel, fuzzy_columnwise)
PFCM = _row("PFCM", [PAL_2005], squared_euclidean, fuzzy_possibilistic)
KPFCM = _row("KPFCM", [PAL_2005], kernel, fuzzy_possibilistic)
AFCM = _row("AFCM", [PAL_2005, KRISHNAPURAM_1996], squared_euclidean, fuzzy_exponential)
KAFCM = _row("KAFCM", [PAL_2005, KRISHNAPURAM_1996], kernel, fuzzy_exponential)
IPCM = _row("IPCM", [ZHANG_2004], squared_euclidean, improved_possibilistic)
KIPCM = _row("KIPCM", [ZHANG_2004], kernel, improved_possibilistic)
IPCM2 = _row("IPCM2", [ZHANG_2004], squared_euclidean, improved_exponential)
KIPCM2 = _row("KIPCM2", [ZHANG_2004], kernel, improved_exponential)
# Widths and grades change over all epochs: an early end would leave prototypes that compete.
BGPC = _row("BGPC", [MASULLI_2006], squared_euclidean, graded, 100, tolerance=None)

# The neighbourhood shrinks over all epochs, likewise.
NeuralGas = _row(
    "NeuralGas",
    [COTTRELL_2006, MARTINETZ_1993],
    squared_euclidean,
    neural_gas,
    100,
    tolerance=None,
    prototypes=clusters,
)


# Prototypes that are samples.
def _median(
    name: str, sources: list[Source], loss: Callable, epochs: int, tolerance: float | None
) -> Recipe:
    def training() -> Trainer:
        return Trainer(MedianOptimization(), epochs, stopping=Stopping(tolerance=tolerance))

    parts = clusters, euclidean_or_given, loss, training
    return Recipe(name, (*sources, NEBEL_2015), *parts, supervised=False, pairwise="precomputed")


MedianKMeans = _median("MedianKMeans", [LLOYD_1982], hard_clustering, 50, 0.0)
MedianNeuralGas = _median("MedianNeuralGas", [COTTRELL_2006], neural_gas, 30, None)

GaussianMixture = _row(
    "GaussianMixture",
    [DEMPSTER_1977],
    mahalanobis,
    mixture,
    100,
    tolerance=1e-3,
    prototypes=gaussian_components,
    reseed=True,
)
