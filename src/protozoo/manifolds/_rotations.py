"""Rotations."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractSpectral
from ._functions import angle, orthonormalised, over_sine, squared_arc, trigonometric
from ._jacobi import left_svd, pairs, precise_product
from ._membership import first, known, off_orthonormal, rounding
from ._squares import pairwise_squares


class SO(AbstractSpectral):
    """Rotations of n dimensions, with the metric that turns of the space before and after leave as
    it is.

    \\[ d(R, S) = \\lVert \\log(R^\\top S) \\rVert_F / \\sqrt 2 = \\Bigl(\\sum_i
    \\theta_i^2\\Bigr)^{1/2}, \\]

    with the angles of the rotation that leads from R to S, one for each plane that it turns. In
    three dimensions, this is its angle.

    **Arguments:**

    - `n`: the number of rows, at least two.

    A point is an orthogonal matrix (n, n) of determinant one, and has k = n(n-1)/2 coordinates: the
    strict upper triangle of log(RᵀS). Where a plane is turned by π, both ways are shortest, and one
    of them is taken.

    **Raises:** `ValueError` if `n` is less than two.

    Source: P.-A. Absil, R. Mahony, R. Sepulchre, *Optimization algorithms on matrix manifolds*,
    Princeton University Press, 2008.
    """

    n: int = static()
    displacement_is_difference: ClassVar[bool] = False

    def __init__(self, n: int):
        positive_integer(n, "n")
        if n < 2:
            raise ValueError(f"`n` must be at least 2, got {n}: one dimension has no rotations.")
        self.n = int(n)

    @property
    def point_shape(self) -> tuple[int, ...]:
        return (self.n, self.n)

    @property
    def dimension(self) -> int:
        return self.n * (self.n - 1) // 2

    @property
    def coordinate_size(self) -> int:
        return self.dimension

    @property
    def rank(self) -> int:
        return self.n // 2

    @property
    def injectivity_radius(self) -> float:
        return math.pi

    @property
    def origin(self) -> Float[Array, "..."]:
        return jnp.eye(self.n)

    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        if self.n == 3:
            return _coordinates_of_three(points, x)
        return _logarithm(_between(points, x))[(..., *np.triu_indices(self.n, 1))]

    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        if self.n == 3:
            return _squared_angles_of_three(points, x)
        return _squared_angle(_between(points, x))

    def spectrum(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p r"]:
        """The angles of the planes that are turned, from the smallest on."""
        turns = jax.lax.complex(jnp.zeros((), x.dtype), _skew(self.coordinates(points, x), self.n))
        return jnp.abs(jnp.linalg.eigvalsh(turns)[..., self.n - self.rank :])

    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        turn = _skew(coordinates, self.n)
        versine, sine = trigonometric(precise_product(turn.mT, turn))
        change = precise_product(turn, sine) - versine
        return orthonormalised(points + precise_product(points, change))

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest rotations, in the Frobenius norm (Umeyama 1991)."""
        left, _, right = jnp.linalg.svd(points)
        sign = jnp.linalg.det(precise_product(left, right))
        last = jnp.where(jnp.arange(self.n) == self.n - 1, jnp.sign(sign)[:, None], 1)
        return precise_product(left * last[:, None, :], right)

    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        values = known(points)
        if values is None:
            return None
        most = rounding(points)
        reason = "is not orthogonal: products of its columns differ from those of axes by {off:.3g}"
        if found := first(values, off_orthonormal(values), most, reason + "; ask `space.project`"):
            return found
        mirrored = (np.linalg.det(values) < 0).astype(float)
        return first(values, mirrored, 0.5, "is a reflection: its determinant is -1")

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """Uniformly distributed, by the measure of Haar (Mezzadri 2007)."""
        q, r = jnp.linalg.qr(jax.random.normal(key, (count, self.n, self.n)))
        # A factorisation chooses signs, and so a part of the group; they are given back.
        q = q * jnp.sign(jnp.diagonal(r, axis1=1, axis2=2))[:, None, :]
        # Scattered into q, this was compiled wrongly for a single matrix.
        return (
            q * jnp.where(jnp.arange(self.n) == 0, jnp.sign(jnp.linalg.det(q))[:, None], 1)[:, None]
        )


def _between(points: Float[Array, "p i i"], x: Float[Array, "n i i"]) -> Float[Array, "n p i i"]:
    """RᵀS of all pairs."""
    return jnp.einsum("pji,njk->npik", points, x, precision="highest")


def _skew(coordinates: Float[Array, "*batch k"], n: int) -> Float[Array, "*batch n n"]:
    rows, columns = np.triu_indices(n, 1)
    upper = jnp.zeros((*coordinates.shape[:-1], n, n), coordinates.dtype)
    upper = upper.at[(..., rows, columns)].set(coordinates)
    return upper - upper.mT


@jax.custom_jvp
def _squared_angle(turns: Float[Array, "*batch i i"]) -> Float[Array, "*batch"]:
    """‖log M‖² / 2."""
    return jnp.sum(_logarithm(turns) ** 2, axis=(-2, -1)) / 2


@_squared_angle.defjvp
def _squared_angle_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The gradient of half the square is the logarithm itself: nothing is decomposed to find it.
    (turns,), (change,) = primals, tangents
    logarithm = _logarithm(turns)
    slope = jnp.sum(logarithm * precise_product(turns.mT, change), axis=(-2, -1))
    return jnp.sum(logarithm**2, axis=(-2, -1)) / 2, slope


def _logarithm(turns: Float[Array, "*batch i i"]) -> Float[Array, "*batch i i"]:
    """The skew matrix A with exp A = M."""
    return _logarithm_of_two(turns) if turns.shape[-1] == 2 else _logarithm_of_many(turns)


def _logarithm_of_two(turns: Float[Array, "*batch 2 2"]) -> Float[Array, "*batch 2 2"]:
    sine, cosine = turns[..., 0, 1] - turns[..., 1, 0], turns[..., 0, 0] + turns[..., 1, 1]
    return _skew(jnp.arctan2(sine, cosine)[..., None], 2)


def _quaternions(rotations: Float[Array, "m 3 3"]) -> list[Float[Array, " m"]]:
    """Of unit length; one of the two, q and -q, that stand for the same rotation."""
    m = rotations
    (a, b, c), (d, e, f), (g, h, i) = ([m[..., j, k] for k in range(3)] for j in range(3))
    # 4 q qᵀ, of which the column with the largest diagonal entry is free of cancellation.
    columns = [
        [1 + a + e + i, h - f, c - g, d - b],
        [h - f, 1 + a - e - i, b + d, c + g],
        [c - g, b + d, 1 - a + e - i, f + h],
        [d - b, c + g, f + h, 1 - a - e + i],
    ]
    largest = jnp.argmax(jnp.stack([columns[j][j] for j in range(4)]), axis=0)
    q = [jnp.choose(largest, [columns[j][k] for j in range(4)], mode="clip") for k in range(4)]
    norm = jnp.sqrt(sum(v * v for v in q))
    return [v / norm for v in q]


def _coordinates_of_three(
    points: Float[Array, "p 3 3"], x: Float[Array, "n 3 3"]
) -> Float[Array, "n p 3"]:
    """By the quaternions that lead from points to samples, \\(\\bar q r\\), which know axis and
    angle also where the angle is π."""
    a, b, c, d = (v[None] for v in _quaternions(points))
    e, f, g, h = (v[:, None] for v in _quaternions(x))
    w = a * e + b * f + c * g + d * h
    rest = (a * f - b * e - c * h + d * g, a * g - c * e + b * h - d * f)
    rest = (*rest, a * h - d * e - b * g + c * f)
    sign = jnp.where(w < 0, -1, 1)
    w, squared = w * sign, sum(v * v for v in rest)
    turned = squared > 0
    sine = jnp.sqrt(jnp.where(turned, squared, 1))
    factor = sign * jnp.where(turned, 2 * angle(sine, w) / sine, 2 / jnp.where(turned, 1, w))
    i, j, k = (v * factor for v in rest)
    # The strict upper triangle of the skew matrix that turns about this axis.
    return jnp.stack([-k, j, -i], axis=-1)


def _squared_angles_of_three(
    points: Float[Array, "p 3 3"], x: Float[Array, "n 3 3"]
) -> Float[Array, "n p"]:
    """Four times the squared angles between the lines of their quaternions: of q and -q, the one
    that is nearer counts."""
    q, r = (jnp.stack(_quaternions(rotations), axis=-1) for rotations in (points, x))
    squares, rest = pairwise_squares(r, q) / 4, pairwise_squares(r, -q) / 4
    first_way = squares <= rest
    near, far = jnp.where(first_way, squares, rest), jnp.where(first_way, rest, squares)
    return 4 * squared_arc(near, far)


@jax.custom_jvp
def _logarithm_of_many(turns: Float[Array, "*batch i i"]) -> Float[Array, "*batch i i"]:
    """In axes in which a turn is blocks of equal angles: the logarithm of cos θ + J sin θ is θ J.

    With J² = -1. Where the angle is small, J sin θ is enough. Where it is nearly π, the sine is
    nearly nothing: the logarithm is π J, with any J that is near enough, less the small turn that
    is left. So no more than rounding is lost, up to and including π.
    """
    unit = jnp.broadcast_to(jnp.eye(turns.shape[-1], dtype=turns.dtype), turns.shape)
    little = jnp.finfo(turns.dtype).eps * (jnp.triu(jnp.ones_like(unit)) - unit / 2)
    little = little - little.mT
    # Rows that are all zero have no direction; a little turn more gives them one.
    axes, _ = left_svd(turns + unit + little)
    turns = precise_product(precise_product(axes.mT, turns), axes)
    cosines = jnp.diagonal(turns, axis1=-2, axis2=-1)
    odd = (turns - turns.mT) / 2
    sines = jnp.sqrt(jnp.sum(odd**2, axis=-1))
    beyond = cosines < _between_planes(cosines)
    # The angles themselves, and beyond those that are left to π.
    left = over_sine(jnp.arctan2(sines, jnp.where(beyond, -cosines, cosines)))
    factors = jnp.where(beyond, -left, left)
    both = beyond[..., :, None] & beyond[..., None, :]
    half = _nearest_orthogonal(jnp.where(both, odd + little / 3, unit))
    whole = pairs(jnp.add, factors) / 2 * odd + jnp.where(both, math.pi * half, 0)
    return precise_product(precise_product(axes, whole), axes.mT)


def _between_planes(cosines: Float[Array, "*batch i"]) -> Float[Array, "*batch 1"]:
    """Where the largest gap between cosines is, of angles from 95 to 154 degrees: the two axes of a
    plane, whose cosines differ by rounding, are on the same side of it."""
    low, high = -0.9, -0.1
    ends = [jnp.full_like(cosines[..., :1], end) for end in (low, high)]
    inside = jnp.sort(jnp.clip(cosines, low, high), axis=-1)
    steps = jnp.concatenate([ends[0], inside, ends[1]], axis=-1)
    widest = jnp.argmax(jnp.diff(steps, axis=-1), axis=-1, keepdims=True)
    middles = (steps[..., :-1] + steps[..., 1:]) / 2
    return jnp.take_along_axis(middles, widest, axis=-1)


def _nearest_orthogonal(matrices: Float[Array, "*batch i i"]) -> Float[Array, "*batch i i"]:
    """The polar factors of matrices whose singular values are at most one, by Newton's steps.

    They multiply what is small by 3/2, and keep skew what is skew, but for rounding. What is left
    of planes that are turned by π is rounding, and may happen to be singular but for a little more:
    hardly any needs as many steps as there may be.
    """
    rounding = jnp.finfo(matrices.dtype).eps
    unit = jnp.broadcast_to(jnp.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
    most = math.ceil(-1.1 * math.log(rounding) / math.log(1.5)) + 50

    def unfinished(state: tuple) -> Array:
        i, _, settled = state
        return (i < most) & ~jnp.all(settled)

    def step(state: tuple) -> tuple:
        i, m, settled = state
        off = jnp.max(jnp.abs(precise_product(m.mT, m) - unit), axis=(-2, -1), keepdims=True)
        moved = jnp.where(settled, m, orthonormalised(m))
        # Convergence is quadratic: what was so near is there. What is no number never is.
        return i + 1, moved, ~(off > rounding**0.5)

    start = jnp.zeros((*matrices.shape[:-2], 1, 1), bool)
    return jax.lax.while_loop(unfinished, step, (0, matrices, start))[1]


@_logarithm_of_many.defjvp
def _logarithm_of_many_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # d log M = ad / (1 - exp(-ad)) applied to MᵀdM, with ad X = AX - XA: in the eigenvectors of A,
    # whose values are imaginary, a factor for each entry. Where values coincide, it is one.
    (turns,), (change,) = primals, tangents
    logarithm = _logarithm_of_many(turns)
    angles, vectors = jnp.linalg.eigh(jax.lax.complex(jnp.zeros_like(logarithm), -logarithm))
    half = pairs(jnp.subtract, angles) / 2
    flat = jnp.abs(half) < 1e-6
    # Where both angles are π, there is no derivative; nearby, it is larger than rounding allows.
    most = math.pi - jnp.finfo(half.dtype).eps ** 0.5
    away = jnp.where(flat, 1, jnp.clip(half, -most, most))
    # z / (1 - e^-z) = (z/2) coth(z/2) + z/2 with z = 2i·half: half cot(half) + i half.
    factor = jax.lax.complex(jnp.where(flat, 1, away / jnp.tan(away)), half)
    moved = precise_product(turns.mT, change)
    moved = (moved - moved.mT) / 2
    adjoint = jnp.conj(vectors.mT)
    inside = jnp.matmul(jnp.matmul(adjoint, moved.astype(vectors.dtype)), vectors)
    return logarithm, jnp.real(jnp.matmul(jnp.matmul(vectors, factor * inside), adjoint))
