"""Quantisation errors. Their derivatives ∂ℓ/∂δ are the textbook's assignments, memberships,
neighbourhoods."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._argmin import nearest_column
from .._module import AbstractScaleFree, hyper
from .._schedules import positive
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ._base import (
    AbstractMemberships,
    AbstractSampleLoss,
    AbstractWinnerLoss,
    PrototypeLabels,
    Winners,
    nearness,
)
from ._competition import competition_cost
from ._pooling import class_minimum, find_winners


class HardClustering(AbstractWinnerLoss, AbstractMemberships, AbstractScaleFree):
    """\\(\\ell = \\min_j \\delta_j\\): the quantisation error. ∂ℓ/∂δ is the assignment; alternating
    optimisation is Lloyd's k-means.

    Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    Source: S. Lloyd, *Least squares quantization in PCM*, IEEE Trans. Information Theory 28, 1982.
    """

    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = False
    nearest_wins: ClassVar[bool] = True

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        return Winners(jnp.min(delta.T, axis=0)[None], nearest_column(delta)[None])

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        return entries[0]

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta)

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jax.nn.one_hot(nearest_column(delta), delta.shape[1], dtype=delta.dtype)


class ClasswiseClustering(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+\\), the dissimilarity to the nearest prototype of the sample's own class:
    `HardClustering` within each class.

    With one prototype for each class, alternating optimisation finds the class means (the
    nearest-mean classifier); with more, it is k-means for classification. Decision: classes have
    probability ∝ 1/d_k.

    Source: T. Hastie, R. Tibshirani, J. Friedman, *The elements of statistical learning*, Springer,
    2009 (section 13.2.1).
    """

    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        return Winners(*(each[:1] for each in find_winners(delta, labels, y)))

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        return entries[0]

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


class Fuzzy(AbstractSampleLoss, AbstractMemberships, AbstractScaleFree):
    """\\(\\ell = \\bigl(\\sum_j \\delta_j^{-1/(m-1)}\\bigr)^{-(m-1)}\\): fuzzy c-means with its
    memberships eliminated.

    ∂ℓ/∂δ_j = u_j^m with the memberships \\(u_j \\propto \\delta_j^{-1/(m-1)}\\), which are also the
    predicted probabilities.

    **Arguments:**

    - `fuzzifier`: m > 1; m → 1 recovers `HardClustering`.

    Computed from the ratios of dissimilarities: any m and any unit will do, and a sample on a
    prototype belongs to it.

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
        each = jnp.ones(delta.shape[1], delta.dtype)
        return competition_cost(delta.T, each, self.fuzzifier)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta) / (self.fuzzifier - 1)  # log u, but for the normaliser

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jax.nn.softmax((nearness(delta) / (self.fuzzifier - 1)).T, axis=0).T
