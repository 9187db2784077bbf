"""Where prototypes start: functions from samples to points.

Each takes the samples of one class (or all of them), how many points to choose, a random key, the
space, and the weights of the samples, unless they are all equal. They run once, on the host: a
dozen tiny compilations would cost more than the choice itself.
"""

import inspect
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_weights, on_device, positive_integer, refuse_nonfinite
from .._keys import fold_in
from .._statistics import blocks, mean_and_variance, present, shares
from .._types import ArrayLike, Float, Int, PRNGKeyArray
from ..manifolds import (
    AbstractManifold,
    curved_coordinates,
    curved_squares,
    curved_walk,
    karcher_mean,
)


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key, so that host-side choices depend on the key alone."""
    data = key if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.key_data(key)
    return np.random.default_rng(np.asarray(data).ravel().tolist())


def random_samples(
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "p ..."]:
    """`count` distinct rows of `x`, one after the other with probabilities proportional to their
    weights."""
    probability = None if weight is None else shares(len(x), weight)
    return x[np.sort(generator(key).choice(len(x), count, replace=False, p=probability))]


def class_means(
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "p ..."]:
    """The (Fréchet) mean of `x`; of several points, each is jittered so that they can separate.

    Identical prototypes have identical gradients and never part, so that points beyond the first
    start one tenth of the samples' standard deviation away from the mean, along random tangent
    directions.
    """
    if count == 1:
        return _like(x, karcher_mean(space, x, weight).point[None])
    # The first one stays where it is.
    jitter = (
        0.1
        * generator(key).normal(size=(count, space.coordinate_size))
        * (np.arange(count) > 0)[:, None]
    )
    if space.displacement_is_difference:
        centre, variances = mean_and_variance(x, weight)
        around = centre + (jitter * np.sqrt(variances).ravel()).reshape(count, *centre.shape)
        return np.asarray(space.project(on_device(_like(x, around))))
    centre = karcher_mean(space, x, weight).point[None]
    coordinates = curved_coordinates(space, centre, x)
    _, variances = mean_and_variance(coordinates, weight)
    return curved_walk(space, np.repeat(centre, count, axis=0), jitter * np.sqrt(variances))


def kmeans_plus_plus(
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    units: Float[np.ndarray, "..."] | float = 1.0,
    candidates: int = 1,
) -> Float[np.ndarray, "p ..."]:
    """D² seeding: each further point is a sample drawn with probability proportional to its weight
    times its squared distance from the nearest point chosen so far (Arthur & Vassilvitskii 2007);
    of several `candidates`, the one that leaves the smallest squared distances. Where all samples
    coincide with chosen points, by their weights. In a flat space, distances may be in `units` of
    the features.
    """
    random, chosen = generator(key), []
    share = np.broadcast_to(1.0, len(x)) if weight is None else weight / weight.max()
    nearest, mass = np.full(len(x), np.inf), share
    for step in range(count):
        drawn = [
            _drawn(mass if mass.any() else share, random) for _ in range(candidates if step else 1)
        ]
        trials = _squares(space, x[np.array(drawn)], x, units)
        np.minimum(trials, nearest, out=trials)
        left = trials.sum(axis=1) if weight is None else trials @ share
        best = int(np.argmin(left))
        # A copy, so that the others are not held until the next step has its own.
        nearest = trials[best].copy() if len(drawn) > 1 else trials[0]
        del trials
        chosen.append(drawn[best])
        mass = nearest if weight is None else share * nearest
    return x[np.array(chosen)]


def greedy_kmeans_plus_plus(
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    units: Float[np.ndarray, "..."] | float = 1.0,
) -> Float[np.ndarray, "p ..."]:
    """D² seeding by the best of 2 + ⌊log p⌋ candidates for each point: dearer, and rarely two
    points in one cluster."""
    return kmeans_plus_plus(
        x, count, key, space, weight=weight, units=units, candidates=2 + int(np.log(count))
    )


def _drawn(mass: Float[np.ndarray, " n"], random: np.random.Generator) -> int:
    """An index, as probable as its mass."""
    reached = np.cumsum(mass)
    return min(
        int(np.searchsorted(reached, random.random() * reached[-1], side="right")), len(mass) - 1
    )


def _squares(
    space: AbstractManifold, points: np.ndarray, x: np.ndarray, units: np.ndarray | float
) -> Float[np.ndarray, "t n"]:
    """Squared distances of samples from a few of them; in a flat space without compiling anything,
    in double precision, and exact whatever the unit is."""
    if not space.displacement_is_difference:
        each = [curved_squares(space, point[None], x)[:, 0] for point in points]
        return np.stack(each).astype(np.float64)
    reference = points[0].astype(np.float64)

    def seen(some: np.ndarray) -> Float[np.ndarray, "m d"]:
        apart = some - reference
        apart /= units
        return apart.reshape(len(some), -1)

    squares, w = np.empty((len(points), len(x))), seen(points)
    norms = np.einsum("td,td->t", w, w)[:, None]
    for rows in blocks(x):
        v = seen(x[rows])
        terms = norms + np.einsum("nd,nd->n", v, v)
        found = terms - 2 * w @ v.T
        # Of what is nearly nothing beside its terms, few digits are left.
        t, n = np.nonzero(found <= 2.0**-30 * terms)
        apart = v[n] - w[t]
        found[t, n] = np.einsum("md,md->m", apart, apart)
        squares[:, rows] = found
    return squares


def _like(x: np.ndarray, points: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """`points` in the precision of the samples; of samples that are no floats of 32 bits, in one
    that holds them."""
    return points.astype(np.promote_types(x.dtype, np.float32))


INITIALISERS = {
    "samples": random_samples,
    "means": class_means,
    "kmeans++": kmeans_plus_plus,
    "greedy kmeans++": greedy_kmeans_plus_plus,
}


def initialise(
    x: Float[np.ndarray, "n ..."],
    y: Int[np.ndarray, " n"],
    per_class: int | Mapping[int, int],
    key: PRNGKeyArray,
    initialiser: str | Callable,
    space: AbstractManifold,
    sample_weight: ArrayLike | None,
    name: str,
    known: Mapping[str, Callable] = INITIALISERS,
) -> tuple[Float[np.ndarray, "p ..."], Int[np.ndarray, " p"]]:
    """Points for every class in turn, and their labels; the checks that all initialisers share.
    `name` is how the caller's users know `per_class`, `known` are the initialisers that have a
    name."""
    choose = known.get(initialiser) if isinstance(initialiser, str) else initialiser
    if choose is None:
        raise ValueError(
            f"`initialiser` must be one of {sorted(known)} or a function, got {initialiser!r}."
        )
    if not callable(choose) or isinstance(choose, type):
        raise TypeError(
            f"`initialiser` must be one of {sorted(known)} or a function, got {initialiser!r}."
        )
    weight = as_weights(sample_weight, len(x))
    sizes = np.bincount(y[weight > 0], minlength=int(y.max()) + 1)
    counts, weighs = _counts(per_class, sizes, bool(weight.all()), name), _takes_weight(choose)

    def of_class(k: int, count: int) -> Float[np.ndarray, "m ..."]:
        own = (y == k) & (weight > 0)
        # All samples of a single class are not copied, and of several classes one at a time.
        group = (weight, x) if own.all() else (weight[own], x[own])
        group_weight, samples, _ = present(*group)
        options = {} if group_weight is None or not weighs else {"weight": group_weight}
        points = choose(samples, count, fold_in(key, k), space, **options)
        if np.shape(points) != (wanted := (count, *x.shape[1:])):
            raise ValueError(
                f"`initialiser` must return points of shape {wanted}, got {np.shape(points)}."
            )
        refuse_nonfinite(points, "initialiser(x)")
        return points

    points = [of_class(k, count) for k, count in enumerate(counts)]
    return np.concatenate(points), np.repeat(np.arange(len(sizes)), counts)


def _takes_weight(initialiser: Callable) -> bool:
    try:
        return "weight" in inspect.signature(initialiser).parameters
    except ValueError:  # built into an extension, where signatures are not known
        return False


def _counts(
    per_class: int | Mapping[int, int], sizes: np.ndarray, all_count: bool, name: str
) -> list[int]:
    classes = range(len(sizes))
    if isinstance(per_class, Mapping):
        if set(per_class) != set(classes):
            raise ValueError(
                f"`{name}` must name every class 0…{len(sizes) - 1} once, got {list(per_class)}."
            )
        counts = [per_class[k] for k in classes]
    else:
        counts = [per_class for _ in classes]
    for k, count in zip(classes, counts, strict=True):
        positive_integer(count, name)
        if count > sizes[k]:
            owner = f"class {k} has" if len(sizes) > 1 else "there are"
            kind = "samples" if all_count else "samples of a weight above zero"
            raise ValueError(
                f"`{name}` asks for {count} prototypes, but {owner} only {sizes[k]} {kind} in `x`: "
                "ask for fewer."
            )
    return [int(c) for c in counts]
