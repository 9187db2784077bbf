"""Quantisation errors. Their derivatives ∂ℓ/∂δ are the textbook's assignments, memberships, neighbourhoods."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._argmin import nearest_column
from .._module import AbstractScaleFree, hyper
from .._schedules import AbstractSchedule, positive
from .._types import Array, ArrayLike, Float, Int, MaybeLabels, PerSample, Scalar
from ..cooperation import RankCooperation
from ._base import AbstractSampleLoss, AbstractWinnerLoss, PrototypeLabels, nearness
from ._pooling import class_minimum, nearest, winner_columns, winners


class HardClustering(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = \\min_j \\delta_j\\): the quantisation error. ∂ℓ/∂δ is the assignment; alternating optimisation is Lloyd's
    k-means.

    Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    Source: S. Lloyd, *Least squares quantization in PCM*, IEEE Trans. Information Theory 28, 1982.
    """

    degree: ClassVar[int] = 1
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


class ClasswiseClustering(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+\\), the dissimilarity to the nearest prototype of the sample's own class: `HardClustering` within each
    class.

    With one prototype for each class, alternating optimisation finds the class means (the nearest-mean classifier); with
    more, it is k-means for classification. Decision: classes have probability ∝ 1/d_k.

    Source: T. Hastie, R. Tibshirani, J. Friedman, *The elements of statistical learning*, Springer,
    2009 (section 13.2.1).
    """

    degree: ClassVar[int] = 1
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


class Fuzzy(AbstractSampleLoss, AbstractScaleFree):
    """\\(\\ell = \\bigl(\\sum_j \\delta_j^{-1/(m-1)}\\bigr)^{-(m-1)}\\): fuzzy c-means with its memberships eliminated.

    ∂ℓ/∂δ_j = u_j^m with the memberships \\(u_j \\propto \\delta_j^{-1/(m-1)}\\), which are also the predicted probabilities.

    **Arguments:**

    - `fuzzifier`: m > 1; m → 1 recovers `HardClustering`.

    Computed from the ratios of dissimilarities, in the log domain: any m and any unit will do, and a sample on a prototype
    belongs to it.

    **Raises:** `ValueError` unless m > 1.

    Source: J. Bezdek, *Pattern recognition with fuzzy objective function algorithms*, Plenum Press,
    1981; the reduced objective: R. Hathaway, J. Bezdek, *Optimization of clustering criteria by
    reformulation*, IEEE Trans. Fuzzy Systems 3, 1995.
    """

    fuzzifier: Scalar = hyper(default=2.0)
    degree: ClassVar[int] = 1
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
        return _fuzzy(delta, self.fuzzifier)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta) / (self.fuzzifier - 1)  # log u, but for the normaliser


@jax.custom_jvp
def _fuzzy(delta: Float[Array, "n p"], fuzzifier: Scalar) -> PerSample:
    # The smallest dissimilarity times a function of ratios.
    total = jnp.sum(jnp.exp(nearness(delta) / (fuzzifier - 1)).T, axis=0)
    return jnp.min(delta.T, axis=0) * total ** (1 - fuzzifier)


@_fuzzy.defjvp
def _fuzzy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    delta, fuzzifier = primals
    memberships = jax.nn.softmax((nearness(delta) / (fuzzifier - 1)).T, axis=0)
    return _fuzzy(delta, fuzzifier), jnp.sum(memberships**fuzzifier * tangents[0].T, axis=0)


class NeuralGas(AbstractSampleLoss, AbstractScaleFree):
    """\\(\\ell = \\sum_j e^{-r_j/\\lambda}\\,\\delta_j\\), r_j the rank of prototype j, held fixed by the derivative.

    **Arguments:**

    - `neighbourhood`: λ > 0, in ranks: a number or a schedule of training progress (usually falling).

    Alternating optimisation is batch neural gas. Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    **Raises:** `ValueError` if λ is not positive.

    Source: Martinetz, Berkovich & Schulten 1993 (see `RankCooperation`); M. Cottrell, B. Hammer,
    A. Hasenfuß, T. Villmann, *Batch and median neural gas*, Neural Networks 19, 2006.
    """

    cooperation: RankCooperation
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = False

    def __init__(self, neighbourhood: AbstractSchedule | ArrayLike):
        self.cooperation = RankCooperation(neighbourhood)

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
