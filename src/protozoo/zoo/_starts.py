"""Starts that are fits themselves: the centres of a finished clustering."""

import functools
from collections.abc import Callable

import numpy as np

from .._statistics import blocks
from .._types import Float, PRNGKeyArray
from ..losses import AbstractLoss, Fuzzy, HardClustering
from ..manifolds import AbstractManifold
from ..metrics import SquaredEuclidean
from ..models import PrototypeModel
from ..prototypes import Prototypes, greedy_kmeans_plus_plus
from ..prototypes.internal import INITIALISERS, generator
from ..training import AlternatingOptimization, Stopping, Trainer


#: The most updates of a start: what follows goes on from there.
UPDATES = 100
#: How many samples a start looks at, at most.
SAMPLES = 2**16


def clustered(
    loss: Callable[[], AbstractLoss],
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    units: Float[np.ndarray, "..."] | float = 1.0,
) -> Float[np.ndarray, "p ..."]:
    """The centres of a clustering by `loss` in the geometry of the space, from D² seeding; of very
    many samples, of some."""
    if len(x) > SAMPLES:
        # As good, and in no memory, with a few twice.
        some = np.sort(generator(key).integers(len(x), size=SAMPLES))
        x, weight = x[some], None if weight is None else weight[some]
    seeds = greedy_kmeans_plus_plus(x, count, key, space, weight=weight, units=units)
    if space.displacement_is_difference:
        # In the precision of the samples.
        scales = np.asarray(units, seeds.dtype)
        seeds, x = seeds / scales, x / scales
    model = PrototypeModel(Prototypes(seeds, None, space), SquaredEuclidean(), loss())
    trainer = Trainer(AlternatingOptimization(), UPDATES, stopping=Stopping(tolerance=0.0))
    points = np.asarray(
        trainer.fit(model, x, key=key, sample_weight=weight).model.prototypes.points
    )
    return points * units if space.displacement_is_difference else points


def random_responsibilities(
    x: Float[np.ndarray, "n ..."],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "p ..."]:
    """Means of the samples, each shared at random by all: points near the mean of the data.

    **Raises:** `ValueError` in a curved space, where such means have no closed form.
    """
    if not space.displacement_is_difference:
        raise ValueError(
            "`initialiser`: random responsibilities need a flat space; choose 'kmeans++'."
        )
    random, total = generator(key), np.zeros(count)
    sums = np.zeros((count, *x.shape[1:]))
    for rows in blocks(x):
        some = np.asarray(x[rows], float)
        share = random.random((len(some), count))
        share = share / share.sum(axis=1, keepdims=True)
        share = share if weight is None else share * weight[rows, None]
        total += share.sum(axis=0)
        sums += np.tensordot(share, some, (0, 0))
    return (sums / total.reshape(-1, *[1] * (sums.ndim - 1))).astype(
        np.promote_types(x.dtype, np.float32)
    )


#: The starts of the zoo by their names.
STARTS = {
    **INITIALISERS,
    "kmeans": functools.partial(clustered, HardClustering),
    "fcm": functools.partial(clustered, Fuzzy),
    "responsibilities": random_responsibilities,
}
