"""Learning vector quantisation in flat spaces."""

from collections.abc import Callable
from typing import Any

from .._schedules import Linear
from ..training import AlternatingOptimization, GradientDescent, Lazy, MedianOptimization, Stopping, Trainer
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
    per_class_means,
    projection,
    relevance,
    rslvq,
    rslvq_neural_gas,
    soft_lvq,
    squared_euclidean,
    supervised_neural_gas,
    tangent,
    wasserstein,
)
from ._recipe import Recipe


SATO_1995 = "A. Sato, K. Yamada: Generalized learning vector quantization. NIPS 8, 1995."
KOHONEN_1990 = "T. Kohonen: Improved versions of learning vector quantization. IJCNN 1990."
HAMMER_2002 = "B. Hammer, T. Villmann: Generalized relevance learning vector quantization. Neural Networks 15, 2002."
SCHNEIDER_2009 = (
    "P. Schneider, M. Biehl, B. Hammer: Adaptive relevance matrices in learning vector quantization. Neural Computation 21, "
    "2009."
)
HAMMER_2005 = (
    "B. Hammer, M. Strickert, T. Villmann: Supervised neural gas with general similarity measure. Neural Processing Letters "
    "21, 2005."
)
SARALAJEW_2016 = (
    "S. Saralajew, T. Villmann: Adaptive tangent distances in generalized learning vector quantization for transformation "
    "and distortion invariant classification learning. IJCNN 2016."
)
SEO_2003 = "S. Seo, K. Obermayer: Soft learning vector quantization. Neural Computation 15, 2003."
VILLMANN_2015 = (
    "T. Villmann, S. Haase, M. Kaden: Kernelized vector quantization in gradient-descent learning. Neurocomputing 147, 2015."
)
VILLMANN_2017 = (
    "T. Villmann, A. Bohnsack, M. Kaden: Can learning vector quantization be an alternative to SVM and deep learning? "
    "Journal of Artificial Intelligence and Soft Computing Research 7, 2017."
)
COVER_1967 = "T. Cover, P. Hart: Nearest neighbor pattern classification. IEEE Trans. Information Theory 13, 1967."
HASTIE_2009 = "T. Hastie, R. Tibshirani, J. Friedman: The elements of statistical learning, section 13.2. Springer, 2009."
NEBEL_2015 = (
    "D. Nebel, B. Hammer, K. Frohberg, T. Villmann: Median variants of learning vector quantization for learning of "
    "dissimilarity data. Neurocomputing 169, 2015."
)
SARALAJEW_2019 = (
    "S. Saralajew, L. Holdijk, M. Rees, E. Asan, T. Villmann: Classification-by-components: probabilistic modeling of "
    "reasoning over a set of components. NeurIPS 2019."
)
VILLANI_2009 = "C. Villani: Optimal transport: old and new. Springer, 2009."


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
# The likelihood ratio has no bound: prototypes that are trained for long leave the data.
_brief = adam(2e-2, epochs=30)
_network = adam(1e-2, epochs=100)
# Components are found more slowly than reasons that tell them apart: else they follow the first reasons there are.
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


def _row(name: str, citation: str, metric: Callable, loss: Callable, training: Callable = _gradient, **parts: Any) -> Recipe:
    return Recipe(name, citation, metric=metric, loss=loss, training=training, **{"prototypes": per_class, **parts})


SIAMESE = {"encoder": mlp, "encode_prototypes": True}
IMAGE = {"encoder": cnn, "encode_prototypes": True}

ROWS = (
    # Without a metric or a margin to learn.
    _row("KNN", COVER_1967, euclidean_or_given, nearest_neighbours, _lazy, prototypes=all_samples),
    _row("NPC", HASTIE_2009, squared_euclidean, classwise_clustering, _closed_form),
    _row("MedianLVQ", NEBEL_2015, euclidean_or_given, glvq, _median),
    # Hard winners.
    _row("LVQ1", KOHONEN_1990, squared_euclidean, lvq1, _kohonen),
    _row("LVQ21", KOHONEN_1990, squared_euclidean, lvq21, _kohonen),
    _row("GLVQ1", f"{SATO_1995} {KOHONEN_1990}", squared_euclidean, lvq1),
    _row("GLVQ21", f"{SATO_1995} {KOHONEN_1990}", squared_euclidean, lvq21),
    _row("GLVQ", SATO_1995, squared_euclidean, glvq, prototypes=per_class_means),
    _row("GRLVQ", HAMMER_2002, relevance, glvq),
    _row("GMLVQ", SCHNEIDER_2009, omega, glvq, _matrix),
    _row("LGMLVQ", SCHNEIDER_2009, local_omega, glvq, _local),
    _row("GTLVQ", SARALAJEW_2016, tangent, glvq),
    # Neural-gas cooperation.
    _row("SNG", HAMMER_2005, squared_euclidean, supervised_neural_gas, prototypes=per_class_means),
    _row("SRNG", HAMMER_2005, relevance, supervised_neural_gas),
    _row("SMNG", f"{HAMMER_2005} {SCHNEIDER_2009}", omega, supervised_neural_gas, _matrix),
    _row("SLNG", f"{HAMMER_2005} {SCHNEIDER_2009}", local_omega, supervised_neural_gas, _local),
    _row("SCMNG", f"{HAMMER_2005} {SCHNEIDER_2009}", class_omega, supervised_neural_gas, _matrix),
    _row("STNG", f"{HAMMER_2005} {SARALAJEW_2016}", tangent, supervised_neural_gas),
    # Soft posteriors.
    _row("SLVQ", SEO_2003, squared_euclidean, soft_lvq, _brief, prototypes=per_class_means),
    _row("RSLVQ", SEO_2003, squared_euclidean, rslvq, prototypes=per_class_means),
    _row("MRSLVQ", f"{SCHNEIDER_2009} {SEO_2003}", omega, rslvq, _matrix),
    _row("LMRSLVQ", f"{SCHNEIDER_2009} {SEO_2003}", local_omega, rslvq, _local),
    _row("RSLVQ_NG", f"{SEO_2003} {HAMMER_2005}", squared_euclidean, rslvq_neural_gas),
    _row("MRSLVQ_NG", f"{SCHNEIDER_2009} {SEO_2003} {HAMMER_2005}", omega, rslvq_neural_gas, _matrix),
    _row("LMRSLVQ_NG", f"{SCHNEIDER_2009} {SEO_2003} {HAMMER_2005}", local_omega, rslvq_neural_gas, _local),
    # Cross-entropy.
    _row("CELVQ", VILLMANN_2017, squared_euclidean, cross_entropy),
    _row("CELVQ_NG", f"{VILLMANN_2017} {HAMMER_2005}", squared_euclidean, cross_entropy_neural_gas),
    _row("MCELVQ_NG", f"{VILLMANN_2017} {HAMMER_2005} {SCHNEIDER_2009}", omega, cross_entropy_neural_gas, _matrix),
    _row("LCELVQ_NG", f"{VILLMANN_2017} {HAMMER_2005} {SCHNEIDER_2009}", local_omega, cross_entropy_neural_gas, _local),
    _row("TCELVQ_NG", f"{VILLMANN_2017} {HAMMER_2005} {SARALAJEW_2016}", tangent, cross_entropy_neural_gas),
    # Kernels.
    _row("DKGLVQ", VILLMANN_2015, gaussian_kernel(squared_euclidean), glvq),
    _row("DKGRLVQ", f"{VILLMANN_2015} {HAMMER_2002}", gaussian_kernel(relevance), glvq, _kernel),
    _row("DKGMLVQ", f"{VILLMANN_2015} {SCHNEIDER_2009}", exponential_kernel, glvq, _kernel),
    _row("DKGLVQ_NG", f"{VILLMANN_2015} {HAMMER_2005}", gaussian_kernel(squared_euclidean), supervised_neural_gas),
    _row("DKGRLVQ_NG", f"{VILLMANN_2015} {HAMMER_2005}", gaussian_kernel(relevance), supervised_neural_gas, _kernel),
    _row("DKGMLVQ_NG", f"{VILLMANN_2015} {HAMMER_2005}", exponential_kernel, supervised_neural_gas, _kernel),
    # Prototypes that are distributions.
    _row("WGLVQ", f"{SATO_1995} {VILLANI_2009}", wasserstein(squared_euclidean), glvq),
    _row("WGRLVQ", f"{HAMMER_2002} {VILLANI_2009}", wasserstein(relevance), glvq),
    _row("WGMLVQ", f"{SCHNEIDER_2009} {VILLANI_2009}", wasserstein(omega), glvq, _matrix),
    # Components that belong to no class.
    _row("CBC", SARALAJEW_2019, squared_euclidean, cbc, prototypes=components),
    # Behind neural networks.
    _row("LVQMLN", VILLMANN_2017, squared_euclidean, glvq, _network, encoder=mlp),
    _row("PLVQ", f"{VILLMANN_2017} {SEO_2003}", squared_euclidean, rslvq, _network, encoder=mlp),
    _row("SiameseGLVQ", f"{SATO_1995} {VILLMANN_2017}", squared_euclidean, glvq, _network, **SIAMESE),
    _row("SiameseGMLVQ", f"{SCHNEIDER_2009} {VILLMANN_2017}", projection, glvq, _network, **SIAMESE),
    _row("SiameseGTLVQ", f"{SARALAJEW_2016} {VILLMANN_2017}", tangent, glvq, _network, **SIAMESE),
    _row("ImageGLVQ", f"{SATO_1995} {VILLMANN_2017}", squared_euclidean, glvq, _network, **IMAGE),
    _row("ImageGMLVQ", f"{SCHNEIDER_2009} {VILLMANN_2017}", projection, glvq, _network, **IMAGE),
    _row("ImageGTLVQ", f"{SARALAJEW_2016} {VILLMANN_2017}", tangent, glvq, _network, **IMAGE),
    _row("ImageCBC", SARALAJEW_2019, squared_euclidean, cbc, _reasoning, prototypes=components, **IMAGE),
)
