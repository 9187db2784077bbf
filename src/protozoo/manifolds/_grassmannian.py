"""Subspaces."""

import functools
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from .._checks import positive_integer
from .._constraints import Orthonormal
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractSpectral
from ._functions import angle, orthonormalised, over_sine, times_cotangent, trigonometric
from ._jacobi import left_svd, pairs, precise_product, right_vectors
from ._membership import first, known, off_orthonormal, rounding


class Grassmannian(AbstractSpectral):
    """Subspaces of dimension k of a space of n dimensions, such as the span of a set of images.

    \\[ d(Q, X) = \\Bigl(\\sum_i \\theta_i^2\\Bigr)^{1/2}, \\qquad \\cos\\theta_i\\ \\text{the
    singular values of}\\ Q^\\top X, \\]

    with the principal angles θ_i.

    **Arguments:**

    - `n`, `k`: of how many numbers vectors are, and how many dimensions a subspace has, 0 < k < n.

    A point is an orthonormal basis, (n, k). Another basis of the same subspace is the same sample:
    nothing depends on it. There are n·k coordinates, the entries of the tangent Δ that is
    orthogonal to Q, in the basis Q of a prototype: k·(n-k) of them would be enough, but cannot be
    chosen smoothly for all subspaces. Where a principal angle is π/2, there are several shortest
    ways, and one of them is taken.

    **Raises:** `ValueError` unless 0 < k < n.

    Source: A. Edelman, T. Arias, S. Smith, *The geometry of algorithms with orthogonality
    constraints*, SIAM Journal on Matrix Analysis and Applications 20, 1998.
    """

    n: int = static()
    k: int = static()
    displacement_is_difference: ClassVar[bool] = False

    def __init__(self, n: int, k: int):
        positive_integer(n, "n")
        positive_integer(k, "k")
        if not k < n:
            raise ValueError(f"`k` must be less than `n`, got k={k} and n={n}.")
        self.n, self.k = int(n), int(k)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.n, self.k)

    @property
    def dimension(self) -> int:
        return self.k * (self.n - self.k)

    @property
    def coordinate_size(self) -> int:
        return self.n * self.k

    @property
    def rank(self) -> int:
        return min(self.k, self.n - self.k)

    @property
    def injectivity_radius(self) -> float:
        return math.pi / 2

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.eye(self.n, self.k)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        tangents = _logarithm(points, x)
        return tangents.reshape(*tangents.shape[:2], -1)

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        return jnp.sum(_angles(points, x) ** 2, axis=-1)

    def spectrum(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p r"]:
        """The principal angles; those that are zero in any case are left out."""
        return _angles(points, x)[..., self.k - self.rank :]

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        tangent = coordinates.reshape(points.shape)
        tangent = tangent - precise_product(points, precise_product(points.mT, tangent))
        versine, sine = trigonometric(precise_product(tangent.mT, tangent))
        change = precise_product(tangent, sine) - precise_product(points, versine)
        return orthonormalised(points + change)

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest orthonormal bases, in the Frobenius norm."""
        left, _, right = jnp.linalg.svd(points, full_matrices=False)
        return precise_product(left, right)

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        values = known(points)
        if values is None:
            return None
        reason = (
            "is no orthonormal basis: products of its columns differ from those of axes "
            "by {off:.3g}"
        )
        remedy = "; ask `space.project`, or `numpy.linalg.qr` for a basis of a span"
        return first(values, off_orthonormal(values), rounding(points), reason + remedy)

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Uniformly distributed: spans of normal vectors."""
        return jnp.linalg.qr(jax.random.normal(key, (count, self.n, self.k)))[0]


class _Principal(NamedTuple):
    """How subspaces lie to each other: X V = Q U cos θ + W sin θ, for all pairs (n, p)."""

    left: Float[Array, "n p k k"]  # U
    right: Float[Array, "n p k k"]  # V
    angles: Float[Array, "n p k"]  # θ, ascending
    out: Float[Array, "n p d k"]  # W, zero in the directions in which X does not leave Q
    base: Float[Array, "n p d k"]  # Q U


def _principal(points: Float[Array, "p d k"], x: Float[Array, "n d k"]) -> _Principal:
    # Of spans that are orthogonal to each other any pairs of directions will do, but there must be
    # some.
    products = jnp.einsum("pik,nil->npkl", points, x, precision="highest")
    eps = jnp.finfo(x.dtype).eps
    shifted = products + eps * jnp.eye(x.shape[-1], dtype=x.dtype)[None, None]
    left, cosines = _descending(*left_svd(shifted))
    # Right vectors of small values have the errors of all others: these are taken out of them
    # again.
    right = Orthonormal().project(right_vectors(shifted, left, cosines))
    # Angles whose cosines are one to all digits are not told apart, only the sum of their squares
    # is right; so small ones make no difference to anything else.
    # What leaves Q, twice freed from what does not: small angles are all that is in it.
    leaving = x[:, None] - precise_product(points[None], products)
    leaving = leaving - precise_product(points[None], precise_product(points.mT[None], leaving))
    out = precise_product(leaving, right)
    squared = jnp.sum(out**2, axis=-2)
    leaves = ~(squared <= eps**2)  # NaN does: how far, nobody knows
    sines = jnp.sqrt(jnp.where(leaves, squared, 1))
    out = jnp.where(leaves, 1 / sines, 0)[..., None, :] * out
    angles = jnp.where(leaves, angle(sines, cosines), 0)
    return _Principal(left, right, angles, out, precise_product(points[None], left))


def _descending(
    vectors: Float[Array, "n p k k"], values: Float[Array, "n p k"]
) -> tuple[Float[Array, "n p k k"], Float[Array, "n p k"]]:
    """The largest value first, and its vector: of a few each, comparisons are faster than sorting
    and gathering."""
    k = values.shape[-1]
    mine, others = values[..., :, None], values[..., None, :]
    before = (others > mine) | ((others == mine) & np.tri(k, k=-1, dtype=bool)[None, None])
    places = jnp.sum(before, axis=-1)

    def found(place: int) -> tuple[Array, Array]:
        here = [places[..., i] == place for i in range(k)]
        vector = [jnp.where(h[..., None], vectors[..., i], 0) for i, h in enumerate(here)]
        value = [jnp.where(h, values[..., i], 0) for i, h in enumerate(here)]
        return functools.reduce(jnp.add, vector), functools.reduce(jnp.add, value)

    columns, ordered = zip(*(found(place) for place in range(k)), strict=True)
    return jnp.stack(columns, axis=-1), jnp.stack(ordered, axis=-1)


def _arriving(between: _Principal) -> Float[Array, "n p d k"]:
    """The directions W, carried along to X."""
    sines, cosines = jnp.sin(between.angles), jnp.cos(between.angles)
    return between.out * cosines[..., None, :] - between.base * sines[..., None, :]


@jax.custom_jvp
def _angles(points: Float[Array, "p d k"], x: Float[Array, "n d k"]) -> Float[Array, "n p k"]:
    """The principal angles of all pairs, ascending."""
    return _principal(points, x).angles


def _angles_jvp(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
    # How much of each change is along the geodesic. Where angles coincide, any of their directions
    # will do for what is symmetric in them.
    between = _principal(*primals)
    change = jnp.zeros_like(between.angles)
    if not isinstance(tangents[0], SymbolicZero):
        change -= jnp.sum(between.out * precise_product(tangents[0][None], between.left), axis=-2)
    if not isinstance(tangents[1], SymbolicZero):
        moved = precise_product(tangents[1][:, None], between.right)
        change += jnp.sum(_arriving(between) * moved, axis=-2)
    return between.angles, change


_angles.defjvp(_angles_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _logarithm(points: Float[Array, "p d k"], x: Float[Array, "n d k"]) -> Float[Array, "n p d k"]:
    """The tangents Δ = W θ Uᵀ."""
    between = _principal(points, x)
    return precise_product(between.out * between.angles[..., None, :], between.left.mT)


def _logarithm_jvp(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
    # Jacobi fields. A change of one end moves the tangent by a multiple of its parallel part: by κ
    # / sin κ for X and -κ cot κ for Q, where κ² is the curvature of the plane that it spans with Δ.
    # Among the directions W U, κ = θ_i - θ_j for symmetric and θ_i + θ_j for antisymmetric
    # combinations, and θ_j for all that is orthogonal to W. Nothing is divided by differences of
    # angles.
    (points, x), between = primals, _principal(*primals)
    apart, together = pairs(jnp.subtract, between.angles), pairs(jnp.add, between.angles)
    logarithm = precise_product(between.out * between.angles[..., None, :], between.left.mT)

    def field(factor, at: Array, moved: Array) -> Float[Array, "n p d k"]:  # noqa: ANN001
        along = precise_product(at.mT, moved)
        rest = moved - precise_product(at, along)
        symmetric, antisymmetric = (along + along.mT) / 2, (along - along.mT) / 2
        inside = factor(apart) * symmetric + factor(together) * antisymmetric
        return precise_product(between.out, inside) + factor(between.angles)[..., None, :] * rest

    change = jnp.zeros_like(logarithm)
    if not isinstance(tangents[0], SymbolicZero):
        turned = precise_product(points.mT, tangents[0])
        lifted = tangents[0] - precise_product(points, turned)
        moved = precise_product(lifted[None], between.left)
        change -= precise_product(field(times_cotangent, between.out, moved), between.left.mT)
        # Δ stays orthogonal to Q, and turns with its basis.
        change -= precise_product(points[None], precise_product(lifted.mT[None], logarithm))
        change += precise_product(logarithm, ((turned - turned.mT) / 2)[None])
    if not isinstance(tangents[1], SymbolicZero):
        lifted = tangents[1] - precise_product(x, precise_product(x.mT, tangents[1]))
        moved = precise_product(lifted[:, None], between.right)
        change += precise_product(field(over_sine, _arriving(between), moved), between.left.mT)
    return logarithm, change


_logarithm.defjvp(_logarithm_jvp, symbolic_zeros=True)
