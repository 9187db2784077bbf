"""k-means and fuzzy c-means

16 features, 32 clusters that overlap, float32 (with `--quick`, far fewer samples). An iteration:
the same samples as centres to start from, no early end, a long fit less a short one divided by the
iterations between them; scikit-learn's is Lloyd's. A clustering: ten starts by D² seeding, all of
them to the end, once everything is compiled, and the mean squared distance that is left. A fuzzy
iteration is one of fuzzy c-means with m = 2; prosemble starts from memberships of its own.
"""

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._measure import (
    cache_compilations,
    contenders,
    gaussian_classes,
    milliseconds_per_epoch,
    seconds,
)


CLUSTERS, FEATURES = 32, 16
#: Beside whom, and with how many samples.
TASKS = {
    "iteration": ("scikit-learn", (100_000, 1_000_000)),
    "ten starts": ("scikit-learn", (20_000, 100_000)),
    "fuzzy iteration": ("prosemble", (100_000,)),
}


def rows(quick: bool) -> dict:
    return {
        f"{task}, {n:,} samples": {
            library: {"task": task, "library": library, "n": n} for library in ("protozoo", other)
        }
        for task, (other, sizes) in TASKS.items()
        for n in ((20_000,) if quick else sizes)
    }


def measure(task: str, library: str, n: int) -> dict[str, float]:
    cache_compilations()
    warnings.simplefilter("ignore")  # scikit-learn has not converged: nor is it meant to
    x, _ = gaussian_classes(n, FEATURES, CLUSTERS, spread=1.0)
    make = {"protozoo": protozoo, "scikit-learn": scikit_learn, "prosemble": prosemble}[library]
    fit = make(x, task)
    if task != "ten starts":
        # Some of another library's fits take seconds, whatever their number of iterations.
        most = 102 if task == "fuzzy iteration" else 12
        took = milliseconds_per_epoch(fit, 2, most, 3)
        return {"ms": took, "mean square": mean_square(x, fit(most))}
    centres = fit(300)
    took = 1e3 * statistics.median(seconds(fit, 300) for _ in range(3))
    return {"ms": took, "mean square": mean_square(x, centres)}


def protozoo(x: np.ndarray, task: str) -> Callable[[int], np.ndarray]:
    import jax

    import protozoo as pz

    samples = jax.block_until_ready(jax.device_put(x))
    if task == "ten starts":
        return lambda iterations: np.asarray(
            pz.fit(
                "KMeans", samples, key=0, prototypes=CLUSTERS, epochs=iterations, restarts=10
            ).model.prototypes.points
        )
    loss = pz.losses.Fuzzy() if task == "fuzzy iteration" else pz.losses.HardClustering()
    model = pz.PrototypeModel(pz.Prototypes(x[:CLUSTERS]), pz.metrics.SquaredEuclidean(), loss)

    def fit(iterations: int) -> np.ndarray:
        result = pz.Trainer(pz.AlternatingOptimization(), iterations).fit(model, samples, key=0)
        assert result.epochs == iterations, result.reason
        return np.asarray(result.model.prototypes.points)

    return fit


def scikit_learn(x: np.ndarray, task: str) -> Callable[[int], np.ndarray]:
    from sklearn.cluster import KMeans

    options: dict[str, Any] = (
        {"n_init": 10, "random_state": 0}
        if task == "ten starts"
        else {"init": x[:CLUSTERS], "n_init": 1, "tol": 0}
    )

    def fit(iterations: int) -> np.ndarray:
        found = KMeans(CLUSTERS, max_iter=iterations, algorithm="lloyd", **options).fit(x)
        assert task == "ten starts" or found.n_iter_ == iterations
        return found.cluster_centers_

    return fit


def prosemble(x: np.ndarray, task: str) -> Callable[[int], np.ndarray]:
    from prosemble import models

    def fit(iterations: int) -> np.ndarray:
        found = models.FCM(CLUSTERS, max_iter=iterations, epsilon=1e-30)
        found.fit(x)
        assert found.n_iter_ == iterations
        return np.asarray(found.centroids_)

    return fit


def mean_square(x: np.ndarray, centres: np.ndarray) -> float:
    some = x[:20_000].astype(float)
    squares = (some**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * some @ centres.T
    return float(squares.min(axis=1).mean())


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    return contenders(samples, "ms", "mean square")
