"""Theorems about every space, on examples that Hypothesis looks for: points and ways of every
length, the shortest ones and none at all among them."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from protozoo.manifolds import (
    SO,
    SPD,
    AbstractManifold,
    Euclidean,
    Grassmannian,
    PoincareBall,
    Product,
    Simplex,
    Sphere,
)


#: The same few examples in every run; by night many, and others each time.
FEW = settings(max_examples=10, derandomize=True, deadline=None, database=None)
MANY = settings(max_examples=300, deadline=None, database=None, print_blob=True)
SOME = [SO(3), PoincareBall(2), Sphere(3), Simplex(3)]
MORE = [
    *[Euclidean((2, 3)), SPD(2), SPD(5), SO(2), SO(4), SO(5), Grassmannian(5, 2)],
    *[Grassmannian(3, 1), Grassmannian(4, 2), PoincareBall(5), Sphere(2), Simplex(6)],
    *[Product([SPD(2), Sphere(3), Euclidean(2)]), Product([SO(3), Simplex(3)])],
]

#: Ways from one point, to so many others.
WAYS = 3
#: Where on geodesics: before, on and beyond the way.
TIMES = np.array([-0.5, 0.25, 1.0, 1.4])

#: One seed for all directions, and how long the ways are, as parts of what the space allows.
examples = st.tuples(
    st.integers(0, 2**31 - 1),
    st.lists(st.floats(0, 1).map(lambda part: part**4), min_size=WAYS, max_size=WAYS),
)


def reach(space: AbstractManifold, point: np.ndarray) -> float:
    """How long ways from a point may be, so that those between their ends are shortest, too."""
    if isinstance(space, Product):
        parts = space.unpacked(jnp.asarray(point[None]))
        return min(
            reach(*part)
            for part in zip(space.spaces, (np.asarray(a[0]) for a in parts), strict=True)
        )
    inside = point.min() / 2 if isinstance(space, Simplex) else 1.0
    return min(inside, 0.24 * space.injectivity_radius)


@eqx.filter_jit
def tangents(space, points, c):
    """The parts of coordinates that belong to tangents."""
    return space.components(points, space.vectors(points, c))


@eqx.filter_jit
def walked(space, points, c):
    return space.exp(points, c)


@eqx.filter_jit
def nearest(space, points):
    return space.project(points)


@eqx.filter_jit
def facts(space, points, x):
    """Of ways from points to x, pair by pair."""
    c = space.displacements(points, x)
    along = space.geodesic(points, x, jnp.asarray(TIMES, c.dtype))
    together = jnp.concatenate([points[:1], x])
    return {
        "coordinates": c,
        "squares": space.squared_distances(together, together),
        "arrived": space.exp(points, c),
        "along": jnp.stack([jnp.diagonal(space.distances(points, there)) for there in along]),
        "between": jnp.diagonal(space.distances(along[1], along[3])),
        "back": -space.displacements(x, points),
        # Each direction, carried along the next way.
        "carried": space.transport(points, x, jnp.roll(c, 1, axis=0)),
    }


def hold(space: AbstractManifold, example: tuple[int, list[float]], tolerance: float) -> None:
    """Everything that is true of geodesics and distances, whatever the points."""
    seed, parts = example
    rng = np.random.default_rng(seed)
    dtype = jnp.result_type(float)
    start = np.asarray(_random_point(space, seed, dtype))
    points = np.repeat(start[None], WAYS, axis=0)
    c = np.asarray(tangents(space, points, _normal(rng, (WAYS, space.coordinate_size))))
    lengths = reach(space, start) * np.asarray(parts)
    c = (c / np.linalg.norm(c, axis=1, keepdims=True) * lengths[:, None]).astype(dtype)
    x = np.asarray(walked(space, points, c))
    near = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)

    assert space.violation(jnp.asarray(x)) is None
    found = jax.tree.map(np.asarray, facts(space, points, x))
    # The way back is the way there.
    near(found["coordinates"], c)
    _same_points(space, found["arrived"], x, tolerance)
    # Distances are lengths of coordinates, and a metric.
    d = np.sqrt(np.maximum(found["squares"], 0))
    near(found["squares"][0, 1:], lengths**2)
    near(np.sum(found["coordinates"] ** 2, axis=1), lengths**2)
    near(found["squares"], found["squares"].T)
    near(np.diagonal(found["squares"]), 0)
    assert (d[:, None] <= d[:, :, None] + d[None] + tolerance**0.5).all()
    # Speed is constant, on the way and beyond.
    near(found["along"], np.abs(TIMES)[:, None] * lengths, atol=tolerance**0.5)
    near(found["between"], (TIMES[3] - TIMES[1]) * lengths, atol=tolerance**0.5)
    # What is carried along a way keeps its length, and its angle with the way.
    carried, back = found["carried"], found["back"]
    near(np.sum(back**2, axis=1), lengths**2)
    near(np.sum(carried**2, axis=1), np.roll(lengths, 1) ** 2)
    near(np.sum(carried * back, axis=1), np.sum(c * np.roll(c, 1, axis=0), axis=1))
    # Whatever is projected is a point, which then stays where it is.
    projected = nearest(space, (x + 0.1 * _normal(rng, x.shape)).astype(dtype))
    assert space.violation(projected) is None
    _same_points(space, nearest(space, projected), projected, tolerance)
    # Isometries change nothing.
    together = np.concatenate([points[:1], x])
    moved = jnp.asarray(ISOMETRIES[type(space)](together, rng).astype(dtype))
    assert space.violation(moved) is None
    near(facts(space, moved[:1].repeat(WAYS, axis=0), moved[1:])["squares"], found["squares"])


@functools.cache
def _random_point(space, seed, dtype):
    return _random(space, jax.random.key(seed))


@eqx.filter_jit
def _random(space, key):
    return space.random_points(key, 1)[0]


def _normal(rng, shape):
    return rng.normal(size=shape).astype(jnp.result_type(float))


def _same_points(space, found, expected, tolerance):
    """Of subspaces, whatever their bases are."""
    if isinstance(space, Grassmannian):
        found, expected = (np.asarray(a) @ np.asarray(a).swapaxes(1, 2) for a in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def _orthogonal(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def _rotation(rng, n):
    q = _orthogonal(rng, n)
    q[0] *= np.linalg.det(q)
    return q


def _moved_in_ball(x, rng):
    """A translation of the ball, as textbooks have it, after a rotation."""
    x = x @ _orthogonal(rng, x.shape[1])
    w = rng.normal(size=x.shape[1])
    w *= 0.5 * rng.random() / np.linalg.norm(w)
    product, square, other = x @ w, w @ w, np.sum(x * x, axis=-1)
    numerator = (1 + 2 * product + other)[:, None] * w + (1 - square) * x
    return numerator / (1 + 2 * product + square * other)[:, None]


def _congruent(x, rng):
    basis = _orthogonal(rng, x.shape[1]) * np.geomspace(0.5, 2, x.shape[1])
    x = basis @ (np.linalg.inv(x) if rng.random() < 0.5 else x) @ basis.T
    return (x + x.swapaxes(1, 2)) / 2


def _turned(x, rng):
    x = x.swapaxes(1, 2) if rng.random() < 0.5 else x
    return _rotation(rng, x.shape[1]) @ x @ _rotation(rng, x.shape[1])


#: Maps of a space that change no distance.
ISOMETRIES = {
    Euclidean: lambda x, rng: (
        (x.reshape(len(x), -1) @ _orthogonal(rng, x[0].size)).reshape(x.shape) + rng.normal()
    ),
    SPD: _congruent,
    SO: _turned,
    Grassmannian: lambda x, rng: (
        _orthogonal(rng, x.shape[1])
        @ x
        @ np.stack([_orthogonal(rng, x.shape[2]) for _ in range(len(x))])
    ),
    PoincareBall: _moved_in_ball,
    Sphere: lambda x, rng: x @ _orthogonal(rng, x.shape[1]),
    Simplex: lambda x, rng: x[:, rng.permutation(x.shape[1])],
    Product: lambda x, rng: x,
}


@pytest.mark.parametrize("space", SOME, ids=str)
@FEW
@given(example=examples)
def test_theorems_of_geometry_hold(space, example):
    with jax.enable_x64(True):
        hold(space, example, 1e-9)


@pytest.mark.nightly
@pytest.mark.parametrize("space", [*SOME, *MORE], ids=str)
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@MANY
@given(example=examples)
def test_theorems_of_geometry_hold_for_many_examples(space, double, example):
    with jax.enable_x64(double):
        hold(space, example, 1e-9 if double else 2e-3)
