"""Where prototypes start: functions from samples to points.

Each takes the samples of one class (or all of them), how many points to choose, a random key and the space. They run
once, on the host: a dozen tiny compilations would cost more than the choice itself.
"""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import positive_integer
from .._types import Array, Float, Int, PRNGKeyArray
from ..manifolds import AbstractManifold


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key, so that host-side choices depend on the key alone."""
    data = key if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.key_data(key)
    return np.random.default_rng(np.asarray(data).ravel().tolist())


def random_samples(
    x: Float[np.ndarray, "n ..."], count: int, key: PRNGKeyArray, space: AbstractManifold
) -> Float[np.ndarray, "p ..."]:
    """`count` distinct rows of `x`, uniformly."""
    return x[np.sort(generator(key).choice(len(x), count, replace=False))]


def class_means(
    x: Float[np.ndarray, "n ..."], count: int, key: PRNGKeyArray, space: AbstractManifold
) -> Float[np.ndarray, "p ..."]:
    """The (Fréchet) mean of `x`; of several points, each is jittered so that they can separate.

    Identical prototypes have identical gradients and never part, so that points beyond the first start one tenth of the
    samples' standard deviation away from the mean, along random tangent directions.
    """
    mean = _frechet_mean(space, x)
    if count == 1:
        return mean
    spread = np.asarray(space.coordinates(jnp.asarray(mean), jnp.asarray(x))).std(axis=0)[0]
    jitter = 0.1 * spread * generator(key).normal(size=(count, space.dimension))
    jitter[0] = 0
    points = jnp.broadcast_to(jnp.asarray(mean[0]), (count, *mean.shape[1:]))
    return np.asarray(space.exp(points, jnp.asarray(jitter, mean.dtype)))


def kmeans_plus_plus(
    x: Float[np.ndarray, "n ..."], count: int, key: PRNGKeyArray, space: AbstractManifold
) -> Float[np.ndarray, "p ..."]:
    """D² seeding: each further point is a sample drawn with probability proportional to its squared distance from the
    nearest point chosen so far (Arthur & Vassilvitskii 2007). Where all samples coincide with chosen points, uniformly.
    """
    random, chosen = generator(key), []
    nearest = np.full(len(x), np.inf)
    for _ in range(count):
        total = nearest.sum()
        weights = nearest / total if np.isfinite(total) and total > 0 else np.full(len(x), 1 / len(x))
        chosen.append(random.choice(len(x), p=weights))
        nearest = np.minimum(nearest, _distances(space, x[chosen[-1]], x))
    return x[np.array(chosen)]


def _distances(space: AbstractManifold, point: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Squared distances to one point; in a flat space without compiling anything."""
    if space.flat:
        return np.sum((x - point).reshape(len(x), -1) ** 2, axis=1)
    return np.asarray(_curved_distances(space, jnp.asarray(point), jnp.asarray(x)), float)


@eqx.filter_jit
def _curved_distances(space: AbstractManifold, point: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, " n"]:
    return space.squared_distances(point[None], x)[:, 0]


def _frechet_mean(space: AbstractManifold, x: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "1 ..."]:
    """The mean of a flat space; Karcher iterations from the first sample in a curved one."""
    if space.flat:
        return x.mean(axis=0, keepdims=True)
    mean = jnp.asarray(x[:1])
    for _ in range(20):
        mean = _karcher_step(space, mean, jnp.asarray(x))
    return np.asarray(mean)


@eqx.filter_jit
def _karcher_step(space: AbstractManifold, mean: Float[Array, "1 ..."], x: Float[Array, "n ..."]) -> Float[Array, "1 ..."]:
    return space.exp(mean, space.coordinates(mean, x).mean(axis=0))


INITIALISERS = {"samples": random_samples, "means": class_means, "kmeans++": kmeans_plus_plus}


def initialise(
    x: Float[np.ndarray, "n ..."],
    y: Int[np.ndarray, " n"],
    per_class: int | Mapping[int, int],
    key: PRNGKeyArray,
    initialiser: str | Callable,
    space: AbstractManifold,
) -> tuple[Float[np.ndarray, "p ..."], Int[np.ndarray, " p"]]:
    """Points for every class in turn, and their labels; the checks that all initialisers share."""
    if isinstance(initialiser, str):
        if initialiser not in INITIALISERS:
            raise ValueError(f"`initialiser` must be one of {sorted(INITIALISERS)} or a function, got {initialiser!r}.")
        initialiser = INITIALISERS[initialiser]
    sizes = np.bincount(y)
    counts = _counts(per_class, sizes)
    points = [initialiser(x[y == k], count, jax.random.fold_in(key, k), space) for k, count in enumerate(counts)]
    return np.concatenate(points), np.repeat(np.arange(len(sizes)), counts)


def _counts(per_class: int | Mapping[int, int], sizes: np.ndarray) -> list[int]:
    classes = range(len(sizes))
    if isinstance(per_class, Mapping):
        if set(per_class) != set(classes):
            raise ValueError(f"`prototypes_per_class` must name every class 0…{len(sizes) - 1} once, got {sorted(per_class)}.")
        counts = [per_class[k] for k in classes]
    else:
        counts = [per_class for _ in classes]
    for k, count in zip(classes, counts, strict=True):
        positive_integer(count, "prototypes_per_class" if len(sizes) > 1 else "prototypes")
        if count > sizes[k]:
            owner = f"class {k} has" if len(sizes) > 1 else "there are"
            raise ValueError(f"{count} prototypes were asked for, but {owner} only {sizes[k]} samples: ask for fewer.")
    return [int(c) for c in counts]
