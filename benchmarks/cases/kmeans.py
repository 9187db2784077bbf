"""k-means

16 features, 32 clusters that overlap, float32 (with `--quick`, far fewer samples). An iteration:
the same samples as centres to start from, no early end, a long fit less a short one divided by the
iterations between them; scikit-learn's is Lloyd's. A clustering: ten starts by D² seeding, all of
them to the end, once everything is compiled, and the mean squared distance that is left.
"""

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._measure import cache_compilations, gaussian_classes, milliseconds_per_epoch, seconds


COLUMNS = ("ms", "mean square")
COMPARED = ("ms",)

CLUSTERS, FEATURES = 32, 16
LIBRARIES = ("protozoo", "scikit-learn")


def rows(quick: bool) -> dict:
    sizes = {"iteration": (100_000, 1_000_000), "ten starts": (20_000, 100_000)}
    return {
        f"{task}, {n:,} samples": {
            library: {"task": task, "library": library, "n": n} for library in LIBRARIES
        }
        for task, all_sizes in sizes.items()
        for n in ((2000,) if quick else all_sizes)
    }


def measure(task: str, library: str, n: int) -> dict[str, float]:
    cache_compilations()
    warnings.simplefilter("ignore")  # scikit-learn has not converged: nor is it meant to
    x, _ = gaussian_classes(n, FEATURES, CLUSTERS, spread=1.0)
    make = {"protozoo": protozoo, "scikit-learn": scikit_learn}[library]
    fit = make(x, x[:CLUSTERS] if task == "iteration" else None)
    if task == "iteration":
        took = milliseconds_per_epoch(fit, 2, 12, 3)
        return {"ms": took, "mean square": mean_square(x, fit(12))}
    centres = fit(300)
    took = 1e3 * statistics.median(seconds(fit, 300) for _ in range(3))
    return {"ms": took, "mean square": mean_square(x, centres)}


def protozoo(x: np.ndarray, start: np.ndarray | None) -> Callable[[int], np.ndarray]:
    import jax

    import protozoo as pz

    samples = jax.block_until_ready(jax.device_put(x))
    if start is None:
        return lambda iterations: np.asarray(
            pz.fit(
                "KMeans", samples, key=0, prototypes=CLUSTERS, epochs=iterations, restarts=10
            ).model.prototypes.points
        )
    model = pz.PrototypeModel(
        pz.Prototypes(start), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )

    def fit(iterations: int) -> np.ndarray:
        result = pz.Trainer(pz.AlternatingOptimization(), iterations).fit(model, samples, key=0)
        assert result.epochs == iterations, result.reason
        return np.asarray(result.model.prototypes.points)

    return fit


def scikit_learn(x: np.ndarray, start: np.ndarray | None) -> Callable[[int], np.ndarray]:
    from sklearn.cluster import KMeans

    options: dict[str, Any] = (
        {"n_init": 10, "random_state": 0}
        if start is None
        else {"init": start, "n_init": 1, "tol": 0}
    )

    def fit(iterations: int) -> np.ndarray:
        found = KMeans(CLUSTERS, max_iter=iterations, algorithm="lloyd", **options).fit(x)
        assert start is None or found.n_iter_ == iterations
        return found.cluster_centers_

    return fit


def mean_square(x: np.ndarray, centres: np.ndarray) -> float:
    some = x[:20_000].astype(float)
    squares = (some**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * some @ centres.T
    return float(squares.min(axis=1).mean())
