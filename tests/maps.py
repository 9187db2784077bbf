"""Maps that several tests try, and data for them."""

import numpy as np

import protozoo as pz


def som(
    points: np.ndarray, cooperation: pz.cooperation.AbstractCooperation, metric=None
) -> pz.PrototypeModel:
    metric = pz.metrics.SquaredEuclidean() if metric is None else metric
    return pz.PrototypeModel(pz.Prototypes(points), metric, pz.losses.Cooperative(cooperation))


def growing(x: np.ndarray, capacity: int = 12, **parts) -> pz.PrototypeModel:
    start = np.asarray(x)[np.r_[0, 1, np.zeros(capacity - 2, int)]]
    graph = pz.cooperation.GraphCooperation.of_edges(np.zeros((0, 2), int), 2, 0.1, capacity)
    metric = parts.pop("metric", pz.metrics.SquaredEuclidean())
    return pz.PrototypeModel(
        pz.Prototypes(start, None, parts.pop("space", None)), metric, pz.losses.Cooperative(graph)
    )


def rings() -> np.ndarray:
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 600), np.where(np.arange(600) % 2, 1.0, 3.0)
    return (
        np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        + 0.1 * rng.normal(size=(600, 2))
    ).astype("f")
