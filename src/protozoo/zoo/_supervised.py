"""Learning vector quantisation in flat spaces."""

from collections.abc import Callable
from typing import Any

from .._schedules import Linear
from .._sources import (
    COVER_1967,
    HAMMER_2002,
    HAMMER_2005,
    HASTIE_2009,
    KOHONEN_1990,
    NEBEL_2015,
    SARALAJEW_2016,
    SARALAJEW_2019,
    SARALAJEW_2025,
    SATO_1995,
    SCHNEIDER_2009,
    SEO_2003,
    VILLANI_2009,
    VILLMANN_2015,
    VILLMANN_2017,
    Source,
)
from ..training import (
    AlternatingOptimization,
    GradientDescent,
    Lazy,
    MedianOptimization,
    Stopping,
    Trainer,
)
from ._makers import (
    all_samples,
    cbc,
    class_omega,
    classwise_clustering,
    cnn,
    components,
    cross_entropy,
    cross_entropy_neural_gas,
    euclidean_or_given,
    exponential_kernel,
    gaussian_kernel,
    glvq,
    local_omega,
    lvq1,
    lvq21,
    mlp,
    nearest_neighbours,
    omega,
    per_class,
    per_class_centres,
    per_class_means,
    projection,
    relevance,
    robust_stable_cbc,
    rslvq,
    rslvq_neural_gas,
    soft_lvq,
    squared_euclidean,
    stable_cbc,
    supervised_neural_gas,
    tangent,
    wasserstein,
)
from ._recipe import Recipe


def adam(rates: Any, epochs: int = 300) -> Callable[[], Trainer]:
    """Gradient descent by Adam, with one step size or several by part."""
    return lambda: Trainer(GradientDescent("adam", rates), epochs)


_gradient = adam(2e-2)
# A map has many entries, which turn it together.
_matrix = adam({"metric": 5e-3, "rest": 2e-2})
# Each prototype's map learns from a share of the samples.
_local = adam({"metric": 1e-3, "rest": 1e-2})
# Distances respond exponentially to what adapts them.
_kernel = adam({"metric": 3e-3, "rest": 2e-2})
# The likelihood ratio has no bound, and a window's differences have no minimum: prototypes that are
# trained for long leave the data.
_brief = adam(2e-2, epochs=30)
_network = adam(1e-2, epochs=100)
# Components are found more slowly than reasons that tell them apart: else they follow the first
# reasons there are.
_reasoning = adam({"encoder": 5e-3, "rest": 2e-2})


def _kohonen() -> Trainer:
    """Steps towards and away from the mean of what a prototype wins, ever smaller."""
    return Trainer(AlternatingOptimization(Linear(0.3, 0.001)), epochs=100)


def _closed_form() -> Trainer:
    return Trainer(AlternatingOptimization(), epochs=100, stopping=Stopping(tolerance=0.0))


def _median() -> Trainer:
    return Trainer(MedianOptimization(), epochs=50, stopping=Stopping(tolerance=0.0))


def _lazy() -> Trainer:
    return Trainer(Lazy(), epochs=1)


def _row(
    name: str,
    sources: list[Source],
    metric: Callable,
    loss: Callable,
    training: Callable = _gradient,
    **parts: Any,
) -> Recipe:
    parts = {"prototypes": per_class, **parts}
    return Recipe(name, tuple(sources), metric=metric, loss=loss, training=training, **parts)


_SIAMESE = {"encoder": mlp, "encode_prototypes": True}
_IMAGE = {"encoder": cnn, "encode_prototypes": True}


# Without a metric or a margin to learn.
KNN = _row(
    "KNN",
    [COVER_1967],
    euclidean_or_given,
    nearest_neighbours,
    _lazy,
    prototypes=all_samples,
    pairwise="precomputed",
)
NPC = _row("NPC", [HASTIE_2009], squared_euclidean, classwise_clustering, _closed_form)
MedianLVQ = _row(
    "MedianLVQ", [NEBEL_2015], euclidean_or_given, glvq, _median, pairwise="precomputed"
)

# Hard winners.
LVQ1 = _row("LVQ1", [KOHONEN_1990], squared_euclidean, lvq1, _kohonen)
# A window about the border makes sense once prototypes are where their classes are.
LVQ21 = _row(
    "LVQ21", [KOHONEN_1990], squared_euclidean, lvq21, _kohonen, prototypes=per_class_centres
)
GLVQ1 = _row("GLVQ1", [SATO_1995, KOHONEN_1990], squared_euclidean, lvq1)
GLVQ21 = _row(
    "GLVQ21",
    [SATO_1995, KOHONEN_1990],
    squared_euclidean,
    lvq21,
    _brief,
    prototypes=per_class_centres,
)
GLVQ = _row("GLVQ", [SATO_1995], squared_euclidean, glvq, prototypes=per_class_means)
GRLVQ = _row("GRLVQ", [HAMMER_2002], relevance, glvq)
GMLVQ = _row("GMLVQ", [SCHNEIDER_2009], omega, glvq, _matrix)
LGMLVQ = _row("LGMLVQ", [SCHNEIDER_2009], local_omega, glvq, _local)
GTLVQ = _row("GTLVQ", [SARALAJEW_2016], tangent, glvq)

# Neural-gas cooperation.
SNG = _row(
    "SNG", [HAMMER_2005], squared_euclidean, supervised_neural_gas, prototypes=per_class_means
)
SRNG = _row("SRNG", [HAMMER_2005], relevance, supervised_neural_gas)
SMNG = _row("SMNG", [HAMMER_2005, SCHNEIDER_2009], omega, supervised_neural_gas, _matrix)
SLNG = _row("SLNG", [HAMMER_2005, SCHNEIDER_2009], local_omega, supervised_neural_gas, _local)
SCMNG = _row("SCMNG", [HAMMER_2005, SCHNEIDER_2009], class_omega, supervised_neural_gas, _matrix)
STNG = _row("STNG", [HAMMER_2005, SARALAJEW_2016], tangent, supervised_neural_gas)

# Soft posteriors.
SLVQ = _row("SLVQ", [SEO_2003], squared_euclidean, soft_lvq, _brief, prototypes=per_class_means)
RSLVQ = _row("RSLVQ", [SEO_2003], squared_euclidean, rslvq, prototypes=per_class_means)
MRSLVQ = _row("MRSLVQ", [SCHNEIDER_2009, SEO_2003], omega, rslvq, _matrix)
LMRSLVQ = _row("LMRSLVQ", [SCHNEIDER_2009, SEO_2003], local_omega, rslvq, _local)
RSLVQ_NG = _row("RSLVQ_NG", [SEO_2003, HAMMER_2005], squared_euclidean, rslvq_neural_gas)
MRSLVQ_NG = _row(
    "MRSLVQ_NG", [SCHNEIDER_2009, SEO_2003, HAMMER_2005], omega, rslvq_neural_gas, _matrix
)
LMRSLVQ_NG = _row(
    "LMRSLVQ_NG", [SCHNEIDER_2009, SEO_2003, HAMMER_2005], local_omega, rslvq_neural_gas, _local
)

# Cross-entropy.
CELVQ = _row("CELVQ", [VILLMANN_2017], squared_euclidean, cross_entropy)
CELVQ_NG = _row(
    "CELVQ_NG", [VILLMANN_2017, HAMMER_2005], squared_euclidean, cross_entropy_neural_gas
)
MCELVQ_NG = _row(
    "MCELVQ_NG",
    [VILLMANN_2017, HAMMER_2005, SCHNEIDER_2009],
    omega,
    cross_entropy_neural_gas,
    _matrix,
)
LCELVQ_NG = _row(
    "LCELVQ_NG",
    [VILLMANN_2017, HAMMER_2005, SCHNEIDER_2009],
    local_omega,
    cross_entropy_neural_gas,
    _local,
)
TCELVQ_NG = _row(
    "TCELVQ_NG", [VILLMANN_2017, HAMMER_2005, SARALAJEW_2016], tangent, cross_entropy_neural_gas
)

# Kernels.
DKGLVQ = _row("DKGLVQ", [VILLMANN_2015], gaussian_kernel(squared_euclidean), glvq)
DKGRLVQ = _row("DKGRLVQ", [VILLMANN_2015, HAMMER_2002], gaussian_kernel(relevance), glvq, _kernel)
DKGMLVQ = _row("DKGMLVQ", [VILLMANN_2015, SCHNEIDER_2009], exponential_kernel, glvq, _kernel)
DKGLVQ_NG = _row(
    "DKGLVQ_NG",
    [VILLMANN_2015, HAMMER_2005],
    gaussian_kernel(squared_euclidean),
    supervised_neural_gas,
)
DKGRLVQ_NG = _row(
    "DKGRLVQ_NG",
    [VILLMANN_2015, HAMMER_2005],
    gaussian_kernel(relevance),
    supervised_neural_gas,
    _kernel,
)
DKGMLVQ_NG = _row(
    "DKGMLVQ_NG", [VILLMANN_2015, HAMMER_2005], exponential_kernel, supervised_neural_gas, _kernel
)

# Prototypes that are distributions.
WGLVQ = _row("WGLVQ", [SATO_1995, VILLANI_2009], wasserstein(squared_euclidean), glvq)
WGRLVQ = _row("WGRLVQ", [HAMMER_2002, VILLANI_2009], wasserstein(relevance), glvq)
WGMLVQ = _row("WGMLVQ", [SCHNEIDER_2009, VILLANI_2009], wasserstein(omega), glvq, _matrix)

# Components that belong to no class.
CBC = _row("CBC", [SARALAJEW_2019], squared_euclidean, cbc, prototypes=components)
StableCBC = _row(
    "StableCBC", [SARALAJEW_2025], squared_euclidean, stable_cbc, prototypes=components
)
RobustStableCBC = _row(
    "RobustStableCBC", [SARALAJEW_2025], squared_euclidean, robust_stable_cbc, prototypes=components
)

# Behind neural networks.
LVQMLN = _row("LVQMLN", [VILLMANN_2017], squared_euclidean, glvq, _network, encoder=mlp)
PLVQ = _row("PLVQ", [VILLMANN_2017, SEO_2003], squared_euclidean, rslvq, _network, encoder=mlp)
SiameseGLVQ = _row(
    "SiameseGLVQ", [SATO_1995, VILLMANN_2017], squared_euclidean, glvq, _network, **_SIAMESE
)
SiameseGMLVQ = _row(
    "SiameseGMLVQ", [SCHNEIDER_2009, VILLMANN_2017], projection, glvq, _network, **_SIAMESE
)
SiameseGTLVQ = _row(
    "SiameseGTLVQ", [SARALAJEW_2016, VILLMANN_2017], tangent, glvq, _network, **_SIAMESE
)
ImageGLVQ = _row(
    "ImageGLVQ", [SATO_1995, VILLMANN_2017], squared_euclidean, glvq, _network, **_IMAGE
)
ImageGMLVQ = _row(
    "ImageGMLVQ", [SCHNEIDER_2009, VILLMANN_2017], projection, glvq, _network, **_IMAGE
)
ImageGTLVQ = _row("ImageGTLVQ", [SARALAJEW_2016, VILLMANN_2017], tangent, glvq, _network, **_IMAGE)
ImageCBC = _row(
    "ImageCBC",
    [SARALAJEW_2019],
    squared_euclidean,
    cbc,
    _reasoning,
    prototypes=components,
    **_IMAGE,
)
