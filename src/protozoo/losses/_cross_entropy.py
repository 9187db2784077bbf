"""Cross-entropy of class dissimilarities."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, hyper, part, with_parts_in_units
from .._schedules import positive
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ..cooperation import AbstractCooperation, WinnerTakesAll
from ._base import AbstractSampleLoss, PrototypeLabels
from ._pooling import class_minimum, fold, log_total, own_class


class CrossEntropy(AbstractSampleLoss, AbstractHomogeneous):
    """\\(\\ell = -\\log \\mathrm{softmax}_k(-d_k/T)_y\\), d_k the dissimilarity to the nearest
    prototype of class k.

    **Arguments:**

    - `temperature`: T > 0, in the units of δ.
    - `cooperation`: `RankCooperation` replaces each d_k, in training, by the rank-weighted mean
      over the class's prototypes.

    **Raises:** `ValueError` if the temperature is not positive.

    Source: T. Villmann, A. Bohnsack, M. Kaden, *Can learning vector quantization be an alternative
    to SVM and deep learning?*, Journal of Artificial Intelligence and Soft Computing Research 7,
    2017 (probabilistic variants of LVQ).
    """

    temperature: Scalar = hyper(default=1.0)
    cooperation: AbstractCooperation = part(default=WinnerTakesAll())
    relative: ClassVar[bool] = True
    degree: ClassVar[int] = 0
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def __check_init__(self):
        positive(self.temperature, "temperature")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        pooled = self.cooperation.pool(lambda d: d, fold(delta, labels), progress)
        logits = (
            -(pooled - jax.lax.stop_gradient(jnp.min(pooled, axis=0, keepdims=True)))
            / self.temperature
        )
        return log_total(logits) - own_class(logits, y)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        minimum = class_minimum(delta, labels)
        return -(minimum - jnp.min(minimum, axis=1, keepdims=True)) / self.temperature

    def in_units(self, unit: Scalar) -> "CrossEntropy":
        return with_parts_in_units(self, unit, temperature=self.temperature / unit)
