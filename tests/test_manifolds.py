"""What every space must satisfy: theorems, oracles and derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from protozoo.manifolds import SPD, Euclidean


SPACES = [Euclidean((3,)), Euclidean((2, 3)), SPD(2), SPD(3), SPD(10)]
each = pytest.mark.parametrize("space", SPACES, ids=str)
each_spd = pytest.mark.parametrize("space", [s for s in SPACES if isinstance(s, SPD)], ids=str)


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def tolerance(request):
    """Both precisions, and what distances of order one may be off by in each."""
    with jax.enable_x64(request.param):
        yield 1e-12 if request.param else 1e-4


def draw(space, count, seed):
    return space.random_points(jax.random.key(seed), count)


@eqx.filter_jit
def distances(space, points, x):
    return jnp.sqrt(space.squared_distances(points, x))


@eqx.filter_jit
def coordinates(space, points, x):
    return space.coordinates(points, x)


@eqx.filter_jit
def paired(space, points, x):
    """The coordinates of each sample at the point of the same index."""
    return jax.vmap(lambda w, x: space.coordinates(w[None], x[None])[0, 0])(points, x)


@eqx.filter_jit
def exp(space, points, coordinates):
    return space.exp(points, coordinates)


def transpose(a):
    return jnp.swapaxes(a, -1, -2)


def symmetric(a):
    return (a + transpose(a)) / 2


# Theorems


@each
def test_shapes(space):
    points, x = draw(space, 2, 0), draw(space, 4, 1)
    assert points.shape == (2, *space.point_shape)
    c = coordinates(space, points, x)
    assert c.shape == (4, 2, space.dimension)
    assert distances(space, points, x).shape == (4, 2)
    assert exp(space, points, c[0]).shape == points.shape


@each
def test_distances_are_a_metric(space, tolerance):
    x = draw(space, 6, 0)
    d = distances(space, x, x)
    np.testing.assert_allclose(d**2, (d**2).T, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(jnp.diagonal(d) ** 2, 0, atol=tolerance)
    assert (d + jnp.eye(6) > 0.1).all()
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + tolerance).all()


@each
def test_coordinates_have_the_length_of_the_geodesic(space, tolerance):
    points, x = draw(space, 3, 0), draw(space, 4, 1)
    squares = jnp.sum(coordinates(space, points, x) ** 2, axis=-1)
    np.testing.assert_allclose(squares, distances(space, points, x) ** 2, rtol=tolerance)


@each
def test_exp_and_coordinates_are_inverse(space, tolerance):
    points, x = draw(space, 4, 0), draw(space, 4, 1)
    np.testing.assert_allclose(exp(space, points, paired(space, points, x)), x, rtol=tolerance, atol=tolerance)
    c = jax.random.normal(jax.random.key(2), (4, space.dimension)) / space.dimension**0.5
    np.testing.assert_allclose(paired(space, points, exp(space, points, c)), c, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(exp(space, points, 0 * c), points, rtol=tolerance, atol=tolerance)


@each
@pytest.mark.parametrize("t", [-0.5, 0.3, 1.5])
def test_geodesics_are_walked_at_constant_speed(space, tolerance, t):
    points, x = draw(space, 3, 0), draw(space, 3, 1)
    along = exp(space, points, t * paired(space, points, x))
    total = jnp.diagonal(distances(space, points, x))
    np.testing.assert_allclose(jnp.diagonal(distances(space, points, along)), abs(t) * total, rtol=tolerance)
    np.testing.assert_allclose(jnp.diagonal(distances(space, x, along)), abs(1 - t) * total, rtol=tolerance)


@each
def test_random_points_are_distinct_members_and_projection_leaves_them_alone(space, tolerance):
    points = draw(space, 20, 0)
    assert points.dtype == jnp.zeros(()).dtype
    assert space.violation(points) is None
    assert len(np.unique(np.asarray(points).reshape(20, -1), axis=0)) == 20
    np.testing.assert_array_equal(space.project(points), points)


@each
def test_the_gradient_at_zero_coordinates_is_the_riemannian_one(space, tolerance):
    points, x = draw(space, 3, 0), draw(space, 3, 1)

    def variance(c):
        return jnp.trace(space.squared_distances(space.exp(points, c), x))

    gradient = jax.jit(jax.grad(variance))(jnp.zeros((3, space.dimension)))
    np.testing.assert_allclose(gradient, -2 * paired(space, points, x), rtol=tolerance, atol=tolerance)


def test_distances_in_flat_space_do_not_lose_what_a_large_offset_leaves(key):
    x = np.asarray(jax.random.normal(key, (6, 3))) + np.float32(1e4)
    exact = np.sum((x[:, None].astype(float) - x[None, :2]) ** 2, axis=-1)
    off_diagonal = exact > 0
    squared = np.asarray(Euclidean(3).squared_distances(jnp.asarray(x[:2]), jnp.asarray(x)))
    np.testing.assert_allclose(squared[off_diagonal], exact[off_diagonal], rtol=1e-5)


@each_spd
def test_the_metric_of_spd_is_affine_invariant(space, tolerance):
    points, x = draw(space, 3, 0), draw(space, 3, 1)
    # An orthogonal factor times a diagonal one: any basis, of condition 4.
    basis = jnp.linalg.qr(jax.random.normal(jax.random.key(2), space.point_shape))[0] * jnp.geomspace(1, 4, space.n)
    d = distances(space, points, x)
    moved = [symmetric(basis @ a @ basis.T) for a in (points, x)]
    assert jnp.abs(moved[0] - points).max() > 1
    np.testing.assert_allclose(distances(space, *moved), d, rtol=tolerance)
    inverted = [symmetric(jnp.linalg.inv(a)) for a in (points, x)]
    np.testing.assert_allclose(distances(space, *inverted), d, rtol=tolerance)


@each_spd
def test_the_unit_of_spd_data_does_not_matter(space, tolerance):
    # The covariances of signals in volts are of this size.
    points, x, unit = draw(space, 3, 0), draw(space, 3, 1), 1e-11
    c = coordinates(space, points, x)
    np.testing.assert_allclose(coordinates(space, unit * points, unit * x), c, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        exp(space, unit * points, c[0]), unit * exp(space, points, c[0]), rtol=tolerance, atol=unit * tolerance
    )


# Oracles


@each_spd
def test_spd_distances_agree_with_generalised_eigenvalues(space, tolerance):
    points, x = draw(space, 3, 0), draw(space, 4, 1)
    oracle = [[np.sum(np.log(scipy.linalg.eigvalsh(b, a)) ** 2) for a in points] for b in x]
    np.testing.assert_allclose(distances(space, points, x) ** 2, oracle, rtol=tolerance)


@each_spd
def test_spd_matrix_functions_agree_with_general_ones(space, tolerance):
    unit, x = jnp.eye(space.n)[None], draw(space, 4, 0)
    logarithms = np.stack([scipy.linalg.logm(np.asarray(a, float)) for a in x])
    rows, columns = np.triu_indices(space.n, 1)
    c = np.concatenate([np.diagonal(logarithms, axis1=1, axis2=2), np.sqrt(2) * logarithms[:, rows, columns]], axis=1)
    np.testing.assert_allclose(coordinates(space, unit, x)[:, 0], c, rtol=tolerance, atol=tolerance)
    many = jnp.broadcast_to(unit, x.shape)
    exponentials = np.stack([scipy.linalg.expm(2 * a) for a in logarithms])
    np.testing.assert_allclose(exp(space, many, jnp.asarray(2 * c, x.dtype)), exponentials, rtol=tolerance, atol=tolerance)


@each_spd
def test_the_frame_of_spd_is_orthonormal(space, tolerance):
    point = draw(space, 1, 0)
    jacobian = jax.jit(jax.jacfwd(lambda c: space.exp(point, c[None])[0]))(jnp.zeros(space.dimension))
    frame = jnp.linalg.solve(point, jnp.moveaxis(jacobian, -1, 0))
    products = jnp.einsum("kij,lji->kl", frame, frame, precision="highest")
    np.testing.assert_allclose(products, jnp.eye(space.dimension), atol=tolerance)


def test_spd_of_one_row_is_the_logarithmic_line():
    a, b = jnp.array([[[2.0]]]), jnp.array([[[3.0]], [[0.5]]])
    np.testing.assert_allclose(coordinates(SPD(1), a, b)[:, 0, 0], np.log([1.5, 0.25]), rtol=1e-6)
    np.testing.assert_allclose(exp(SPD(1), a, jnp.array([[np.log(4)]], a.dtype)), [[[8]]], rtol=1e-6)


# Derivatives


def slopes_of(function, at, direction, step=1e-5):
    """The directional derivative, forward and backward, next to a central difference."""
    _, forward = jax.jit(lambda a, d: jax.jvp(function, (a,), (d,)))(at, direction)
    value, pullback = jax.vjp(jax.jit(function), at)
    cotangent = jax.random.normal(jax.random.key(7), value.shape)
    backward = jnp.vdot(pullback(cotangent)[0], direction)
    difference = (function(at + step * direction) - function(at - step * direction)) / (2 * step)
    return forward, difference, backward, jnp.vdot(cotangent, difference)


def assert_derivative(function, at, direction):
    forward, difference, backward, summed = slopes_of(function, at, direction)
    scale = float(jnp.abs(difference).max())
    np.testing.assert_allclose(forward, difference, rtol=1e-7, atol=1e-8 * max(scale, 1))
    np.testing.assert_allclose(backward, summed, rtol=1e-7, atol=1e-7 * max(scale, 1))


def pairs_of(space, pair):
    """Points and samples: in general position, or where eigenvectors have no derivative."""
    points = draw(space, 2, 0)
    if pair == "generic":
        return points, draw(space, 2, 1)
    if pair == "coincident":
        return points, points
    unit = jnp.broadcast_to(jnp.eye(space.n), points.shape)
    return unit, {"both the identity": 1, "repeated eigenvalues": 2}[pair] * unit


FLAT_PAIRS = [(space, pair) for space in SPACES for pair in ("generic", "coincident")]
CURVED_PAIRS = [
    (space, pair) for space in SPACES if not space.flat for pair in ("both the identity", "repeated eigenvalues")
]


@pytest.mark.parametrize("space, pair", FLAT_PAIRS + CURVED_PAIRS, ids=str)
@pytest.mark.parametrize("answer", ["squared_distances", "coordinates"])
def test_derivatives_equal_finite_differences(space, pair, answer, x64):
    points, x = pairs_of(space, pair)
    direction = jax.random.normal(jax.random.key(3), points.shape)
    direction = direction if space.flat else symmetric(direction) / space.n**0.5
    function = jax.jit(getattr(space, answer))
    assert_derivative(lambda w: function(w, x), points, direction)
    assert_derivative(lambda x: function(points, x), x, direction)


@each
@pytest.mark.parametrize("scale", [0, 1])
def test_derivatives_of_exp_equal_finite_differences(space, scale, x64):
    points = draw(space, 2, 0)
    c, direction = jax.random.normal(jax.random.key(3), (2, 2, space.dimension)) / space.dimension**0.5
    function = jax.jit(space.exp)
    assert_derivative(lambda c: function(points, c), scale * c, direction)
    ambient = jax.random.normal(jax.random.key(4), points.shape)
    ambient = ambient if space.flat else symmetric(ambient) / space.n**0.5
    assert_derivative(lambda w: function(w, c), points, ambient)


@each_spd
def test_derivatives_at_multiples_of_the_identity_are_exact(space):
    unit, diagonal = jnp.eye(space.n)[None], np.arange(space.dimension) < space.n
    c = coordinates(space, unit, 2 * unit)
    np.testing.assert_array_equal(c[0, 0], np.where(diagonal, np.log(np.float32(2)), 0))
    gradient = jax.jit(jax.grad(lambda w: space.squared_distances(w, 2 * unit)[0, 0]))(unit)
    np.testing.assert_allclose(gradient, -2 * np.log(2) * unit, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda w: space.squared_distances(w, unit)[0, 0]))(unit)
    np.testing.assert_array_equal(gradient, 0 * unit)


@each_spd
@pytest.mark.parametrize("gap", [1e-6, 1e-3])
def test_derivatives_in_float32_survive_nearly_repeated_eigenvalues(space, gap):
    with jax.enable_x64(True):
        points = draw(space, 2, 0)
        factors = jnp.linalg.cholesky(points)
        x = symmetric(factors * (1.5 + gap * jnp.arange(space.n)) @ transpose(factors))
        weights = jax.random.normal(jax.random.key(1), (space.dimension,))

    def gradients(dtype):
        def weighted(w, x):
            return jnp.sum(space.coordinates(w, x) @ weights.astype(dtype))

        return jax.jit(jax.grad(weighted, (0, 1)))(points.astype(dtype), x.astype(dtype))

    rounded = gradients(jnp.float32)
    with jax.enable_x64(True):
        exact = gradients(jnp.float64)
    for a, b in zip(rounded, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@each_spd
def test_answers_stay_finite_where_rounding_hides_the_smallest_eigenvalues(space):
    # Both are members, but seen from the point the sample has condition 1e10.
    spectrum = jnp.geomspace(1, 1e-5, space.n)
    points, x = jnp.diag(spectrum)[None], jnp.diag(spectrum[::-1])[None]
    turn = jnp.linalg.qr(jax.random.normal(jax.random.key(0), space.point_shape))[0]
    points, x = symmetric(turn @ points @ turn.T), symmetric(turn @ x @ turn.T)
    assert space.violation(points) is space.violation(x) is None

    def squared(w, x):
        return space.squared_distances(w, x)[0, 0]

    def length(w, x):
        return jnp.sum(space.coordinates(w, x) ** 2)

    value, gradients = jax.jit(jax.value_and_grad(squared, (0, 1)))(points, x)
    other, others = jax.jit(jax.value_and_grad(length, (0, 1)))(points, x)
    assert jnp.isfinite(value)
    np.testing.assert_allclose(other, value, rtol=1e-4)
    for a, b in zip(gradients, others, strict=True):
        assert jnp.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=1e-3 * jnp.abs(a).max())


# Membership


@each_spd
def test_projection_makes_members_of_any_matrices_of_any_unit(space, tolerance):
    n, count = space.n, 30
    units = jnp.logspace(-15, 10, count)[:, None, None]
    matrices = jax.random.normal(jax.random.key(0), (count, n, n)) * units
    special = jnp.stack([jnp.zeros((n, n)), -jnp.eye(n), jnp.ones((n, n)), 1e-11 * jnp.ones((n, n))])
    matrices = jnp.concatenate([matrices, special])
    assert space.violation(matrices) is not None
    projected = space.project(matrices)
    assert space.violation(projected) is None
    assert jnp.isfinite(jnp.linalg.cholesky(projected)).all()
    np.testing.assert_array_equal(space.project(projected), projected)
    np.testing.assert_array_equal(space.project(1024 * matrices[:count]), 1024 * projected[:count])


@each_spd
def test_projection_removes_nothing_but_the_negative_part(space, tolerance):
    matrix = symmetric(jax.random.normal(jax.random.key(0), (space.n, space.n)))
    eigenvalues, vectors = np.linalg.eigh(np.asarray(matrix, float))
    assert eigenvalues[0] < 0 < eigenvalues[-1]
    nearest = vectors * np.maximum(eigenvalues, 0) @ vectors.T
    np.testing.assert_allclose(space.project(matrix[None])[0], nearest, atol=tolerance)


def test_violation_says_which_point_is_wrong_and_how():
    space, members = SPD(3), jnp.stack([jnp.eye(3)] * 4)
    assert space.violation(members) is None
    asymmetric = members.at[2, 0, 1].set(0.5)
    assert space.violation(asymmetric) == "point 2 is not symmetric: it differs from its transpose by up to 0.5"
    indefinite = members.at[1, 2, 2].set(-0.25)
    assert space.violation(indefinite) == (
        "point 1 is not positive definite in float32: its smallest eigenvalue is -0.25, its largest 1"
    )
    assert space.violation(asymmetric.at[1].set(indefinite[1])) == space.violation(indefinite)
    assert space.violation(asymmetric.at[3].set(indefinite[1])) == space.violation(asymmetric)
    assert space.violation(members.at[3, 0, 0].set(jnp.nan)) == "point 3 is not finite"


def test_violation_judges_by_the_precision_of_the_points(x64):
    singular = jnp.diag(jnp.array([1, 1, 1e-8]))[None]
    assert SPD(3).violation(singular) is None
    assert "smallest eigenvalue is 1e-08" in SPD(3).violation(singular.astype(jnp.float32))
    # The asymmetry of a product of three factors is rounding, not a mistake.
    basis = jax.random.normal(jax.random.key(0), (10, 10), jnp.float32)
    product = basis @ draw(SPD(10), 1, 1).astype(jnp.float32) @ basis.T
    assert (product != transpose(product)).any()
    assert SPD(10).violation(product) is None


def test_violation_cannot_judge_traced_points():
    assert jax.jit(lambda w: w if SPD(2).violation(w) is None else w + 1)(jnp.zeros((1, 2, 2))).sum() == 0


@pytest.mark.parametrize("size", [0, -2])
def test_sizes_must_be_positive(size):
    with pytest.raises(ValueError, match=f"`n` must be positive, got {size}"):
        SPD(size)
    with pytest.raises(ValueError, match=f"`shape` must hold positive sizes, got {size}"):
        Euclidean(size)
