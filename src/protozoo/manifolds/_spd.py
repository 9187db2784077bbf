"""Symmetric positive definite matrices."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractSpectral
from ._jacobi import left_svd, pairs, precise_product, right_vectors


class SPD(AbstractSpectral):
    """Symmetric positive definite matrices with the affine-invariant metric.

    \\[ d(W, X) = \\lVert \\log(L^{-1} X L^{-\\top}) \\rVert_F, \\qquad W = L L^\\top, \\]

    which no change of basis alters: d(GWGᵀ, GXGᵀ) = d(W, X) = d(W⁻¹, X⁻¹).

    **Arguments:**

    - `n`: the number of rows.

    A point has shape (n, n) and k = n(n+1)/2 coordinates: the diagonal of S = log(L⁻¹XL⁻ᵀ), then √2
    times its strict upper triangle. A symmetric matrix is a member if its smallest eigenvalue
    exceeds n·eps times its largest: there is no absolute threshold, so the unit of the data does
    not matter.

    **Raises:** `ValueError` if `n` is not positive.

    Source: X. Pennec, P. Fillard, N. Ayache, *A Riemannian framework for tensor computing*,
    International Journal of Computer Vision 66, 2006.
    """

    n: int = static()
    displacement_is_difference: ClassVar[bool] = False

    def __init__(self, n: int):
        positive_integer(n, "n")
        self.n = int(n)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.n, self.n)

    @property
    def dimension(self) -> int:
        return self.n * (self.n + 1) // 2

    @property
    def coordinate_size(self) -> int:
        return self.dimension

    @property
    def injectivity_radius(self) -> float:
        return math.inf

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.eye(self.n)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        rows, columns = _triangle(self.n)
        logarithm = _log(points, x)[..., rows, columns]
        return (
            logarithm
            * jnp.asarray(np.where(rows == columns, 1, np.sqrt(2)), logarithm.dtype)[None, None]
        )

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        logarithms = 2 * _log_values(points, x)
        return jnp.sum(logarithms * logarithms, axis=-1)

    @property
    def rank(self) -> int:
        return self.n

    def spectrum(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p r"]:
        """Logarithms of the eigenvalues of W⁻¹X."""
        return jnp.sort(2 * _log_values(points, x), axis=-1)

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        rows, columns = _triangle(self.n)
        entry = np.empty((self.n, self.n), int)
        entry[rows, columns] = entry[columns, rows] = np.arange(self.dimension)
        scales = jnp.asarray(np.where(rows == columns, 1, np.sqrt(1 / 2)), coordinates.dtype)[None]
        return _walked(jnp.linalg.cholesky(points), (coordinates * scales)[:, entry])

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest symmetric matrices, in the Frobenius norm, whose eigenvalues are at least
        4n·eps times the largest magnitude among them (Higham 1988); members clear of the threshold
        are returned as they are."""
        # By a power of two, which rounds nothing: how eigenvalues are found is the same in every
        # unit.
        exponent = jnp.frexp(jnp.max(jnp.abs(points), axis=(1, 2), keepdims=True))[1]
        points = _symmetric(jnp.ldexp(points, -exponent))
        eigenvalues, vectors = jnp.linalg.eigh(points, symmetrize_input=False)
        scale = jnp.max(jnp.abs(eigenvalues), axis=-1, keepdims=True)
        # The zero matrix has no scale of its own.
        unit = self.n * _epsilon(points) * jnp.where(scale > 0, scale, 1)
        # Between the two thresholds lies the rounding of what was floored: it is not floored again.
        floored = _assembled(vectors, jnp.maximum(eigenvalues, 4 * unit))
        return jnp.ldexp(
            jnp.where((eigenvalues[:, :1] > 2 * unit)[..., None], points, floored), exponent
        )

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        # What is being traced has no values yet.
        if isinstance(points, Tracer):
            return None
        # In NumPy: nothing compiles. In double precision: the points are judged, not the rounding
        # of this check. And by a few at a time, which stay in a processor's cache.
        matrices, rows = np.asarray(points), max(1, 2**15 // self.n**2)
        for i in range(0, len(matrices), rows):
            if (wrong := _first_violation(matrices[i : i + rows], _epsilon(points))) is not None:
                at, reason = wrong
                return f"point {i + at} {reason}"
        return None

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Walks from the identity along Gaussian coordinates, scaled so that the condition depends
        little on n."""
        coordinates = jax.random.normal(key, (count, self.dimension)) / self.n**0.5
        return self.exp(jnp.broadcast_to(self.origin, (count, self.n, self.n)), coordinates)


def _triangle(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the coordinates' entries: the diagonal, then the strict upper
    triangle."""
    rows, columns = np.triu_indices(n, 1)
    return np.concatenate([np.arange(n), rows]), np.concatenate([np.arange(n), columns])


def _epsilon(a: np.ndarray | Array) -> float:
    return float(jnp.finfo(a.dtype).eps)


def _symmetric(a: Float[Array, "... i i"]) -> Float[Array, "... i i"]:
    return (a + a.mT) / 2


def _first_violation(points: Float[np.ndarray, "p i i"], eps: float) -> tuple[int, str] | None:
    """The index of the first matrix that is no member, in a precision of `eps`, and why."""
    matrices, least = points.astype(float), points.shape[-1] * eps
    finite = np.all(np.isfinite(matrices), axis=(1, 2))
    matrices = np.where(finite[:, None, None], matrices, 0)
    asymmetry = np.abs(matrices - matrices.mT).max(axis=(1, 2))
    symmetric = asymmetry <= eps**0.5 * np.abs(matrices).max(axis=(1, 2))
    matrices = (matrices + matrices.mT) / 2
    if np.all(finite & symmetric) and _surely_definite(matrices, least):
        return None
    eigenvalues = np.linalg.eigvalsh(matrices)
    lowest, highest = eigenvalues[:, 0], eigenvalues[:, -1]
    members = finite & symmetric & (lowest > least * highest)
    if np.all(members):
        return None
    i = int(np.argmin(members))
    if not finite[i]:
        return i, "is not finite"
    if not symmetric[i]:
        return i, f"is not symmetric: it differs from its transpose by up to {asymmetry[i]:.3g}"
    return i, (
        f"is not positive definite in {points.dtype}: its smallest eigenvalue is {lowest[i]:.3g}, "
        f"its largest {highest[i]:.3g}"
    )


def _surely_definite(matrices: Float[np.ndarray, "p i i"], least: float) -> bool:
    """Whether all smallest eigenvalues exceed `least` times the trace, which is no less than the
    largest.

    One factorisation takes a tenth of the time of the eigenvalues.
    """
    bound = least * np.trace(matrices, axis1=1, axis2=2)
    try:
        np.linalg.cholesky(matrices - bound[:, None, None] * np.eye(matrices.shape[-1]))
    except np.linalg.LinAlgError:
        return False
    return True


def _assembled(
    vectors: Float[Array, "... i i"], values: Float[Array, "... i"]
) -> Float[Array, "... i i"]:
    return _symmetric(precise_product(vectors * values[..., None, :], vectors.mT))


def _factors(points: Float[Array, "p i i"], x: Float[Array, "n i i"]) -> tuple[Array, Array, Array]:
    """L and C of points W = LLᵀ and samples X = CCᵀ, and M = L⁻¹C of all pairs, `(n, p, i, i)`.

    The squares of the singular values of M are the eigenvalues of L⁻¹XL⁻ᵀ = MMᵀ, which is never
    formed: that would square the condition, and eigenvalues below the rounding of the largest would
    be lost.
    """
    lower, factors = jnp.linalg.cholesky(points), jnp.linalg.cholesky(x)
    unit = jnp.broadcast_to(jnp.eye(points.shape[-1], dtype=points.dtype), points.shape)
    inverses = jax.lax.linalg.triangular_solve(lower, unit, left_side=True, lower=True)
    # A single large product.
    return lower, factors, jnp.einsum("pij,njk->npik", inverses, factors, precision="highest")


def _within(factors: Float[Array, "m i i"], change: Float[Array, "m i i"]) -> Float[Array, "m i i"]:
    """L⁻¹ dW L⁻ᵀ: how a matrix changes, relative to itself."""
    half = jax.lax.linalg.triangular_solve(factors, _symmetric(change), left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factors, half, lower=True, transpose_a=True)


@jax.custom_jvp
def _log_values(points: Float[Array, "p i i"], x: Float[Array, "n i i"]) -> Float[Array, "n p i"]:
    """Logarithms of the singular values of M = L⁻¹C = U s Vᵀ."""
    return jnp.log(left_svd(_factors(points, x)[-1])[1])


def _log_values_jvp(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
    # 2 d log s = vᵀ(C⁻¹ dX C⁻ᵀ)v - uᵀ(L⁻¹ dW L⁻ᵀ)u. Where values coincide, any of their vectors
    # will do for whatever is symmetric in the values; nothing is divided by differences between
    # them.
    lower, factors, m = _factors(*primals)
    left, values = left_svd(m)
    change = jnp.zeros_like(values)
    if not isinstance(tangents[0], SymbolicZero):
        change -= (
            jnp.sum(left * precise_product(_within(lower, tangents[0])[None], left), axis=-2) / 2
        )
    if not isinstance(tangents[1], SymbolicZero):
        right = right_vectors(m, left, values)
        change += (
            jnp.sum(right * precise_product(_within(factors, tangents[1])[:, None], right), axis=-2)
            / 2
        )
    return jnp.log(values), change


_log_values.defjvp(_log_values_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _log(points: Float[Array, "p i i"], x: Float[Array, "n i i"]) -> Float[Array, "n p i i"]:
    """log(L⁻¹XL⁻ᵀ) = 2 U log(s) Uᵀ."""
    left, values = left_svd(_factors(points, x)[-1])
    return _assembled(left, 2 * jnp.log(values))


def _log_jvp(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
    # U (K ∘ Uᵀ d(MMᵀ) U) Uᵀ, K holding the divided differences of the logarithm (Daleckii & Krein
    # 1965): exact also where values coincide; the derivatives of the vectors, which automatic
    # differentiation would take, are infinite there. K is written as h / (s sinh(h) s') with h =
    # log(s / s'), in which nothing cancels, and s⁻¹ Uᵀ d(MMᵀ) U s⁻¹ by what changes relative to
    # itself, in which nothing is small.
    lower, factors, m = _factors(*primals)
    left, values = left_svd(m)
    logarithms = jnp.log(values)
    change = jnp.zeros_like(m)
    if not isinstance(tangents[0], SymbolicZero):
        # L⁻¹ dL
        turn = (
            jnp.tril(_within(lower, tangents[0]))
            * (1 - jnp.eye(m.shape[-1], dtype=m.dtype) / 2)[None]
        )
        half = precise_product(left.mT, precise_product(turn[None], left)) * pairs(
            lambda a, b: b / a, values
        )
        change -= half + half.mT
    if not isinstance(tangents[1], SymbolicZero):
        right = right_vectors(m, left, values)
        change += precise_product(
            right.mT, precise_product(_within(factors, tangents[1])[:, None], right)
        )
    change /= _sinhc(pairs(jnp.subtract, logarithms))
    return _assembled(left, 2 * logarithms), precise_product(precise_product(left, change), left.mT)


_log.defjvp(_log_jvp, symbolic_zeros=True)


def _sinhc(h: Float[Array, "..."]) -> Float[Array, "..."]:
    """sinh(h) / h."""
    away = jnp.where(h == 0, 1, h)
    return jnp.where(h == 0, 1, jnp.sinh(away) / away)


@jax.custom_jvp
def _walked(
    lower: Float[Array, "p i i"], logarithms: Float[Array, "p i i"]
) -> Float[Array, "p i i"]:
    """L exp(S) Lᵀ, as FFᵀ with F = LV exp(λ/2), S = V λ Vᵀ: so rounding cannot cost it its
    definiteness, and where W is small and exp(S) large, no large numbers are left to cancel."""
    return _gram(_walked_factor(lower, *jnp.linalg.eigh(logarithms, symmetrize_input=False)))


@_walked.defjvp
def _walked_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (lower, logarithms), (lower_change, change) = primals, tangents
    eigenvalues, vectors = jnp.linalg.eigh(logarithms, symmetrize_input=False)
    factor = _walked_factor(lower, eigenvalues, vectors)
    # (eᵃ - eᵇ) / (a - b) = exp(a/2) exp(b/2) sinh(h) / h with h = (a - b) / 2: F holds the first
    # two.
    turned = _sinhc(pairs(jnp.subtract, eigenvalues / 2)) * precise_product(
        precise_product(vectors.mT, change), vectors
    )
    moved = precise_product(_walked_factor(lower_change, eigenvalues, vectors), factor.mT)
    return _gram(factor), precise_product(
        precise_product(factor, turned), factor.mT
    ) + moved + moved.mT


def _walked_factor(
    lower: Array, eigenvalues: Float[Array, "p i"], vectors: Float[Array, "p i i"]
) -> Float[Array, "p i i"]:
    return precise_product(lower, vectors) * jnp.exp(eigenvalues / 2)[:, None, :]


def _gram(factor: Float[Array, "... i i"]) -> Float[Array, "... i i"]:
    return _symmetric(precise_product(factor, factor.mT))
