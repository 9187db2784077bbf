"""Symmetric positive definite matrices."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold


class SPD(AbstractManifold):
    """Symmetric positive definite matrices with the affine-invariant metric.

    \\[ d(W, X) = \\lVert \\log(L^{-1} X L^{-\\top}) \\rVert_F, \\qquad W = L L^\\top, \\]

    which no change of basis alters: d(GWGᵀ, GXGᵀ) = d(W, X) = d(W⁻¹, X⁻¹).

    **Arguments:**

    - `n`: the number of rows.

    A point has shape (n, n) and k = n(n+1)/2 coordinates: the diagonal of S = log(L⁻¹XL⁻ᵀ), then √2 times its strict upper
    triangle. A symmetric matrix is a member if its smallest eigenvalue exceeds n·eps times its largest: there is no
    absolute threshold, so the unit of the data does not matter.

    Pennec, Fillard & Ayache (2006), A Riemannian framework for tensor computing.

    **Raises:** `ValueError` if `n` is not positive.
    """

    n: int = static()
    flat: ClassVar[bool] = False

    def __init__(self, n: int):
        self.n = int(n)
        if self.n < 1:
            raise ValueError(f"`n` must be positive, got {n!r}.")

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.n, self.n)

    @property
    def dimension(self) -> int:
        return self.n * (self.n + 1) // 2

    def coordinates(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p k"]:
        rows, columns = _triangle(self.n)
        logarithm = _log(_whitened(points, x))[..., rows, columns]
        return logarithm * jnp.asarray(np.where(rows == columns, 1, np.sqrt(2)), logarithm.dtype)

    def squared_distances(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p"]:
        # The eigenvalues alone: unlike those of the eigenvectors, their gradient has no poles where two of them meet.
        logarithms = jnp.log(_floored(jnp.linalg.eigvalsh(_whitened(points, x), symmetrize_input=False)))
        return jnp.sum(logarithms * logarithms, axis=-1)

    def exp(self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]) -> Float[Array, "p ..."]:
        rows, columns = _triangle(self.n)
        entry = np.empty((self.n, self.n), int)
        entry[rows, columns] = entry[columns, rows] = np.arange(self.dimension)
        # L exp(S) Lᵀ as the Gram matrix of L exp(S/2), so that rounding cannot cost it its definiteness.
        halves = coordinates * jnp.asarray(np.where(rows == columns, 1 / 2, np.sqrt(1 / 8)), coordinates.dtype)
        factors = _product(jnp.linalg.cholesky(points), _exp(halves[:, entry]))
        return _symmetric(_product(factors, factors.mT))

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest symmetric matrices, in the Frobenius norm, whose eigenvalues are at least 4n·eps times the largest
        magnitude among them (Higham 1988); members clear of the threshold are returned as they are."""
        points = _symmetric(points)
        eigenvalues, vectors = jnp.linalg.eigh(points, symmetrize_input=False)
        scale = jnp.max(jnp.abs(eigenvalues), axis=-1, keepdims=True)
        # The zero matrix has no scale of its own.
        unit = self.n * _epsilon(points) * jnp.where(scale > 0, scale, 1)
        # Between the two thresholds lies the rounding of what was floored: it is not floored again.
        floored = _assembled(vectors, jnp.maximum(eigenvalues, 4 * unit))
        return jnp.where((eigenvalues[:, :1] > 2 * unit)[..., None], points, floored)

    def violation(self, points: Float[Array, "p ..."]) -> str | None:
        # What is being traced has no values yet.
        if isinstance(points, Tracer):
            return None
        # In NumPy's double precision: the points are judged, not the rounding of this check; and nothing compiles.
        matrices = np.asarray(points).astype(float)
        finite = np.all(np.isfinite(matrices), axis=(1, 2))
        matrices = np.where(finite[:, None, None], matrices, 0)
        asymmetry = np.abs(matrices - matrices.mT).max(axis=(1, 2))
        symmetric = asymmetry <= _epsilon(points) ** 0.5 * np.abs(matrices).max(axis=(1, 2))
        eigenvalues = np.linalg.eigvalsh((matrices + matrices.mT) / 2)
        lowest, highest = eigenvalues[:, 0], eigenvalues[:, -1]
        definite = lowest > self.n * _epsilon(points) * highest
        members = finite & symmetric & definite
        if members.all():
            return None
        i = int(np.argmin(members))
        if not finite[i]:
            return f"point {i} is not finite"
        if not symmetric[i]:
            return f"point {i} is not symmetric: it differs from its transpose by up to {asymmetry[i]:.3g}"
        return (
            f"point {i} is not positive definite in {points.dtype}: its smallest eigenvalue is {lowest[i]:.3g}, its "
            f"largest {highest[i]:.3g}"
        )

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Walks from the identity along Gaussian coordinates, scaled so that the condition depends little on n."""
        coordinates = jax.random.normal(key, (count, self.dimension)) / self.n**0.5
        return self.exp(jnp.broadcast_to(jnp.eye(self.n), (count, self.n, self.n)), coordinates)


def _triangle(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the coordinates' entries: the diagonal, then the strict upper triangle."""
    rows, columns = np.triu_indices(n, 1)
    return np.concatenate([np.arange(n), rows]), np.concatenate([np.arange(n), columns])


def _epsilon(a: Array) -> float:
    return float(jnp.finfo(a.dtype).eps)


def _product(a: Float[Array, "... i j"], b: Float[Array, "... j k"]) -> Float[Array, "... i k"]:
    # By default an accelerator may round the factors of a product to a few bits; geometry does not survive that.
    return jnp.matmul(a, b, precision="highest")


def _symmetric(a: Float[Array, "... i i"]) -> Float[Array, "... i i"]:
    return (a + a.mT) / 2


def _assembled(vectors: Float[Array, "... i i"], values: Float[Array, "... i"]) -> Float[Array, "... i i"]:
    return _symmetric(_product(vectors * values[..., None, :], vectors.mT))


def _whitened(points: Float[Array, "p i i"], x: Float[Array, "n i i"]) -> Float[Array, "n p i i"]:
    """L⁻¹ X Lᵀ⁻¹, the samples as seen from each point W = L Lᵀ."""
    factors = jnp.linalg.cholesky(points)
    unit = jnp.broadcast_to(jnp.eye(points.shape[-1], dtype=points.dtype), points.shape)
    inverses = jax.lax.linalg.triangular_solve(factors, unit, left_side=True, lower=True)
    # In this order the first product is a single large one.
    half = jnp.einsum("pij,njk->pink", inverses, x, precision="highest")
    return _symmetric(jnp.einsum("pink,plk->npil", half, inverses, precision="highest"))


def _floored(eigenvalues: Float[Array, "... i"]) -> Float[Array, "... i"]:
    """Ascending eigenvalues without those that are rounding, perhaps not even positive."""
    return jnp.maximum(eigenvalues, jax.lax.stop_gradient(_epsilon(eigenvalues) * eigenvalues[..., -1:]))


def _pairs(function: Callable[[Array, Array], Array], values: Float[Array, "... i"]) -> Float[Array, "... i i"]:
    return function(values[..., :, None], values[..., None, :])


def _logarithmic_means(logarithms: Float[Array, "... i"], values: Float[Array, "... i"]) -> Float[Array, "... i i"]:
    """(a - b) / (log a - log b) for all pairs: the divided differences of exp, and reciprocals of those of log.

    Written as √(ab) sinh(h)/h with h = (log a - log b)/2, which nothing cancels in.
    """
    half = _pairs(jnp.subtract, logarithms / 2)
    away = jnp.where(half == 0, 1, half)
    return _pairs(jnp.multiply, jnp.sqrt(values)) * jnp.where(half == 0, 1, jnp.sinh(away) / away)


def _logarithm(eigenvalues: Float[Array, "... i"]) -> tuple[Float[Array, "... i"], Float[Array, "... i i"]]:
    values = _floored(eigenvalues)
    logarithms = jnp.log(values)
    # The floor is part of the function: its own divided differences, 1 where it is idle, are the other factor.
    gaps = _pairs(jnp.subtract, eigenvalues)
    idle = jnp.broadcast_to((values == eigenvalues)[..., None, :], gaps.shape).astype(gaps.dtype)
    floor = jnp.where(gaps == 0, idle, _pairs(jnp.subtract, values) / jnp.where(gaps == 0, 1, gaps))
    return logarithms, floor / _logarithmic_means(logarithms, values)


def _exponential(eigenvalues: Float[Array, "... i"]) -> tuple[Float[Array, "... i"], Float[Array, "... i i"]]:
    values = jnp.exp(eigenvalues)
    return values, _logarithmic_means(eigenvalues, values)


def _spectral(
    function: Callable[[Float[Array, "... i"]], tuple[Float[Array, "... i"], Float[Array, "... i i"]]],
) -> Callable[[Float[Array, "... i i"]], Float[Array, "... i i"]]:
    """The matrix function f(M) = V f(λ) Vᵀ of symmetric matrices M = V λ Vᵀ, from f(λ) and its divided differences K.

    Its derivative is V (K ∘ Vᵀ dM V) Vᵀ (Daleckii & Krein 1965), exact also where eigenvalues coincide; that of the
    eigenvectors, which automatic differentiation would take, is infinite there.
    """

    @jax.custom_jvp
    def apply(matrices):
        eigenvalues, vectors = jnp.linalg.eigh(matrices, symmetrize_input=False)
        return _assembled(vectors, function(eigenvalues)[0])

    @apply.defjvp
    def derivative(primals, tangents):
        (matrices,), (tangent,) = primals, tangents
        eigenvalues, vectors = jnp.linalg.eigh(matrices, symmetrize_input=False)
        values, differences = function(eigenvalues)
        change = differences * _product(_product(vectors.mT, tangent), vectors)
        return _assembled(vectors, values), _product(_product(vectors, change), vectors.mT)

    return apply


_log = _spectral(_logarithm)
_exp = _spectral(_exponential)
