"""What every space must satisfy: theorems, oracles and derivatives."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import protozoo as pz
from protozoo.manifolds import (
    SO,
    SPD,
    Euclidean,
    Grassmannian,
    OnManifold,
    PoincareBall,
    Product,
    Sphere,
    frechet_mean,
)
from protozoo.manifolds._jacobi import left_svd


SPACES = [Euclidean((3,)), Euclidean((2, 3)), SPD(2), SPD(3), SPD(10)]
CURVED = [
    Sphere(4),
    PoincareBall(3),
    SO(3),
    SO(4),
    Grassmannian(5, 2),
    Product([SPD(2), Sphere(3), Euclidean(2)]),
]
MORE = [
    Sphere(2),
    PoincareBall(10),
    SO(2),
    SO(5),
    SO(10),
    Grassmannian(3, 1),
    Grassmannian(4, 3),
    Grassmannian(10, 5),
]


def _each(spaces: list, nightly: list) -> pytest.MarkDecorator:
    """A theorem for every space; those that take long to compile are tried by night."""
    marked = [
        pytest.param(one, marks=[pytest.mark.nightly] * (one in nightly))
        for one in [*spaces, *MORE]
    ]
    return pytest.mark.parametrize("space", marked, ids=str)


each = _each([*SPACES, *CURVED], [SPD(10), SO(4), CURVED[-1], *MORE])
each_curved = _each(CURVED, [PoincareBall(3), SO(4), Grassmannian(5, 2), CURVED[-1], *MORE])
each_spd = pytest.mark.parametrize("space", [s for s in SPACES if isinstance(s, SPD)], ids=str)

# As many points as samples everywhere, so that the tests share what is compiled.
COUNT = 4


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def tolerance(request):
    """Both precisions, and what quantities of order one may be off by in each."""
    with jax.enable_x64(request.param):
        yield 1e-12 if request.param else 1e-4


@eqx.filter_jit
def ask(space, method, *arguments):
    return getattr(space, method)(*arguments)


def distances(space, points, x):
    return np.sqrt(ask(space, "squared_distances", points, x))


def own_coordinates(space, points, x):
    """The coordinates of each sample at the point of the same index alone."""
    return np.asarray(ask(space, "coordinates", points, x))[np.arange(COUNT), np.arange(COUNT)]


def draw(space, seed):
    return _drawn(space, seed, jnp.result_type(float))


@functools.cache
def _drawn(space, seed, dtype):
    return np.asarray(ask(space, "random_points", jax.random.key(seed), COUNT))


def normal(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(jnp.result_type(float))


def rotation(n):
    return np.linalg.qr(normal((n, n), 0))[0]


def tangents(space, points, seed, length=None):
    """Coordinates of tangents, some longer than others, none beyond half the injectivity radius."""
    length = min(1.0, space.injectivity_radius / 3) if length is None else length
    c = normal((COUNT, space.coordinate_size), seed)
    c = np.asarray(ask(space, "components", points, ask(space, "vectors", points, c)))
    return (
        c
        / np.linalg.norm(c, axis=-1, keepdims=True)
        * length
        * np.linspace(0.5, 1, COUNT, dtype=c.dtype)[:, None]
    )


def beside(space, points, seed):
    """Samples, each so near to the point of its index that ways of one and a half times as long are
    shortest."""
    if isinstance(space, PoincareBall) and space.dimension > 3:
        # Random points are far out there: half as far beyond them, the border is nearer than
        # rounding tells.
        return np.asarray(ask(space, "exp", points, tangents(space, points, seed)))
    if np.isinf(space.injectivity_radius):
        return draw(space, seed)
    return np.asarray(
        ask(space, "exp", points, tangents(space, points, seed, space.injectivity_radius / 2))
    )


def assert_same_points(space, found, expected, tolerance):
    """Of subspaces, whatever their bases are."""
    if isinstance(space, Grassmannian):
        found, expected = (
            a @ np.swapaxes(a, -1, -2) for a in (np.asarray(found), np.asarray(expected))
        )
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def symmetric(a):
    return (a + a.swapaxes(-1, -2)) / 2


# Theorems


@each
def test_shapes(space):
    points, x = draw(space, 0)[:3], draw(space, 1)
    assert x.shape == (COUNT, *space.point_shape)
    c = jax.eval_shape(space.coordinates, points, x)
    assert c.shape == (COUNT, 3, space.coordinate_size)
    assert jax.eval_shape(space.squared_distances, points, x).shape == (COUNT, 3)
    assert jax.eval_shape(space.exp, points, np.zeros(c.shape[1:])).shape == points.shape


@each
def test_distances_are_a_metric(space, tolerance):
    x = draw(space, 2 if space == SO(2) else 0)  # four angles that are apart
    d = distances(space, x, x)
    np.testing.assert_allclose(d**2, d.T**2, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(np.diagonal(d) ** 2, 0, atol=tolerance)
    assert (d + np.eye(len(d)) > 0.1).all()
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + tolerance).all()


@each
def test_coordinates_have_the_length_of_the_geodesic(space, tolerance):
    points, x = draw(space, 0), draw(space, 1)
    squares = np.sum(np.square(ask(space, "coordinates", points, x)), axis=-1)
    np.testing.assert_allclose(squares, distances(space, points, x) ** 2, rtol=tolerance)


@each
def test_exp_and_coordinates_are_inverse(space, tolerance):
    points, x = draw(space, 0), draw(space, 1)
    there = ask(space, "exp", points, own_coordinates(space, points, x))
    assert_same_points(space, there, x, tolerance)
    c = tangents(space, points, 2)
    back = own_coordinates(space, points, ask(space, "exp", points, c))
    np.testing.assert_allclose(back, c, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        ask(space, "exp", points, 0 * c), points, rtol=tolerance, atol=tolerance
    )


@each
@pytest.mark.parametrize("t", [-0.5, 0.3, 1.5])
def test_geodesics_are_walked_at_constant_speed(space, tolerance, t):
    points = draw(space, 0)
    x = beside(space, points, 1)
    along = ask(space, "exp", points, np.asarray(t * own_coordinates(space, points, x)))
    total = np.diagonal(distances(space, points, x))
    np.testing.assert_allclose(
        np.diagonal(distances(space, points, along)), abs(t) * total, rtol=tolerance
    )
    np.testing.assert_allclose(
        np.diagonal(distances(space, x, along)), abs(1 - t) * total, rtol=tolerance
    )


@each
def test_random_points_are_distinct_members(space, tolerance):
    points = draw(space, 0)
    assert points.dtype == jnp.result_type(float)
    assert space.violation(jnp.asarray(points)) is None is space.violation(space.origin[None])
    assert len(np.unique(points, axis=0)) == COUNT
    assert_same_points(space, ask(space, "project", points), points, tolerance)


@each
def test_the_gradient_at_zero_coordinates_is_the_riemannian_one(space, x64):
    points, x = jnp.asarray(draw(space, 0)), jnp.asarray(draw(space, 1))
    gradient = jax.jit(
        jax.grad(lambda c: jnp.trace(space.squared_distances(space.exp(points, c), x)))
    )
    expected = -2 * own_coordinates(space, points, x)
    np.testing.assert_allclose(gradient(np.zeros_like(expected)), expected, rtol=1e-12, atol=1e-12)


@each_curved
def test_tangents_are_as_many_as_the_dimension_says(space, x64):
    points = jnp.asarray(draw(space, 0))
    frame = np.stack(
        [
            ask(
                space,
                "components",
                points,
                ask(space, "vectors", points, jnp.broadcast_to(unit, (COUNT, len(unit)))),
            )
            for unit in np.eye(space.coordinate_size)
        ],
        axis=1,
    )
    np.testing.assert_allclose(frame, np.swapaxes(frame, 1, 2), atol=1e-12)
    np.testing.assert_allclose(frame @ frame, frame, atol=1e-12)
    np.testing.assert_allclose(np.trace(frame, axis1=1, axis2=2), space.dimension, atol=1e-9)


@each_curved
def test_transport_along_geodesics_keeps_inner_products(space, tolerance):
    points = draw(space, 0)
    x = beside(space, points, 1)
    u, v = tangents(space, points, 3), tangents(space, points, 4)
    carried = [np.asarray(ask(space, "transport", points, x, c)) for c in (u, v)]
    for one, other in ((0, 0), (0, 1)):
        before, after = (
            np.sum((u, v)[one] * (u, v)[other], axis=1),
            np.sum(carried[one] * carried[other], axis=1),
        )
        np.testing.assert_allclose(after, before, atol=10 * tolerance)
    # A geodesic carries its own direction.
    arrived = ask(space, "transport", points, x, own_coordinates(space, points, x))
    np.testing.assert_allclose(arrived, -own_coordinates(space, x, points), atol=10 * tolerance)


#: Inner products of tangents, as textbooks have them.
METRICS = {
    Sphere: lambda w, u, v: np.sum(u * v, axis=-1),
    PoincareBall: lambda w, u, v: 4 * np.sum(u * v, axis=-1) / (1 - np.sum(w * w, axis=-1)) ** 2,
    SO: lambda w, u, v: np.sum(u * v, axis=(-2, -1)) / 2,
    Grassmannian: lambda w, u, v: np.sum(u * v, axis=(-2, -1)),
    SPD: lambda w, u, v: np.trace(
        np.linalg.solve(w, u) @ np.linalg.solve(w, v), axis1=-2, axis2=-1
    ),
}


@pytest.mark.parametrize(
    "space", [SPD(3), *(one for one in CURVED if not isinstance(one, Product))], ids=str
)
def test_inner_products_are_those_of_textbooks(space, x64):
    points = draw(space, 0)
    u, v = (
        np.asarray(ask(space, "vectors", points, tangents(space, points, seed))) for seed in (3, 4)
    )
    expected = METRICS[type(space)](points, u, v)
    np.testing.assert_allclose(ask(space, "inner", points, u, v), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("space", [SPD(3), *CURVED[:5]], ids=str)
def test_geodesics_part_as_the_sign_of_the_curvature_says(space, x64):
    points = np.broadcast_to(draw(space, 0)[:1], (COUNT, *space.point_shape))
    u, v = (0.5 * tangents(space, points, seed) for seed in (3, 4))
    ends = [ask(space, "exp", points, c) for c in (u, v)]
    apart, flat = np.diagonal(distances(space, *ends)), np.linalg.norm(u - v, axis=1)
    assert (
        (apart >= flat * (1 - 1e-9)).all()
        if np.isinf(space.injectivity_radius)
        else (apart <= flat * (1 + 1e-9)).all()
    )
    assert (np.abs(apart - flat) > 1e-6).any()


def moebius(w, x):
    """The translation of the ball that moves zero to w, as textbooks have it."""
    product, square, other = x @ w, w @ w, np.sum(x * x, axis=-1)
    numerator = (1 + 2 * product + other)[:, None] * w + (1 - square) * x
    return numerator / (1 + 2 * product + square * other)[:, None]


#: Maps that change no distance.
ISOMETRIES = {
    "of a sphere": (Sphere(4), lambda x: x @ rotation(4).astype(x.dtype)),
    "rotation of a ball": (PoincareBall(3), lambda x: x @ rotation(3).astype(x.dtype)),
    "translation of a ball": (
        PoincareBall(3),
        lambda x: moebius(np.array([0.3, -0.2, 0.1], x.dtype), x),
    ),
    "turns before": (SO(4), lambda x: _turn(4) @ x),
    "turns after": (SO(4), lambda x: x @ _turn(4)),
    "inverse turns": (SO(3), lambda x: np.swapaxes(x, 1, 2)),
    "turns of subspaces": (Grassmannian(5, 2), lambda x: rotation(5).astype(x.dtype) @ x),
    "other bases": (
        Grassmannian(5, 2),
        lambda x: x @ np.stack([np.linalg.qr(a)[0] for a in normal((COUNT, 2, 2), 9)]),
    ),
}


def _turn(n):
    turn = rotation(n)
    turn[0] *= np.linalg.det(turn)
    return turn


@pytest.mark.parametrize("name", ISOMETRIES)
def test_isometries_change_no_distance(name, tolerance):
    space, isometry = ISOMETRIES[name]
    points, x = draw(space, 0), draw(space, 1)
    moved = [isometry(a) for a in (points, x)]
    assert np.abs(moved[0] - points).max() > 0.1
    np.testing.assert_allclose(
        distances(space, *moved), distances(space, points, x), rtol=tolerance, atol=tolerance
    )


def test_coordinates_of_a_subspace_do_not_depend_on_its_basis(tolerance):
    points, x = draw(Grassmannian(5, 2), 0), draw(Grassmannian(5, 2), 1)
    turned = x @ np.stack([np.linalg.qr(a)[0] for a in normal((COUNT, 2, 2), 9)])
    found, expected = (ask(Grassmannian(5, 2), "coordinates", points, a) for a in (turned, x))
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_distances_in_flat_space_do_not_lose_what_a_large_offset_leaves():
    points, x = (normal((COUNT, 3), seed) + np.float32(1e4) for seed in (0, 1))
    exact = np.sum((x[:, None].astype(float) - points) ** 2, axis=-1)
    np.testing.assert_allclose(ask(Euclidean(3), "squared_distances", points, x), exact, rtol=1e-5)


@each_spd
def test_the_metric_of_spd_is_affine_invariant(space, tolerance):
    points, x = draw(space, 0), draw(space, 1)
    basis = rotation(space.n) * np.geomspace(1, 4, space.n, dtype=points.dtype)
    d = distances(space, points, x)
    moved = [symmetric(basis @ a @ basis.T) for a in (points, x)]
    assert np.abs(moved[0] - points).max() > 1
    np.testing.assert_allclose(distances(space, *moved), d, rtol=tolerance)
    inverted = [symmetric(np.linalg.inv(a)) for a in (points, x)]
    np.testing.assert_allclose(distances(space, *inverted), d, rtol=tolerance)


@each_spd
@pytest.mark.parametrize("unit", [2.0**-60, 1e-11, 2.0**60], ids=str)
def test_the_unit_of_spd_data_does_not_matter(space, unit, tolerance):
    # Covariances of signals measured in volts are of the size of 1e-11.
    points, x = draw(space, 0), draw(space, 1)
    # A power of four rounds nothing, not even a square root.
    equal = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    equal = np.testing.assert_array_equal if np.log2(unit) % 2 == 0 else equal
    c = own_coordinates(space, points, x)
    equal(own_coordinates(space, unit * points, unit * x), c)
    equal(distances(space, unit * points, unit * x), distances(space, points, x))
    equal(ask(space, "exp", unit * points, c) / unit, ask(space, "exp", points, c))
    matrices = symmetric(normal((COUNT, *space.point_shape), 0))
    equal(ask(space, "project", unit * matrices) / unit, ask(space, "project", matrices))
    assert space.violation(jnp.asarray(unit * points)) is None
    assert space.violation(jnp.asarray(unit * matrices)) is not None
    # Derivatives of what has no unit have that of its reciprocal.
    directions = ambient(space, 2), ambient(space, 3)
    for method in ("squared_distances", "coordinates"):
        scaled = tuple(unit * v for v in directions)
        there = derivatives(space, method, (unit * points, unit * x), scaled)
        for one, other in zip(
            there, derivatives(space, method, (points, x), directions), strict=True
        ):
            equal(one, other)


@each_spd
@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_answers_about_samples_of_another_unit_are_finite(space, unit):
    points, x = draw(space, 0).astype(np.float32), draw(space, 1).astype(np.float32)
    far = np.float32(unit) * x
    exact = [[relative_logarithms(w, v) for w in points] for v in far]
    np.testing.assert_allclose(
        distances(space, points, far), np.linalg.norm(exact, axis=-1), rtol=1e-6
    )
    lengths = np.linalg.norm(ask(space, "coordinates", points, far), axis=-1)
    np.testing.assert_allclose(lengths, np.linalg.norm(exact, axis=-1), rtol=1e-6)
    for method in ("squared_distances", "coordinates"):
        forward, backward = derivatives(space, method, (points, far), (points, far))
        assert np.isfinite(forward).all() and np.isfinite(backward)


# Oracles


def relative_logarithms(w, x):
    """Logarithms of the eigenvalues of x relative to w, in float64 by way of singular values."""
    lower, factor = np.linalg.cholesky(w.astype(float)), np.linalg.cholesky(x.astype(float))
    return 2 * np.log(
        np.linalg.svd(scipy.linalg.solve_triangular(lower, factor, lower=True), compute_uv=False)
    )


@each_spd
def test_spd_distances_agree_with_generalised_eigenvalues(space, tolerance):
    points, x = draw(space, 0), draw(space, 1)
    doubles = points.astype(float), x.astype(float)
    oracle = [
        [np.sum(np.log(scipy.linalg.eigvalsh(b, a)) ** 2) for a in doubles[0]] for b in doubles[1]
    ]
    np.testing.assert_allclose(distances(space, points, x) ** 2, oracle, rtol=tolerance)


def conditioned(n, condition, seed, count=COUNT):
    """Matrices in float32 whose eigenvalues run from one down to 1 / condition."""
    turns = np.stack([np.linalg.qr(a)[0] for a in normal((count, n, n), seed).astype(float)])
    return symmetric(turns * np.geomspace(1, 1 / condition, n) @ turns.swapaxes(1, 2)).astype(
        np.float32
    )


@each_spd
@pytest.mark.parametrize("condition", 10.0 ** np.arange(7))
def test_spd_distances_in_float32_lose_what_the_condition_takes_and_not_its_square(
    space, condition
):
    n = space.n
    # Seen from a point, samples have a condition of up to the product: eigenvalues would have no
    # digit left at 1e4.
    points, x = conditioned(n, condition, 0), conditioned(n, condition, 1)
    exact = np.array([[np.linalg.norm(relative_logarithms(w, v)) for w in points] for v in x])
    error = 4 * n * np.finfo(np.float32).eps * condition
    np.testing.assert_allclose(distances(space, points, x), exact, rtol=error, atol=error)
    lengths = np.linalg.norm(ask(space, "coordinates", points, x), axis=-1)
    np.testing.assert_allclose(lengths, exact, rtol=error, atol=error)
    # Theorems, in the same precision: symmetry and the triangle inequality.
    np.testing.assert_allclose(distances(space, x, points).T, exact, rtol=error, atol=error)
    within = distances(space, points, points)
    assert (exact[:, :, None] <= (exact[:, None, :] + within[None]) * (1 + error) + error).all()


@jax.jit
def gradients(points, x):
    """Of distances, and of coordinates along one direction."""

    def squares(points, x):
        return jnp.trace(SPD(3).squared_distances(points, x))

    def along(points, x):
        return jnp.trace(SPD(3).coordinates(points, x) @ jnp.sin(jnp.arange(6)).astype(x.dtype))

    return [jax.grad(f, (0, 1))(points, x) for f in (squares, along)]


@pytest.mark.parametrize("condition", 10.0 ** np.arange(1, 6))
def test_spd_derivatives_in_float32_lose_what_the_condition_takes_and_not_its_square(condition):
    points, x = conditioned(3, condition, 0), conditioned(3, condition, 1)
    rounded = jax.tree.map(np.asarray, gradients(points, x))
    with jax.enable_x64(True):
        exact = jax.tree.map(np.asarray, gradients(points.astype(float), x.astype(float)))
    for a, b in zip(*map(jax.tree.leaves, (rounded, exact)), strict=True):
        errors = np.linalg.norm(a - b, axis=(1, 2)) / np.linalg.norm(b, axis=(1, 2))
        assert errors.max() < 3 * np.finfo(np.float32).eps * condition


@each_spd
def test_spd_matrix_functions_agree_with_general_ones(space, tolerance):
    x = draw(space, 0)
    unit = np.broadcast_to(np.eye(space.n, dtype=x.dtype), x.shape)
    logarithms = np.stack([scipy.linalg.logm(a.astype(float)) for a in x])
    rows, columns = np.triu_indices(space.n, 1)
    c = np.concatenate(
        [np.diagonal(logarithms, axis1=1, axis2=2), np.sqrt(2) * logarithms[:, rows, columns]],
        axis=1,
    )
    np.testing.assert_allclose(own_coordinates(space, unit, x), c, rtol=tolerance, atol=tolerance)
    squares = np.stack([scipy.linalg.expm(2 * a) for a in logarithms])
    walked = ask(space, "exp", unit, (2 * c).astype(x.dtype))
    np.testing.assert_allclose(walked, squares, rtol=tolerance, atol=tolerance)


@each_spd
def test_the_frame_of_spd_is_orthonormal(space, x64):
    point = jnp.asarray(draw(space, 0)[:1])
    jacobian = jax.jit(jax.jacfwd(lambda c: space.exp(point, c[None])[0]))(
        np.zeros(space.coordinate_size)
    )
    frame = np.linalg.solve(point, np.moveaxis(jacobian, -1, 0))
    products = np.einsum("kij,lji->kl", frame, frame)
    np.testing.assert_allclose(products, np.eye(space.coordinate_size), atol=1e-12)


def test_spd_of_one_row_is_the_logarithmic_line():
    a, b = jnp.array([[[2.0]]]), jnp.array([[[3.0]], [[0.5]]])
    np.testing.assert_allclose(
        ask(SPD(1), "coordinates", a, b)[:, 0, 0], np.log([1.5, 0.25]), rtol=1e-6
    )
    np.testing.assert_allclose(
        ask(SPD(1), "exp", a, jnp.log(jnp.array([[4.0]]))), [[[8]]], rtol=1e-6
    )


@pytest.mark.parametrize("space", [SPD(3), *CURVED[:5]], ids=str)
@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_curved_spaces_compile_for_every_platform(space, platform):
    # JAX has general matrix functions (by Schur decomposition) on the CPU alone.
    points = jnp.stack([space.origin] * COUNT)

    def everything(w, x):
        c = space.coordinates(w, x)
        return space.squared_distances(w, x), space.exp(w, c[0])

    def derivative(w, x):
        values, pullback = jax.vjp(everything, w, x)
        return values, pullback(values)

    jax.jit(derivative).trace(points, points).lower(lowering_platforms=(platform,))


def test_spd_answers_are_vectorised(tolerance):
    points, x = jnp.asarray(draw(SPD(3), 0)), jnp.asarray(draw(SPD(3), 1))
    alone = jax.vmap(lambda w, x: SPD(3).squared_distances(w[None], x[None])[0, 0])
    np.testing.assert_allclose(
        alone(points, x), np.diagonal(distances(SPD(3), points, x) ** 2), rtol=tolerance
    )
    gradient = jax.vmap(jax.grad(lambda w, x: SPD(3).coordinates(w[None], x[None]).sum()))(
        points, x
    )
    whole = jax.grad(lambda w: jnp.trace(SPD(3).coordinates(w, x).sum(axis=-1)))(points)
    np.testing.assert_allclose(gradient, whole, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("space", [*SPACES[2:], *CURVED], ids=str)
def test_curved_spaces_need_no_implicit_promotion(space):
    points, x = jnp.asarray(draw(space, 0)), jnp.asarray(draw(space, 1))
    c = jnp.zeros((COUNT, space.coordinate_size))

    def everything(w, x, c):
        return space.coordinates(w, x), space.squared_distances(w, x), space.exp(w, c)

    def derivative(*arguments):
        values, pullback = jax.vjp(everything, *arguments)
        return pullback(values)

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        jax.eval_shape(derivative, points, x, c)


# Derivatives


@eqx.filter_jit
def derivatives(space, method, arguments, directions):
    """The directional derivative, forward, and the gradient of a sum weighted by itself along the
    same direction."""
    _, forward = jax.jvp(getattr(space, method), arguments, directions)
    _, pullback = jax.vjp(getattr(space, method), *arguments)
    backward = sum(jnp.vdot(g, v) for g, v in zip(pullback(forward), directions, strict=True))
    return forward, backward


def assert_derivatives(space, method, arguments, directions, step=1e-5):
    """Along a random direction of all arguments at once, in float64."""
    forward, backward = derivatives(space, method, arguments, directions)
    there, back = (
        ask(space, method, *(a + h * v for a, v in zip(arguments, directions, strict=True)))
        for h in (step, -step)
    )
    difference = (np.asarray(there) - np.asarray(back)) / (2 * step)
    size = float(np.linalg.norm(difference))
    assert size > 0.1
    np.testing.assert_allclose(forward, difference, rtol=0, atol=1e-8 * size)
    np.testing.assert_allclose(backward, size**2, rtol=1e-8)


def pairs_of(space, pair):
    """Points and samples: in general position, or where eigenvectors have no derivative."""
    points = draw(space, 0)
    if pair == "generic":
        return points, draw(space, 1)
    if pair == "coincident":
        return points, points
    unit = np.broadcast_to(np.eye(space.n), points.shape)
    return unit, {"identities": 1, "repeated eigenvalues": 2}[pair] * unit


def ambient(space, seed):
    """A random change of points; of symmetric matrices, symmetric and of order one."""
    v = normal((COUNT, *space.point_shape), seed)
    return v if space.displacement_is_difference else symmetric(v) / space.n**0.5


@pytest.mark.parametrize(
    ("space", "method", "pair"),
    [
        (space, method, "generic")
        for space in SPACES
        for method in ("squared_distances", "coordinates")
    ]
    + [
        (SPD(n), "squared_distances", pair)
        for n in (2, 3, 10)
        for pair in ("coincident", "repeated eigenvalues")
    ]
    + [
        (SPD(n), "coordinates", pair)
        for n in (2, 3, 10)
        for pair in ("coincident", "identities", "repeated eigenvalues")
    ],
    ids=str,
)
def test_derivatives_equal_finite_differences(space, method, pair, x64):
    assert_derivatives(space, method, pairs_of(space, pair), (ambient(space, 2), ambient(space, 3)))


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("scale", [0, 1])
def test_derivatives_of_exp_equal_finite_differences(space, scale, x64):
    c, direction = normal((2, COUNT, space.coordinate_size), 2) / space.coordinate_size**0.5
    assert_derivatives(space, "exp", (draw(space, 0), scale * c), (ambient(space, 3), direction))


@each_curved
@pytest.mark.parametrize("pair", ["generic", "coincident"])
def test_derivatives_along_geodesics_equal_finite_differences(space, pair, x64):
    """Of distances, coordinates and walks, by both arguments, which themselves walk."""
    points = jnp.asarray(draw(space, 0))
    x = jnp.asarray(draw(space, 1)) if pair == "generic" else points
    u, v, c = (
        jnp.asarray(tangents(space, w, seed)) for w, seed in ((points, 3), (x, 4), (points, 5))
    )

    def asked(t):
        w, there = space.exp(points, t * u), space.exp(x, t * v)
        squares, coordinates = space.squared_distances(w, there), space.coordinates(w, there)
        return squares, coordinates, space.exp(w, c + t * c[::-1])

    @jax.jit
    def both(t):
        values, forward = jax.jvp(asked, (t,), (1.0,))
        backward = jax.vjp(asked, t)[1](forward)[0]
        return values, forward, backward

    _, forward, backward = both(0.0)
    there, back = (both(h)[0] for h in (1e-5, -1e-5))
    total = 0.0
    for one, other, slope in zip(there, back, forward, strict=True):
        difference = (np.asarray(one) - np.asarray(other)) / 2e-5
        np.testing.assert_allclose(
            slope, difference, rtol=1e-6, atol=2e-8 * (1 + np.abs(difference).max())
        )
        total += float(np.sum(np.asarray(slope) ** 2))
    np.testing.assert_allclose(backward, total, rtol=1e-8)


@each_curved
def test_derivatives_where_points_coincide_are_those_of_the_limit_in_float32(space):
    points = jnp.asarray(draw(space, 0).astype(np.float32))
    slope = jax.jit(
        jax.grad(lambda c: jnp.trace(space.squared_distances(space.exp(points, c), points)))
    )
    c = np.zeros((COUNT, space.coordinate_size), np.float32)
    np.testing.assert_allclose(slope(c), 0, atol=2e-5)


@each_spd
def test_derivatives_at_multiples_of_the_identity_are_exact(space):
    unit = np.broadcast_to(np.eye(space.n, dtype=np.float32), (COUNT, space.n, space.n))
    diagonal = np.arange(space.coordinate_size) < space.n
    c = own_coordinates(space, unit, 4 * unit)
    np.testing.assert_array_equal(
        c, np.broadcast_to(np.where(diagonal, np.log(np.float32(4)), 0), c.shape)
    )
    gradient = jax.jit(jax.grad(lambda w, x: jnp.trace(space.squared_distances(w, x))))
    np.testing.assert_allclose(gradient(unit, 4 * unit), -2 * np.log(4) * unit, rtol=1e-6)
    np.testing.assert_array_equal(gradient(unit, unit), 0 * unit)


@pytest.mark.parametrize("space", [*SPACES[:4], *CURVED], ids=str)
def test_distances_to_what_is_not_known_are_not_known(space):
    """They were zero: a NaN is neither apart nor not."""
    point = space.random_points(jax.random.key(0), 1)
    for wrong in (jnp.nan * point, point.at[(0,) * point.ndim].set(jnp.nan)):
        for pair in ((wrong, point), (point, wrong)):
            assert jnp.isnan(space.distances(*pair)).all()
            assert jnp.isnan(space.squared_distances(*pair)).all()


def test_gradients_where_eigenvalues_coincide_do_not_even_pass_through_nan():
    unit = jnp.eye(2)[None]
    with jax.debug_nans(True):
        jax.grad(lambda w: SPD(2).coordinates(w, unit).sum())(unit)


@each_spd
@pytest.mark.parametrize("gap", [1e-6, 1e-3])
def test_derivatives_in_float32_survive_nearly_repeated_eigenvalues(space, gap):
    points = draw(space, 0).astype(float)
    factors = np.linalg.cholesky(points)
    x = symmetric(factors * (1.5 + gap * np.arange(space.n)) @ factors.swapaxes(1, 2))
    directions = ambient(space, 2).astype(float), ambient(space, 3).astype(float)
    halved = [tuple(a.astype(np.float32) for a in pair) for pair in ((points, x), directions)]
    rounded = derivatives(space, "coordinates", *halved)
    with jax.enable_x64(True):
        exact = derivatives(space, "coordinates", (points, x), directions)
    for a, b in zip(rounded, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@each_spd
def test_answers_stay_finite_where_rounding_hides_the_smallest_eigenvalues(space):
    # All are members, but seen from the points the samples have condition 1e10, some with a
    # negative eigenvalue.
    turns = np.stack([np.linalg.qr(a)[0] for a in normal((COUNT, space.n, space.n), 0)])
    spectrum = np.geomspace(1, 1e-5, space.n, dtype=np.float32)
    points, x = (
        jnp.asarray(symmetric(turns * s @ turns.swapaxes(1, 2))) for s in (spectrum, spectrum[::-1])
    )
    assert space.violation(points) is space.violation(x) is None
    for method in ("squared_distances", "coordinates"):
        assert np.isfinite(ask(space, method, points, x)).all()
        assert np.isfinite(derivatives(space, method, (points, x), (points, x))[1])


def test_small_eigenvalues_of_their_own_unit_are_kept(x64):
    # A feature in another unit: neither the eigenvalue nor its derivative is lost beside the larger
    # one.
    arguments = np.stack([np.eye(2)] * COUNT), np.stack([np.diag([1, 1e-18])] * COUNT)
    np.testing.assert_allclose(
        own_coordinates(SPD(2), *arguments), [[0, np.log(1e-18), 0]] * COUNT, rtol=1e-14
    )
    still, grown = np.zeros((COUNT, 2, 2)), np.stack([np.diag([0, 1e-18])] * COUNT)
    forward, _ = derivatives(SPD(2), "coordinates", arguments, (still, grown))
    np.testing.assert_allclose(forward[0, 0], [0, 1, 0], rtol=1e-14)


@pytest.mark.parametrize("method", ["squared_distances", "coordinates"])
def test_second_derivatives_equal_finite_differences(method, x64):
    space, points, x, v = (
        SPD(3),
        *(jnp.asarray(a) for a in (draw(SPD(3), 0), draw(SPD(3), 1), ambient(SPD(3), 2))),
    )
    weights = normal(jax.eval_shape(getattr(space, method), points, x).shape, 4)

    @jax.jit
    def gradient(points):
        return jax.grad(lambda w: jnp.vdot(weights, getattr(space, method)(w, x)))(points)

    there, back = (np.asarray(gradient(points + h * v)) for h in (1e-5, -1e-5))
    difference = (there - back) / 2e-5
    assert np.linalg.norm(difference) > 0.1
    for second in (
        jax.jvp(gradient, (points,), (v,))[1],
        jax.grad(lambda w: jnp.vdot(gradient(w), v))(points),
    ):
        np.testing.assert_allclose(second, difference, atol=1e-7 * np.linalg.norm(difference))


# Angles and depths, each to its own precision


def turned(n, angles, dtype):
    """The rotation by these angles in planes of a random basis."""
    blocks = scipy.linalg.block_diag(
        *[[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles]
    )
    turn = np.eye(n)
    turn[: len(blocks), : len(blocks)] = blocks
    return (rotation(n).astype(float) @ turn @ rotation(n).astype(float).T).astype(dtype)


@pytest.mark.parametrize("angle", [0, 1e-4, 1e-2, 1.0, 3.0, 3.14, 3.1415, np.pi])
def test_rotations_in_space_are_told_up_to_half_a_turn_inclusive(angle):
    unit, turn = np.eye(3, dtype=np.float32)[None], turned(3, [angle], np.float32)[None]
    np.testing.assert_allclose(distances(SO(3), unit, turn), angle, atol=1e-6)
    c = ask(SO(3), "coordinates", unit, turn)
    np.testing.assert_allclose(np.linalg.norm(c, axis=-1), angle, atol=1e-6)
    np.testing.assert_allclose(ask(SO(3), "exp", unit, c[0]), turn, atol=1e-6)
    slope = jax.grad(lambda w: SO(3).coordinates(w, jnp.asarray(turn)).sum())(jnp.asarray(unit))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("n", "angles"), [(4, [1e-3, 2.0]), (4, [3.0, 3.0]), (5, [0.5, 3.1]), (5, [3.14, 1.0])]
)
def test_rotations_of_more_dimensions_agree_with_general_logarithms(n, angles, tolerance):
    unit = np.eye(n, dtype=jnp.result_type(float))[None]
    turn = turned(n, angles, unit.dtype)[None]
    np.testing.assert_allclose(distances(SO(n), unit, turn), np.linalg.norm(angles), rtol=tolerance)
    np.testing.assert_allclose(
        ask(SO(n), "spectrum", unit, turn)[0, 0], sorted(angles), rtol=tolerance, atol=tolerance
    )
    logarithm = np.real(scipy.linalg.logm(turned(n, angles, float)))
    expected = logarithm[np.triu_indices(n, 1)]
    np.testing.assert_allclose(
        ask(SO(n), "coordinates", unit, turn)[0, 0], expected, atol=tolerance
    )


#: How far from half a turn: from plainly away to exactly there.
GAPS = (0.3, 1e-2, 1e-4, 1e-6, 1e-8, 1e-12, 0)


@pytest.mark.parametrize(
    ("n", "planes"),
    [
        (4, lambda near: [near, 0.5]),
        (5, lambda near: [near, near]),
        pytest.param(5, lambda near: [near, 2.0], marks=pytest.mark.nightly),
        pytest.param(10, lambda near: [near, 0.2, near, near, 2.5], marks=pytest.mark.nightly),
    ],
)
def test_rotations_are_told_up_to_half_a_turn_inclusive(n, planes, tolerance):
    """Where general logarithms lose what the distance to half a turn takes."""
    unit = np.eye(n, dtype=jnp.result_type(float))[None]
    angles = [planes(np.pi - gap) for gap in GAPS]
    turns = np.stack([turned(n, some, unit.dtype) for some in angles])

    @jax.jit
    def everything(w, x):
        space = SO(n)
        c = space.coordinates(w, x)
        slopes = jax.grad(lambda w: space.squared_distances(w, x).sum())(w)
        steep = jax.grad(lambda w: space.coordinates(w, x).sum())(w)
        walked = space.exp(jnp.broadcast_to(w, x.shape), c[:, 0])
        return c[:, 0], space.squared_distances(w, x)[:, 0], walked, slopes, steep

    c, squares, walked, slopes, steep = map(np.asarray, everything(unit, turns))
    lengths = np.linalg.norm(angles, axis=1)
    np.testing.assert_allclose(np.sqrt(squares), lengths, rtol=0.1 * tolerance)
    np.testing.assert_allclose(np.linalg.norm(c, axis=1), lengths, rtol=0.1 * tolerance)
    np.testing.assert_allclose(walked, turns, atol=0.1 * tolerance)
    assert np.isfinite(slopes).all() and np.isfinite(steep).all()
    # Of a sum of squares, the derivative is that of a sum of lengths of ways, also there.
    assert np.abs(slopes).max() < 2 * lengths.sum()


def test_half_turns_of_whole_spaces_are_told():
    for turn in (-np.eye(4), np.diag([1.0, -1, 1, -1]), np.diag([-1.0, -1, -1, -1, 1])):
        unit, turn = np.eye(len(turn), dtype=np.float32)[None], turn.astype(np.float32)[None]
        space, half = SO(len(turn[0])), np.pi * (np.sum(turn == -1) / 2) ** 0.5
        np.testing.assert_allclose(distances(space, unit, turn)[0, 0], half, rtol=1e-6)
        c = ask(space, "coordinates", unit, turn)
        np.testing.assert_allclose(ask(space, "exp", unit, c[0]), turn, atol=2e-6)


def leaning(n, k, angles, dtype):
    """Two subspaces with these principal angles, in random bases."""
    basis = np.linalg.qr(normal((n, n), 7).astype(float))[0]
    angles = np.asarray(angles, float)
    q, w = basis[:, :k], basis[:, k : k + len(angles)]
    x = q.copy()
    x[:, : len(angles)] = q[:, : len(angles)] * np.cos(angles) + w * np.sin(angles)
    return q.astype(dtype), (x @ np.linalg.qr(normal((k, k), 8).astype(float))[0]).astype(dtype)


@pytest.mark.parametrize(("n", "k"), [(5, 2), (10, 5)])
@pytest.mark.parametrize(
    ("angle", "lost"),
    [(1e-4, 2e-3), (1e-3, 2e-4), (1e-2, 2e-5), (0.3, 2e-6), (1.5, 2e-6), (np.pi / 2, 2e-6)],
)
def test_principal_angles_keep_their_digits(n, k, angle, lost):
    q, x = leaning(n, k, [angle] * min(k, 2), np.float32)
    # The angles of the bases as rounding left them.
    with np.errstate(invalid="ignore"):
        exact = np.sort(scipy.linalg.subspace_angles(q.astype(float), x.astype(float)))
    found = ask(Grassmannian(n, k), "spectrum", q[None], x[None])[0, 0]
    # Those whose cosines are one to all digits are told together.
    np.testing.assert_allclose(np.linalg.norm(found), np.linalg.norm(exact), rtol=lost)
    if angle > 3e-3:
        np.testing.assert_allclose(found[-2:], exact[-2:], rtol=10 * lost)
    c = ask(Grassmannian(n, k), "coordinates", q[None], x[None])[0, 0]
    np.testing.assert_allclose(np.linalg.norm(c), np.linalg.norm(exact), rtol=10 * lost)


def test_subspaces_that_are_orthogonal_to_each_other_have_a_way():
    q, x = np.eye(5, 2, dtype=np.float32)[None], np.eye(5, dtype=np.float32)[None, :, 2:4]
    np.testing.assert_allclose(distances(Grassmannian(5, 2), q, x), np.pi / 2**0.5, rtol=1e-6)
    c = ask(Grassmannian(5, 2), "coordinates", q, x)[0]
    np.testing.assert_allclose(np.linalg.norm(c), np.pi / 2**0.5, rtol=1e-6)
    slope = jax.grad(lambda w: Grassmannian(5, 2).squared_distances(w, jnp.asarray(x)).sum())(
        jnp.asarray(q)
    )
    assert np.isfinite(slope).all()


def test_opposite_directions_are_half_a_turn_apart():
    x = draw(Sphere(4), 0).astype(np.float32)
    np.testing.assert_allclose(np.diagonal(distances(Sphere(4), x, -x)), np.pi, rtol=1e-6)
    c = own_coordinates(Sphere(4), x, -x)
    np.testing.assert_allclose(np.linalg.norm(c, axis=1), np.pi, rtol=1e-5)
    np.testing.assert_allclose(ask(Sphere(4), "exp", x, c), -x, atol=1e-5)


@pytest.mark.parametrize("radius", [0.0, 0.5, 0.9, 0.99, 0.996])
def test_hyperbolic_distances_do_not_cancel(radius):
    space, x = PoincareBall(2), np.array([[radius, 0.0]], np.float32)
    exact = 2 * np.arctanh(x[0, 0].astype(float))
    np.testing.assert_allclose(distances(space, x, -x)[0, 0], 2 * exact, rtol=2e-5)
    # A short way, and back: what a step of an optimiser is.
    c = np.array([[-0.06, 0.08]], np.float32)
    there = ask(space, "exp", x, c)
    np.testing.assert_allclose(distances(space, x, there), 0.1, rtol=2e-3)
    np.testing.assert_allclose(ask(space, "coordinates", x, there)[0], c, atol=2e-4)


# Means


@each_curved
def test_frechet_means_balance_displacements(space):
    if isinstance(space, Product):
        space = Product([SPD(2), Sphere(3)])
    points = np.repeat(draw(space, 0)[:1], COUNT, axis=0)
    x = np.asarray(
        ask(
            space, "exp", points, tangents(space, points, 1, min(0.6, space.injectivity_radius / 4))
        )
    )
    found = frechet_mean(space, x, np.array([1, 2, 0, 1]))
    assert found.converged, found
    copies = frechet_mean(space, x[[0, 1, 1, 3]])
    assert_same_points(space, copies.point[None], found.point[None], 1e-4)
    weighted = (
        np.array([1, 2, 0, 1]) @ np.asarray(ask(space, "coordinates", found.point[None], x))[:, 0]
    )
    np.testing.assert_allclose(weighted, 0, atol=1e-4)


def test_a_mean_that_is_not_found_or_not_the_only_one_says_so():
    space = Sphere(3)
    turns = 2 * np.pi / 3 * np.arange(3)
    around = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    assert "one of several means" in frechet_mean(space, around).reason
    x = draw(SPD(3), 0).astype(np.float32)
    found = frechet_mean(SPD(3), x, steps=1)
    assert not found.converged and "give it more `steps`" in found.reason and found.residual > 1e-4
    with pytest.raises(
        ValueError, match=r"`x` does not lie in Sphere\(n=3\): point 1 has a length"
    ):
        frechet_mean(space, np.eye(3) * np.array([[1], [2], [1]]))


# Steps


def test_steps_are_no_longer_than_half_the_injectivity_radius(x64):
    for space in (Sphere(4), SO(3), Grassmannian(5, 2)):
        points = jnp.asarray(draw(space, 0))
        c = 100 * tangents(space, points, 1, 1.0)
        moved = OnManifold(space).retract(jnp.asarray(c), points)
        walked = np.diagonal(distances(space, points, moved))
        np.testing.assert_allclose(walked, space.injectivity_radius / 2, rtol=1e-9)


@pytest.mark.parametrize("space", [SPD(3), *CURVED], ids=str)
def test_points_stay_in_the_space_for_ten_thousand_steps(space):
    points = jnp.asarray(draw(space, 0).astype(np.float32))

    @jax.jit
    def walk(points):
        def step(w, key):
            # With a pull: a free walk leaves every range of numbers for a matrix that is hardly
            # definite.
            back = jnp.moveaxis(jnp.diagonal(space.coordinates(w, points)), -1, 0)
            c = 0.05 * (jax.random.normal(key, (COUNT, space.coordinate_size)) + back)
            return OnManifold(space).retract(c, w), None

        return jax.lax.scan(step, points, jax.random.split(jax.random.key(0), 10_000))[0]

    walked = walk(points)
    assert space.violation(walked) is None
    if not isinstance(space, SPD | PoincareBall):
        np.testing.assert_allclose(space.project(walked), walked, atol=1e-5)


def test_adam_finds_the_mean_of_ill_conditioned_matrices():
    x = conditioned(4, 1e4, 0, count=20)
    exact = frechet_mean(SPD(4), x).point
    start = pz.Prototypes(x[:1], space=SPD(4))
    model = pz.PrototypeModel(start, pz.metrics.SquaredEuclidean(), pz.losses.HardClustering())
    rule = pz.GradientDescent("adam", pz.Cosine(0.1))
    fit = pz.Trainer(rule, epochs=200).fit(model, x, key=0)
    assert distances(SPD(4), fit.model.prototypes.points, exact[None])[0, 0] < 1e-3 * 4


# Singular values


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 17), (3, 5000), (7, 17)])
def test_singular_values_are_found_each_to_its_own_precision(size, count, tolerance):
    # Columns of all lengths.
    m = normal((count, size, size), 5).astype(float) + 3 * np.eye(size)
    m = (m * 10.0 ** np.linspace(0, -9, size)).astype(jnp.result_type(float))
    left, values = (np.asarray(a, float) for a in left_svd(jnp.asarray(m)))
    np.testing.assert_allclose(
        left.swapaxes(1, 2) @ left, np.broadcast_to(np.eye(size), m.shape), atol=tolerance
    )
    squares = left * values[:, None] ** 2 @ left.swapaxes(1, 2)
    np.testing.assert_allclose(
        squares, m.astype(float) @ m.swapaxes(1, 2), atol=tolerance * np.abs(squares).max()
    )
    # The determinant, which elimination finds to full precision, counts them all alike.
    np.testing.assert_allclose(
        values.prod(axis=1), np.abs(np.linalg.det(m.astype(float))), rtol=tolerance
    )


def test_singular_values_of_a_matrix_do_not_depend_on_its_company():
    m = normal((17, 7, 7), 6)
    m[7], m[8] = np.nan, np.inf
    together = left_svd(jnp.asarray(m))
    for i in (0, 6, 9, 16):
        alone = left_svd(jnp.asarray(np.broadcast_to(m[i], m.shape)))
        for one, among in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], among[i])


# Membership


@each_spd
def test_projection_makes_members_of_any_matrices_of_any_unit(space, tolerance):
    n, units = space.n, np.logspace(-15, 10, 30)[:, None, None]
    generic = symmetric(normal((30, n, n), 0)).astype(float)
    eigenvalues, vectors = np.linalg.eigh(generic)
    nearest = (vectors * np.maximum(eigenvalues, 0)[:, None, :]) @ vectors.swapaxes(1, 2)
    special = np.stack([np.zeros((n, n)), -np.eye(n), np.ones((n, n)), 1e-11 * np.ones((n, n))])
    matrices = jnp.asarray(
        np.concatenate([units * generic, special, draw(space, 0)]), jnp.result_type(float)
    )
    projected = np.asarray(ask(space, "project", matrices))
    assert space.violation(jnp.asarray(projected)) is None
    np.linalg.cholesky(projected)
    np.testing.assert_allclose(projected[:30] / units, nearest, atol=tolerance)
    # Members, and what has become one, stay what they are to the last bit.
    np.testing.assert_array_equal(projected[-COUNT:], matrices[-COUNT:])
    np.testing.assert_array_equal(ask(space, "project", projected), projected)


def test_projection_symmetrises():
    matrix = np.array([[[2.0, 1.0], [0.0, 2.0]]], np.float32)
    np.testing.assert_array_equal(ask(SPD(2), "project", matrix), [[[2, 0.5], [0.5, 2]]])


ASYMMETRIC = np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]])
INDEFINITE = np.diag([1, 1, -0.25])
UNDEFINED = np.diag([1, 1, np.nan])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, None),
        ({2: ASYMMETRIC}, "point 2 is not symmetric: it differs from its transpose by up to 0.5"),
        (
            {1: INDEFINITE, 2: ASYMMETRIC},
            "point 1 is not positive definite in float32: its smallest eigenvalue is -0.25",
        ),
        ({1: ASYMMETRIC, 2: INDEFINITE}, "point 1 is not symmetric"),
        (
            {0: np.zeros((3, 3))},
            "point 0 is not positive definite in float32: its smallest eigenvalue is 0, its "
            "largest 0",
        ),
        ({3: UNDEFINED}, "point 3 is not finite"),
    ],
)
def test_violation_says_which_point_is_wrong_and_how(wrong, message):
    points = np.stack([wrong.get(i, np.eye(3)) for i in range(4)])
    violation = SPD(3).violation(jnp.asarray(points))
    assert str(violation).startswith(str(message))


def test_violation_judges_by_the_precision_of_the_points(x64):
    singular = np.diag([1, 1, 1e-8])[None]
    assert SPD(3).violation(jnp.asarray(singular)) is None
    assert "smallest eigenvalue is 1e-08" in str(
        SPD(3).violation(jnp.asarray(singular, jnp.float32))
    )
    # The asymmetry of a product of three factors is rounding, not a mistake.
    basis, member = normal((10, 10), 0).astype(np.float32), draw(SPD(10), 1).astype(np.float32)
    product = basis @ member @ basis.T
    assert (product != product.swapaxes(1, 2)).any()
    assert SPD(10).violation(jnp.asarray(product)) is None


def test_violation_needs_no_eigenvalues_of_what_is_well_conditioned(monkeypatch):
    # They would take ten times as long, at every fit and every prediction.
    matrices = normal((1000, 5, 10), 0)
    matrices = jnp.asarray(matrices @ matrices.swapaxes(1, 2))
    with monkeypatch.context() as patch:
        patch.delattr(np.linalg, "eigvalsh")
        assert SPD(5).violation(matrices) is None
    # Blocks do not hide which point it is.
    assert str(SPD(5).violation(matrices.at[999].set(0))).startswith(
        "point 999 is not positive definite"
    )
    assert (
        str(SPD(5).violation(matrices.at[3].set(jnp.nan).at[999].set(0))) == "point 3 is not finite"
    )


def test_violation_cannot_judge_traced_points():
    judged = []
    jax.jit(lambda points: judged.append(SPD(2).violation(points)))(jnp.zeros((1, 2, 2)))
    assert judged == [None]


@each_curved
def test_what_is_no_member_is_told_why_and_can_be_projected(space, tolerance):
    points = jnp.asarray(draw(space, 0))
    wrong = points.at[2].multiply(1.7).at[3].set(jnp.nan)
    message = str(space.violation(wrong))
    assert "point 2 " in message or "point 3 is not finite" in message, message
    assert "not finite" in str(space.violation(points.at[1].set(jnp.inf)))
    moved = points + 0.1 * normal(points.shape, 3)
    projected = space.project(jnp.asarray(moved))
    assert space.violation(projected) is None
    assert_same_points(space, space.project(projected), projected, tolerance)
    judged = []
    jax.jit(lambda w: judged.append(space.violation(w)))(points)
    assert judged == [None]


def test_a_reflection_is_no_rotation_and_has_a_nearest_one():
    for n in (2, 3, 4, 5):
        mirror = np.eye(n, dtype=np.float32)
        mirror[0, 0] = -1
        assert "is a reflection" in str(SO(n).violation(jnp.asarray(mirror)[None]))
        projected = SO(n).project(jnp.asarray(mirror @ _turn(n), jnp.float32)[None])
        assert SO(n).violation(projected) is None
        # No rotation is nearer than two to a reflection.
        np.testing.assert_allclose(np.linalg.norm(projected[0] - mirror @ _turn(n)), 2, rtol=1e-5)


def test_random_rotations_are_those_of_haar():
    for n in (2, 3, 4):
        turns = np.asarray(SO(n).random_points(jax.random.key(0), 4000))
        np.testing.assert_allclose(turns.mean(axis=0), 0, atol=0.06)
        np.testing.assert_allclose(np.trace(turns, axis1=1, axis2=2).mean(), 0, atol=0.06)
        np.testing.assert_allclose(np.linalg.det(turns), 1, rtol=1e-5)


@pytest.mark.parametrize("size", [0, -2])
def test_sizes_must_be_positive(size):
    with pytest.raises(ValueError, match=f"`n` must be a positive integer, got {size}"):
        SPD(size)
    with pytest.raises(ValueError, match=f"`shape` must be a positive integer, got {size}"):
        Euclidean(size)
    for space in (SO, Sphere):
        with pytest.raises(ValueError, match="`n` must be"):
            space(size)
        with pytest.raises(ValueError, match="`n` must be at least 2, got 1"):
            space(1)
    with pytest.raises(ValueError, match="`k` must be less than `n`, got k=3 and n=3"):
        Grassmannian(3, 3)
    with pytest.raises(ValueError, match="`spaces` must hold at least one space"):
        Product([])
