"""Functions of angles that are smooth, also where the formulas for them are 0 / 0.

Each is computed by its power series near zero and by its formula elsewhere, and every formula is
given harmless numbers where it does not count: so no derivative, of any order, is NaN.
"""

import math

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float
from ._jacobi import precise_product


#: What is smaller is left to the power series, whose first missing term is then below all rounding.
SMALL = 0.03
#: How many times matrices are halved before the series of their functions, and its terms.
HALVINGS, TERMS = 8, 7


def angle(sine: Float[Array, "..."], cosine: Float[Array, "..."]) -> Float[Array, "..."]:
    """θ from multiples of its sine and cosine, neither of them negative nor both zero: twice the
    angle of half the tangent takes half the time of a function for all quadrants."""
    return 2 * jnp.arctan(sine / (cosine + jnp.sqrt(sine * sine + cosine * cosine)))


def arcsine_ratio(
    squares: Float[Array, "..."], rest: Float[Array, "..."] | None = None
) -> Float[Array, "..."]:
    """\\(\\arcsin(s)/s\\) as a function of s²; of negative s², \\(\\mathrm{arsinh}(s)/s\\) with s =
    √-s².

    - `squares`: s² ≤ 1.
    - `rest`: 1 - s², if it is known without rounding.
    """
    rest = 1 - squares if rest is None else rest
    t = jnp.sqrt(jnp.where(squares > -SMALL, 1, -squares))
    return jnp.where(squares > -SMALL, _arcsine_ratio(squares, rest), jnp.arcsinh(t) / t)


def _arcsine_ratio(squares: Float[Array, "..."], rest: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same for what is not far below zero."""
    small = squares < SMALL
    series = _series(squares, [math.comb(2 * m, m) / (4**m * (2 * m + 1)) for m in range(9)])
    s, c = (jnp.sqrt(jnp.where(small | (a <= 0), 1, a)) for a in (squares, rest))
    return jnp.where(small, series, jnp.where(rest > 0, angle(s, c), math.pi / 2) / s)


@jax.custom_jvp
def squared_arc(squares: Float[Array, "..."], rest: Float[Array, "..."]) -> Float[Array, "..."]:
    """θ² from \\(\\sin^2(\\theta/2)\\) and \\(\\cos^2(\\theta/2)\\), each to its own precision."""
    return 4 * squares * _arcsine_ratio(squares, rest) ** 2


@squared_arc.defjvp
def _squared_arc_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple:
    # As a function of the sine alone. At π there is no derivative; nothing is said of it.
    (squares, rest), (change, _) = primals, tangents
    ratio = _arcsine_ratio(squares, rest)
    slope = 4 * ratio / jnp.sqrt(jnp.where(rest > 0, rest, 1))
    return 4 * squares * ratio**2, slope * change


def over_sine(angles: Float[Array, "..."]) -> Float[Array, "..."]:
    """\\(\\theta/\\sin\\theta\\) for |θ| < π."""
    away, at_zero = _away(angles)
    return jnp.where(at_zero, 1, away / jnp.sin(away))


def times_cotangent(angles: Float[Array, "..."]) -> Float[Array, "..."]:
    """\\(\\theta\\cot\\theta\\) for |θ| < π."""
    away, at_zero = _away(angles)
    return jnp.where(at_zero, 1, away / jnp.tan(away))


def _away(angles: Float[Array, "..."]) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    """Angles, moved away from where both functions are one to all digits; and where that is."""
    # Only a square could vanish; the quotient of an angle and its own sine is exact down to zero.
    at_zero = jnp.abs(angles) < jnp.finfo(angles.dtype).tiny
    return jnp.where(at_zero, 1, angles), at_zero


def _series(u: Float[Array, "..."], coefficients: list[float]) -> Float[Array, "..."]:
    total = jnp.full_like(u, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * u + c
    return total


def trigonometric(
    squares: Float[Array, "*batch k k"],
) -> tuple[Float[Array, "*batch k k"], Float[Array, "*batch k k"]]:
    """\\(1 - \\cos\\sqrt S\\) and \\(\\sin\\sqrt S\\,/\\sqrt S\\) of symmetric positive
    semidefinite S.

    Both are power series in S: of S / 4^halvings by a few terms, then doubled. Nothing is
    decomposed, so that derivatives are those of products; and 1 - cos keeps its digits where it is
    small.
    """
    unit = jnp.broadcast_to(jnp.eye(squares.shape[-1], dtype=squares.dtype), squares.shape)
    u = squares / 4.0**HALVINGS
    versine = sine = jnp.zeros_like(u)
    for m in range(TERMS, 0, -1):
        # Σ (-1)^(m+1) S^m / (2m)! and Σ (-1)^m S^m / (2m+1)!, from the last terms on.
        versine = precise_product(u, unit - versine) / ((2 * m) * (2 * m - 1))
        sine = precise_product(u, unit - sine) / ((2 * m) * (2 * m + 1))
    sine = unit - sine
    for _ in range(HALVINGS):
        sine = sine - precise_product(versine, sine)
        versine = 4 * versine - 2 * precise_product(versine, versine)
    return versine, sine


def orthonormalised(matrices: Float[Array, "*batch n k"]) -> Float[Array, "*batch n k"]:
    """Columns that are orthonormal but for rounding, without it: one Newton step to the polar
    factor."""
    gram = precise_product(matrices.mT, matrices)
    return 1.5 * matrices - 0.5 * precise_product(matrices, gram)
