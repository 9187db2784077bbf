"""Saturating functions of a dissimilarity: far away, a sample weighs nothing."""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, buffer, hyper, replaced
from .._schedules import positive
from .._types import Array, Float, Scalar
from ..metrics import AbstractClosedForm, Moments, Step
from ..metrics.internal import Order


class AbstractRadial(AbstractClosedForm, AbstractHomogeneous):
    """An increasing, concave function ρ(δ; γ) that begins as δ and saturates at the bandwidth γ.

    Its derivative is a weight that falls from one to zero: how typical a sample is of the
    prototype. Bandwidths are estimates, not parameters: a loss that lowered them would shrink them
    to nothing. Alternating optimisation estimates them again where it is asked to
    (`estimate_every`), as \\(\\gamma_j = K \\sum_i W_{ij}\\delta_{ij} / \\sum_i W_{ij}\\).
    Estimated often, they shrink as well: samples that have become untypical weigh nothing when the
    next estimate is made.
    """

    #: γ_j, one for each prototype or one for all, in units of δ.
    bandwidths: eqx.AbstractVar[Float[Array, "*p"]]
    #: K.
    factor: eqx.AbstractVar[Scalar]
    needs_cost: ClassVar[bool] = True
    degree: ClassVar[int] = 1

    @abc.abstractmethod
    def __call__(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """ρ(δ)."""

    @abc.abstractmethod
    def log_typicality(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """log t, t = 1 on the prototype and 0 far away."""

    @property
    def second_moments(self) -> Order:
        return "none"

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Step) -> "AbstractRadial":
        old, mean = jnp.asarray(self.bandwidths), self.factor * moments.mean_cost()
        if old.ndim == 0:
            mean = jnp.mean(mean)
        size = step.each if old.ndim else step.whole
        # A prototype on which all of its samples lie keeps its bandwidth: there is none without
        # extent.
        wide = mean > jnp.sqrt(jnp.finfo(old.dtype).tiny)
        return replaced(self, bandwidths=old + size * jnp.where(wide, mean - old, 0))

    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractRadial":
        return replaced(self, bandwidths=self.bandwidths / unit)

    def _relative(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """δ/γ."""
        gamma = jax.lax.stop_gradient(self.bandwidths)
        return delta / jnp.broadcast_to(gamma, delta.shape[-1])[None]


class Cauchy(AbstractRadial):
    """\\(\\rho = \\delta\\,t^{\\eta-1}\\) with the typicality
    \\(t = 1/(1 + (\\delta/\\gamma)^{1/(\\eta-1)})\\), and \\(\\rho' = t^\\eta\\).

    For η = 2, ρ = δγ/(δ + γ).

    **Arguments:**

    - `bandwidths`: γ > 0, `(p,)` or a number, in units of δ: where a sample is half typical.
    - `exponent`: η > 1; near 1, a sample is typical or not, with little between.
    - `factor`: K > 0, how many mean dissimilarities an estimated bandwidth is.

    **Raises:** `ValueError` for numbers out of range.

    Source: R. Krishnapuram, J. Keller, *A possibilistic approach to clustering*, IEEE Trans. Fuzzy
    Systems 1, 1993.
    """

    bandwidths: Float[Array, "*p"] = buffer(axis="prototype")
    exponent: Scalar = hyper(default=2.0)
    factor: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.bandwidths, "bandwidths")
        positive(self.exponent, "exponent", above=1.0)
        positive(self.factor, "factor")

    def __call__(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return _cauchy(delta, jnp.broadcast_to(self.bandwidths, delta.shape[-1]), self.exponent)

    def log_typicality(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return _log_cauchy(self._relative(delta), self.exponent)


@jax.custom_jvp
def _cauchy(delta: Array, gamma: Array, exponent: Array) -> Array:
    # γ times a number below one: neither δ nor its power can overflow.
    q = 1 / (exponent - 1)
    return gamma[None] * jnp.exp(jax.nn.log_sigmoid(q * jnp.log(delta / gamma[None])) / q)


@_cauchy.defjvp
def _cauchy_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    delta, gamma, exponent = primals
    typicality = jnp.exp(exponent * _log_cauchy(delta / gamma[None], exponent))
    return _cauchy(*primals), typicality * tangents[0]


def _log_cauchy(relative: Array, exponent: Array) -> Array:
    return jax.nn.log_sigmoid(-jnp.log(relative) / (exponent - 1))


class Welsch(AbstractRadial):
    """\\(\\rho = \\gamma(1 - e^{-\\delta/\\gamma})\\), and \\(\\rho' = t = e^{-\\delta/\\gamma}\\).

    **Arguments:**

    - `bandwidths`: γ > 0, `(p,)` or a number, in units of δ.
    - `factor`: K > 0, how many mean dissimilarities an estimated bandwidth is.

    **Raises:** `ValueError` for numbers out of range.

    Source: R. Krishnapuram, J. Keller, *The possibilistic c-means algorithm: insights and
    recommendations*, IEEE Trans. Fuzzy Systems 4, 1996.
    """

    bandwidths: Float[Array, "*p"] = buffer(axis="prototype")
    factor: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.bandwidths, "bandwidths")
        positive(self.factor, "factor")

    def __call__(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        gamma = jnp.broadcast_to(jax.lax.stop_gradient(self.bandwidths), delta.shape[-1])
        return -gamma[None] * jnp.expm1(-delta / gamma[None])

    def log_typicality(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return -self._relative(delta)
