"""Learning vector quantisation in flat spaces."""

from collections.abc import Callable
from typing import Any

import optax

from ..training import GradientDescent, Trainer
from ._makers import (
    cross_entropy,
    gaussian_kernel,
    glvq,
    local_omega,
    mlp,
    omega,
    per_class,
    relevance,
    rslvq,
    squared_euclidean,
    supervised_neural_gas,
)
from ._recipe import Recipe


SATO_1995 = (
    "A. Sato, K. Yamada: Generalized learning vector quantization. Advances in Neural Information Processing Systems 8, 1995."
)
HAMMER_2002 = "B. Hammer, T. Villmann: Generalized relevance learning vector quantization. Neural Networks 15, 1059-1068, 2002."
SCHNEIDER_2009 = (
    "P. Schneider, M. Biehl, B. Hammer: Adaptive relevance matrices in learning vector quantization. Neural Computation 21, "
    "3532-3561, 2009."
)
HAMMER_2005 = (
    "B. Hammer, M. Strickert, T. Villmann: Supervised neural gas with general similarity measure. Neural Processing Letters "
    "21, 21-44, 2005."
)
SEO_2003 = "S. Seo, K. Obermayer: Soft learning vector quantization. Neural Computation 15, 1589-1604, 2003."
VILLMANN_2015 = (
    "T. Villmann, S. Haase, M. Kaden: Kernelized vector quantization in gradient-descent learning. Neurocomputing 147, 83-95, "
    "2015."
)
VILLMANN_2017 = (
    "T. Villmann, A. Bohnsack, M. Kaden: Can learning vector quantization be an alternative to SVM and deep learning? "
    "Journal of Artificial Intelligence and Soft Computing Research 7, 65-81, 2017."
)


def _training() -> Trainer:
    return Trainer(GradientDescent(optax.adam(2e-2)), epochs=300)


def _row(name: str, citation: str, metric: Callable, loss: Callable, **parts: Any) -> Recipe:
    return Recipe(name, citation, per_class, metric, loss, _training, **parts)


ROWS = (
    _row("GLVQ", SATO_1995, squared_euclidean, glvq),
    _row("GRLVQ", HAMMER_2002, relevance, glvq),
    _row("GMLVQ", SCHNEIDER_2009, omega, glvq),
    _row("LGMLVQ", SCHNEIDER_2009, local_omega, glvq),
    _row("SRNG", HAMMER_2005, relevance, supervised_neural_gas),
    _row("SMNG", f"{HAMMER_2005} {SCHNEIDER_2009}", omega, supervised_neural_gas),
    _row("RSLVQ", SEO_2003, squared_euclidean, rslvq),
    _row("MRSLVQ", f"{SCHNEIDER_2009} {SEO_2003}", omega, rslvq),
    _row("CELVQ", VILLMANN_2017, squared_euclidean, cross_entropy),
    _row("DKGLVQ", VILLMANN_2015, gaussian_kernel, glvq),
    _row("LVQMLN", VILLMANN_2017, squared_euclidean, glvq, encoder=mlp),
    _row("SiameseGLVQ", f"{SATO_1995} {VILLMANN_2017}", squared_euclidean, glvq, encoder=mlp, encode_prototypes=True),
)
