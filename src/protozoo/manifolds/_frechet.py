"""Means in curved spaces, and what the host asks a space about, each compiled once for each
shape."""

from typing import NamedTuple

import equinox as eqx
import numpy as np

from .._checks import here, of_kinds, positive_integer, present_samples, samples_of_host
from .._statistics import mean, mean_and_variance
from .._types import Array, ArrayLike, Float, Num
from ._base import AbstractManifold
from ._constraint import limited


#: Of so many samples, the one that is nearest to all others is where the search for a mean begins.
CANDIDATES = 8


class FrechetMean(NamedTuple):
    """The point with the least sum of squared distances to samples, and how well it is known.

    - `point`: of shape `(*point_shape,)`.
    - `converged`: whether the samples' displacements from it cancel, but for rounding.
    - `steps`: how many were taken.
    - `residual`: the length of their mean displacement, in units of the samples' spread.
    - `reason`: why it ended, in words, and what could be done.
    """

    point: Float[np.ndarray, "..."]
    converged: bool
    steps: int
    residual: float
    reason: str


@of_kinds
def frechet_mean(
    space: AbstractManifold,
    x: Float[ArrayLike, "n ..."],
    sample_weight: Num[ArrayLike, " n"] | None = None,
    *,
    steps: int = 50,
) -> FrechetMean:
    """The Fréchet mean of samples: \\(\\arg\\min_w \\sum_i a_i d^2(w, x_i)\\).

    By Karcher's iteration: the mean displacement is walked from where one is, half as far after
    every step that would make the sum larger. In spaces without positive curvature there is one
    mean; in others there may be several, unless all samples are less than half the injectivity
    radius away from it.

    **Arguments:**

    - `space`, `x`: samples `(n, *point_shape)` of a space.
    - `sample_weight`: how many copies of each there are, `(n,)`.
    - `steps`: how many are taken, at most.

    **Returns:** the mean, and whether it converged, with the reason.

    **Raises:** `ValueError` for samples that are no points of the space.
    """
    positive_integer(steps, "steps")
    weight, x, _ = present_samples(samples_of_host(x, space.point_shape), sample_weight)
    if violation := space.violation(x):
        raise ValueError(f"`x` does not lie in {space}: {violation}")
    return karcher_mean(space, x, None if weight is None else weight / weight.max(), steps)


def karcher_mean(
    space: AbstractManifold,
    x: Float[np.ndarray, "n ..."],
    weight: Float[np.ndarray, " n"] | None,
    steps: int = 50,
) -> FrechetMean:
    """The same of samples that have been looked at."""
    if space.displacement_is_difference:
        return FrechetMean(mean(x, weight), True, 1, 0.0, "it is the arithmetic mean")
    eps = float(np.finfo(x.dtype).eps)
    centre = best = _start(space, x, weight)
    rate, cost, residual, step, taken = 1.0, np.inf, np.inf, np.zeros(()), 0
    while True:
        coordinates = np.asarray(curved_coordinates(space, centre, x), float)[:, 0]
        there = float(np.average(np.sum(coordinates**2, axis=1), weights=weight))
        settled = False
        if there > cost * (1 + 1e3 * eps):
            rate /= 2
        else:
            step, _ = mean_and_variance(coordinates, weight)
            length = float(np.linalg.norm(step)) / there**0.5 if there > 0 else 0.0
            # Steps that are rounding do not get shorter any more.
            settled = length <= eps or (length <= 64 * eps and length >= residual)
            best, cost, residual = centre, min(cost, there), min(length, residual)
        if settled or taken == steps:
            break
        centre, taken = curved_walk(space, best, rate * step[None]), taken + 1
    radius = float(np.sqrt(np.max(np.sum(coordinates**2, axis=1))))
    converged = residual <= 1e3 * eps
    return FrechetMean(
        best[0], converged, taken, residual, _reason(space, converged, taken, residual, radius)
    )


def _start(
    space: AbstractManifold, x: np.ndarray, weight: np.ndarray | None
) -> Float[np.ndarray, "1 ..."]:
    if np.isinf(space.injectivity_radius):
        return x[:1]
    some = x[np.linspace(0, len(x) - 1, min(len(x), CANDIDATES)).astype(int)]
    squares = np.asarray(curved_squares(space, some, x), float)
    return some[np.argmin(np.average(squares, axis=0, weights=weight))][None]


def _reason(
    space: AbstractManifold, converged: bool, steps: int, residual: float, radius: float
) -> str:
    if not converged:
        return (
            f"after {steps} steps, the mean displacement is still {residual:.2g} of the spread: "
            "give it more `steps`, or 64 bits, if it does not shrink"
        )
    if radius >= space.injectivity_radius / 2:
        return (
            f"converged in {steps} steps; samples are up to {radius:.3g} away, more than half the "
            f"injectivity radius of {space.injectivity_radius:.3g}, so that it may be one of "
            "several means"
        )
    return f"converged in {steps} steps"


def curved_squares(
    space: AbstractManifold, points: Float[ArrayLike, "p ..."], x: Float[ArrayLike, "n ..."]
) -> Float[np.ndarray, "n p"]:
    """Squared distances, by one compiled program for each shape."""
    return np.asarray(_squares(space, here(points), here(x)))


@eqx.filter_jit
def _squares(
    space: AbstractManifold, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
) -> Float[Array, "n p"]:
    return space.squared_distances(points, x)


def curved_coordinates(
    space: AbstractManifold, points: Float[ArrayLike, "p ..."], x: Float[ArrayLike, "n ..."]
) -> Float[np.ndarray, "n p k"]:
    """Coordinates, likewise."""
    return np.asarray(_coordinates(space, here(points), here(x)))


@eqx.filter_jit
def _coordinates(
    space: AbstractManifold, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
) -> Float[Array, "n p k"]:
    return space.coordinates(points, x)


def curved_walk(
    space: AbstractManifold, points: Float[np.ndarray, "p ..."], steps: Float[np.ndarray, "p k"]
) -> Float[np.ndarray, "p ..."]:
    """Points after steps, which are no longer than the space allows, likewise."""
    return np.asarray(_walked(space, here(points), here(steps.astype(points.dtype))))


@eqx.filter_jit
def _walked(
    space: AbstractManifold, points: Float[Array, "p ..."], steps: Float[Array, "p k"]
) -> Float[Array, "p ..."]:
    return space.exp(points, limited(space, steps))
