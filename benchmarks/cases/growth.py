"""How cost grows

Samples n, prototypes p and features d in turn, over two decades, from 5,000 samples, 10 prototypes
and 10 features (with `--quick`, far fewer): an iteration of k-means and of expectation-maximisation
(full covariances), an epoch of GLVQ and GMLVQ with all samples in one batch, and the nearest of p
labelled points for n samples. All start from the same points; data are NumPy arrays. An exponent is
the slope of log cost over log size: by least squares over both decades, and over the last one,
where fixed costs count least. Where cost grows as the arithmetic does, it is 1 for n and p; for d,
1 where features are added up, up to 2 where matrices of them are applied, and 3 where they are
factorised as well. Time is the steady state (a long fit less a short one); working memory is the
peak above what the process holds, data included, once everything is compiled.
"""

import math
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._measure import Memory, cache_compilations, gaussian_classes, milliseconds_per_epoch


CLASSES = 10
BASE = {"n": 5000, "p": 10, "d": 10}
FACTORS = (1, 3, 10, 30, 100)
REGULARISATION = 1e-2

#: The contenders of each task, and how many steps more the long fit has than the short one.
TASKS = {
    "k-means": {"protozoo": 4, "scikit-learn": 4},
    "EM": {"protozoo": 2, "scikit-learn": 2},
    "GLVQ": {"protozoo": 10, "prosemble": 10},
    "GMLVQ": {"protozoo": 4, "prosemble": 2},
    "nearest": {"protozoo": 2, "scikit-learn": 2},
}

#: Takes so many steps of a task, from the beginning.
Fit = Callable[[int], object]


def rows(quick: bool) -> dict:
    return {
        f"{task}, {axis}": {
            library: {
                "task": task,
                "library": library,
                "axis": axis,
                "base": {**BASE, "n": 1000} if quick else BASE,
                "factors": FACTORS[:3] if quick else FACTORS,
                "span": span,
            }
            for library, span in contenders.items()
        }
        for task, contenders in TASKS.items()
        for axis in BASE
    }


def measure(
    task: str, library: str, axis: str, base: dict, factors: list[int], span: int
) -> dict[str, list[float]]:
    cache_compilations()
    warnings.simplefilter("ignore")  # scikit-learn has not converged: nor is it meant to
    make = {"protozoo": protozoo, "scikit-learn": scikit_learn, "prosemble": prosemble}[library]
    found: dict[str, list[float]] = {"size": [], "ms": [], "MB": []}
    for factor in factors:
        size = {**base, axis: base[axis] * factor}
        x, y = gaussian_classes(size["n"], size["d"], CLASSES)
        each = size["p"] // CLASSES
        points = np.concatenate([x[y == k][:each] for k in range(CLASSES)])
        fit, memory = make(task, x, y, points, np.repeat(np.arange(CLASSES), each)), Memory()
        took = milliseconds_per_epoch(fit, 2, 2 + span, 3, memory)
        working = memory.megabytes()["working MB"]
        found["size"].append(size[axis])
        found["ms"].append(took)
        found["MB"].append(math.nan if working is None else working)
    return found


def protozoo(
    task: str, x: np.ndarray, y: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> Fit:
    import jax

    import protozoo as pz

    metrics, losses = pz.metrics, pz.losses
    adam, alternate = pz.GradientDescent("adam", 0.01), pz.AlternatingOptimization()
    metric, loss, rule = {
        "k-means": lambda: (metrics.SquaredEuclidean(), losses.HardClustering(), alternate),
        "EM": lambda: (
            metrics.Mahalanobis.from_covariances(covariances(x, len(points)), REGULARISATION),
            losses.Mixture.uniform(len(points)),
            alternate,
        ),
        "GLVQ": lambda: (metrics.SquaredEuclidean(), losses.GLVQ(), adam),
        "GMLVQ": lambda: (metrics.Omega.identity(x.shape[1]), losses.GLVQ(), adam),
        "nearest": lambda: (metrics.SquaredEuclidean(), losses.GLVQ(), adam),
    }[task]()
    prototypes = pz.Prototypes(points, labels if loss.supervised else None)
    model = pz.PrototypeModel(prototypes, metric, loss)

    def fit(steps: int) -> None:
        result = pz.Trainer(rule, steps).fit(model, x, y if loss.supervised else None, key=0)
        jax.block_until_ready(result.model.prototypes.points)
        assert result.epochs == steps, result.reason

    return repeated(lambda: np.asarray(model.predict(x))) if task == "nearest" else fit


def scikit_learn(
    task: str, x: np.ndarray, y: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> Fit:
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KNeighborsClassifier

    p = len(points)
    if task == "nearest":
        nearest = KNeighborsClassifier(1, algorithm="brute").fit(points, labels)
        return repeated(lambda: nearest.predict(x))
    if task == "k-means":
        start: dict[str, Any] = {"init": points, "n_init": 1, "tol": 0, "algorithm": "lloyd"}
        return lambda steps: KMeans(p, max_iter=steps, **start).fit(x)
    precisions = np.linalg.inv(covariances(x, p))
    return lambda steps: GaussianMixture(
        p,
        tol=0.0,
        reg_covar=REGULARISATION,
        max_iter=steps,
        init_params="random_from_data",
        weights_init=np.full(p, 1 / p, np.float32),
        means_init=points,
        precisions_init=precisions,
    ).fit(x)


def prosemble(
    task: str, x: np.ndarray, y: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> Fit:
    import jax
    from prosemble import models

    def fit(steps: int) -> None:
        model = getattr(models, task)(
            n_prototypes_per_class=len(points) // CLASSES, max_iter=steps, lr=0.01, epsilon=0.0
        )
        model.fit(x, y, initial_prototypes=points, initial_labels=labels)
        jax.block_until_ready(model.prototypes_)

    return fit


def repeated(ask: Callable[[], object]) -> Fit:
    return lambda times: [ask() for _ in range(times)]


def covariances(x: np.ndarray, p: int) -> np.ndarray:
    return np.broadcast_to(np.cov(x.T), (p, x.shape[1], x.shape[1])).astype(np.float32)


def exponent(sizes: list[float], costs: list[float]) -> str:
    """The slope; none where a cost was too small to be seen."""
    if not all(cost > 0 for cost in costs):
        return ""
    return f"{np.polyfit(np.log(sizes), np.log(costs), 1)[0]:.2f}"


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each contender of each row."""
    lines = []
    for row, taken in samples.items():
        for library, repeats in taken.items():
            known = [s for s in repeats if s]
            if not known:
                lines.append([row, library, "not measured", *[""] * 5])
                continue
            sizes = known[0]["size"]
            cells = [f"{sizes[-1]:,}"]
            for cost in ("ms", "MB"):
                typical = [
                    statistics.median(each) for each in zip(*(s[cost] for s in known), strict=True)
                ]
                end = [exponent(sizes[-3:], typical[-3:]), f"{typical[-1]:,.3g}"]
                cells += ([exponent(sizes, typical)] if cost == "ms" else []) + end
            lines.append([row, library, *cells])
    time = ["exponent of time", "last decade", "ms"]
    return ["", "", "up to", *time, "exponent of memory, last decade", "MB"], lines
