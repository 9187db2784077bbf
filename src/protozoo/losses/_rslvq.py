"""Robust soft learning vector quantization."""

from typing import ClassVar

import jax

from .._module import hyper
from .._schedules import positive
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ..cooperation import RankCooperation
from ._base import AbstractSampleLoss, PrototypeLabels
from ._pooling import class_logsumexp, own_class


class RSLVQ(AbstractSampleLoss):
    """\\(\\ell = -\\log P(y\\,|\\,x)\\): each prototype is a Gaussian of one class, all of the same variance and weight:
    \\(P(k\\,|\\,x) = \\sum_{j \\in k} e^{-\\delta_j/2\\sigma^2} / \\sum_j e^{-\\delta_j/2\\sigma^2}\\).

    **Arguments:**

    - `variance`: σ² > 0, in the units of δ.
    - `cooperation`: `RankCooperation` multiplies each component by \\(e^{-r_j/\\gamma}\\), r_j its rank among all prototypes
      (γ → ∞ recovers no cooperation). It takes part in training only; the posterior is that of the mixture.

    Computed in the log domain: badly misclassified samples keep their gradient however small σ² is.

    **Raises:** `ValueError` if the variance is not positive.

    Source: S. Seo, K. Obermayer, *Soft learning vector quantization*, Neural Computation 15, 2003.
    """

    variance: Scalar = hyper(default=1.0)
    cooperation: RankCooperation | None = None
    supervised: ClassVar[bool] = True

    def __check_init__(self):
        positive(self.variance, "variance")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        logits = -delta / (2 * self.variance)
        if self.cooperation is not None:
            logits = logits + self.cooperation.log_weights(delta, progress)
        totals = class_logsumexp(logits, labels)
        return jax.nn.logsumexp(totals, axis=1) - own_class(totals, y)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return class_logsumexp(-delta / (2 * self.variance), labels)
