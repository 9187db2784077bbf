"""What competitors for the same thing cost together: prototypes for a sample, or samples for a
prototype."""

import jax
import jax.numpy as jnp

from .._types import Array, Float, Scalar


def competition(
    delta: Float[Array, "k m"], share: Float[Array, " k"], exponent: Scalar
) -> tuple[Float[Array, "k m"], Float[Array, "k m"], Float[Array, " m"]]:
    """Ratios \\(\\rho_k = \\min_j \\delta_j / \\delta_k\\) in each column, their powers
    \\(\\rho_k^{1/(\\eta-1)}\\), and the sums of these by shares, \\(\\sum_k s_k
    \\rho_k^{1/(\\eta-1)}\\): memberships and typicalities are powers divided by sums.

    Ratios have no unit; what is at distance zero has a ratio of one, and what has no share zero.
    """
    there = (share > 0)[:, None]
    delta = jnp.where(there, delta, jnp.inf)
    least = jnp.min(delta, axis=0)[None]
    ratio = jnp.where(delta == least, 1, least / jnp.where(delta == 0, 1, delta))
    # The usual exponent of two needs no logarithm, which takes longer than everything else here.
    power = jax.lax.cond(exponent == 2, lambda r, _: r, _root, ratio, exponent - 1)
    ratio, power = jnp.where(there, ratio, 0), jnp.where(there, power, 0)
    return ratio, power, jnp.sum(share[:, None] * power, axis=0)


def _root(ratio: Float[Array, "k m"], degree: Scalar) -> Float[Array, "k m"]:
    # Zero has no logarithm; NaN stays NaN.
    none = ratio == 0
    return jnp.where(none, 0, jnp.exp(jnp.log(jnp.where(none, 1, ratio)) / degree))


@jax.custom_jvp
def competition_cost(
    delta: Float[Array, "k m"], share: Float[Array, " k"], exponent: Scalar
) -> Float[Array, " m"]:
    """\\(\\bigl(\\sum_k s_k\\,\\delta_k^{-1/(\\eta-1)}\\bigr)^{-(\\eta-1)}\\) of each column, the
    smallest dissimilarity times a function of ratios.

    Its derivative by δ_k is \\(s_k t_k^\\eta\\), with the typicalities t of `competition`.
    """
    return _cost(delta, share, exponent, competition(delta, share, exponent)[2])


@competition_cost.defjvp
def _competition_cost_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    delta, share, exponent = primals
    ratio, power, total = competition(delta, share, exponent)
    # tᵑ = t·tᵑ⁻¹, and the (η - 1)-th power of what t is proportional to is the ratio itself.
    weights = share[:, None] * power * ratio * (total**-exponent)[None]
    return _cost(delta, share, exponent, total), jnp.sum(weights * tangents[0], axis=0)


def _cost(delta: Array, share: Array, exponent: Array, total: Array) -> Array:
    there = (share > 0)[:, None]
    return jnp.min(jnp.where(there, delta, jnp.inf), axis=0) * total ** (1 - exponent)
