"""Quantisation errors. Their derivatives ∂ℓ/∂δ are the textbook's assignments, memberships, neighbourhoods."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._argmin import nearest_column
from .._module import hyper
from .._schedules import AbstractSchedule, as_schedule, positive
from .._types import Array, ArrayLike, Float, Int, MaybeLabels, PerSample, Scalar
from ..cooperation import RankCooperation
from ._base import AbstractSampleLoss, AbstractWinnerLoss, PrototypeLabels, nearness
from ._pooling import class_minimum, nearest, winner_columns, winners


class HardClustering(AbstractWinnerLoss):
    """\\(\\ell = \\min_j \\delta_j\\): the quantisation error. ∂ℓ/∂δ is the assignment; alternating optimisation is Lloyd's
    k-means.

    Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    Source: S. Lloyd, *Least squares quantization in PCM*, IEEE Trans. Information Theory 28, 1982.
    """

    supervised: ClassVar[bool] = False

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return nearest(delta)

    def columns(
        self, delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
    ) -> tuple[Int[Array, " n"], ...] | None:
        return (nearest_column(delta),)

    def of_columns(self, *entries: PerSample) -> PerSample:
        return entries[0]

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta)


class ClasswiseClustering(AbstractWinnerLoss):
    """\\(\\ell = d^+\\), the dissimilarity to the nearest prototype of the sample's own class: `HardClustering` within each
    class.

    With one prototype for each class, alternating optimisation finds the class means (the nearest-mean classifier); with
    more, it is k-means for classification. Decision: classes have probability ∝ 1/d_k.

    Source: T. Hastie, R. Tibshirani, J. Friedman, *The elements of statistical learning*, section 13.2.1, 2009.
    """

    supervised: ClassVar[bool] = True

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return winners(delta, labels, y)[0]

    def columns(
        self, delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
    ) -> tuple[Int[Array, " n"], ...] | None:
        return winner_columns(delta, labels, y)[:1]

    def of_columns(self, *entries: PerSample) -> PerSample:
        return entries[0]

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


class Fuzzy(AbstractSampleLoss):
    """\\(\\ell = \\bigl(\\sum_j \\delta_j^{-1/(m-1)}\\bigr)^{-(m-1)}\\): fuzzy c-means with its memberships eliminated.

    ∂ℓ/∂δ_j = u_j^m with the memberships \\(u_j \\propto \\delta_j^{-1/(m-1)}\\), which are also the predicted probabilities.

    **Arguments:**

    - `fuzzifier`: m > 1; m → 1 recovers `HardClustering`.

    Computed in the log domain, so that any m works and a sample on a prototype belongs to it.

    **Raises:** `ValueError` unless m > 1.

    Source: J. Bezdek, *Pattern recognition with fuzzy objective function algorithms*, 1981; the reduced objective:
    R. Hathaway, J. Bezdek, *Optimization of clustering criteria by reformulation*, IEEE Trans. Fuzzy Systems 3, 1995.
    """

    fuzzifier: Scalar = hyper(default=2.0)
    supervised: ClassVar[bool] = False

    def __check_init__(self):
        positive(self.fuzzifier, "fuzzifier", above=1.0)

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return jnp.exp(-(self.fuzzifier - 1) * jax.nn.logsumexp(self.scores(delta, labels).T, axis=0))

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        # log u without its normaliser. Adding the floor (rather than clipping at it) keeps the weight of a sample that
        # lies on a prototype: ∂ℓ/∂δ → 1 as δ → 0.
        return nearness(delta) / (self.fuzzifier - 1)


class NeuralGas(AbstractSampleLoss):
    """\\(\\ell = \\sum_j e^{-r_j/\\lambda}\\,\\delta_j\\), r_j the rank of prototype j, held fixed by the derivative.

    **Arguments:**

    - `neighbourhood`: λ > 0, in ranks: a number or a schedule of training progress (usually falling).

    Alternating optimisation is batch neural gas. Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    **Raises:** `ValueError` if λ is not positive.

    Source: T. Martinetz, S. Berkovich, K. Schulten, IEEE Trans. Neural Networks 4, 1993; M. Cottrell, B. Hammer,
    A. Hasenfuß, T. Villmann, *Batch and median neural gas*, Neural Networks 19, 2006.
    """

    cooperation: RankCooperation
    supervised: ClassVar[bool] = False

    def __init__(self, neighbourhood: AbstractSchedule | ArrayLike):
        self.cooperation = RankCooperation(as_schedule(neighbourhood))

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return jnp.sum(jnp.exp(self.cooperation.log_weights(delta.T, progress)) * delta.T, axis=0)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta)
