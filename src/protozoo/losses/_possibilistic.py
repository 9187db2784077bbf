"""Losses of prototypes that do not compete for a sample, or for which samples compete."""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._module import AbstractHomogeneous, AbstractScaleFree, degree, hyper, part, replaced
from .._schedules import positive
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ._base import (
    AbstractLoss,
    AbstractMemberships,
    AbstractSampleLoss,
    AbstractTypicalities,
    PrototypeLabels,
    nearness,
)
from ._competition import competition, competition_cost
from ._radial import AbstractRadial


class Possibilistic(AbstractSampleLoss, AbstractTypicalities, AbstractHomogeneous):
    """\\(\\ell = \\sum_j \\rho(\\delta_j)\\): possibilistic c-means with its typicalities
    eliminated.

    **Arguments:**

    - `radial`: ρ; with `Cauchy`, ∂ℓ/∂δ is \\(t^\\eta\\), with `Welsch` t.

    Prototypes do not compete, so that several may end at the same place: start near the clusters.
    Decision: probabilities ∝ t, so that the most typical prototype decides.

    Source: R. Krishnapuram, J. Keller, *A possibilistic approach to clustering*, IEEE Trans. Fuzzy
    Systems 1, 1993.
    """

    radial: AbstractRadial = part()
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = False

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return jnp.sum(self.radial(delta).T, axis=0)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return self.radial.log_typicality(delta)

    def typicalities(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jnp.exp(self.radial.log_typicality(delta))

    def in_units(self, unit: Float[Array, "*d"]) -> "Possibilistic":
        return Possibilistic(self.radial.in_units(unit))


class Saturated(AbstractLoss, AbstractMemberships, AbstractTypicalities, AbstractHomogeneous):
    """\\(\\ell = \\ell_0(\\rho(\\delta))\\): another loss, in which what is far away counts no
    more.

    **Arguments:**

    - `radial`: ρ.
    - `loss`: \\(\\ell_0\\).

    With `Fuzzy`, improved possibilistic c-means: prototypes compete, and outliers weigh nothing. By
    the chain rule, ∂ℓ/∂δ is \\(u^m t^\\eta\\). Decision: that of the loss.

    Source: J. Zhang, Y. Leung, *Improved possibilistic c-means clustering algorithms*, IEEE Trans.
    Fuzzy Systems 12, 2004.
    """

    radial: AbstractRadial = part()
    loss: AbstractLoss = part()

    def __init__(self, radial: AbstractRadial, loss: AbstractLoss):
        self.radial, self.loss = radial, loss

    @property
    def supervised(self) -> bool:
        """As the loss."""
        return self.loss.supervised

    @property
    def differentiable(self) -> bool:
        """As the loss."""
        return self.loss.differentiable

    @property
    def additive(self) -> bool:
        """As the loss."""
        return self.loss.additive

    @property
    def degree(self) -> int | None:
        """As the loss."""
        return degree(self.loss)

    def in_units(self, unit: Float[Array, "*d"]) -> "Saturated":
        inner: Any = self.loss
        return replaced(self, radial=self.radial.in_units(unit), loss=inner.in_units(unit))

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        inner: Any = self.loss
        return inner(self.radial(delta), labels, y, progress)

    def total(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        return self.loss.total(self.radial(delta), labels, y, weight, progress)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return self.loss.scores(self.radial(delta), labels)

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        if not isinstance(self.loss, AbstractMemberships):
            raise ValueError(
                f"`memberships`: the prototypes of {type(self.loss).__name__} do not share samples."
            )
        return self.loss.memberships(self.radial(delta))

    def typicalities(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jnp.exp(self.radial.log_typicality(delta))


class Columnwise(AbstractLoss, AbstractTypicalities, AbstractScaleFree):
    """\\(L = \\sum_j \\bigl(\\sum_i s_i\\,\\delta_{ij}^{-1/(\\eta-1)}\\bigr)^{-(\\eta-1)}\\):
    samples compete for each prototype, s their shares.

    **Arguments:**

    - `exponent`: η > 1.

    ∂L/∂δ is \\(s_i t_{ij}^\\eta\\) with typicalities \\(t_{ij} = \\delta_{ij}^{-1/(\\eta-1)} /
    \\sum_k s_k \\delta_{kj}^{-1/(\\eta-1)}\\), whose mean over the samples is one. Published
    typicalities sum to one over n samples, so that the published loss is \\(n^{-\\eta}\\) times
    this one: next to the memberships of many samples, it is nothing. It is no sum over samples:
    memory grows with n·p, what it says of a batch is a statistic of that batch, and typicalities of
    a few samples are relative to each other.

    Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    **Raises:** `ValueError` unless η > 1.

    Source: N. Pal, K. Pal, J. Bezdek, *A mixed c-means clustering model*, IEEE Conf. Fuzzy Systems
    1997.
    """

    exponent: Scalar = hyper(default=2.0)
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = False

    def __check_init__(self):
        positive(self.exponent, "exponent", above=1.0)

    def total(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        total = jnp.sum(weight)
        share = weight / jnp.where(total > 0, total, 1)
        return total * jnp.sum(competition_cost(delta, share, self.exponent))

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta)

    def typicalities(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        share = jnp.full(len(delta), 1 / len(delta), delta.dtype)
        _, power, total = competition(delta, share, self.exponent)
        return power / total[None] / len(delta)
