"""Nine points of three classes, and models of them whose decisions tests can repeat by hand."""

import numpy as np

import protozoo as pz


RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 3)
POINTS = RNG.normal(size=(9, 4)).astype(np.float32)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 40)
OMEGA = pz.metrics.Omega(RNG.normal(size=(4, 3)).astype(np.float32))
LOCAL = pz.metrics.LocalOmega(RNG.normal(size=(9, 4, 3)).astype(np.float32))
TANGENT = pz.metrics.Tangent(np.linalg.qr(RNG.normal(size=(9, 4, 2)))[0].astype(np.float32))
RELEVANCE = pz.metrics.Relevance(np.array([0.5, -1.0, 2.0, 0.0], np.float32))


def model(metric=None, points=POINTS, labels=LABELS, loss=None, **parts) -> pz.PrototypeModel:
    metric = pz.metrics.SquaredEuclidean() if metric is None else metric
    loss = pz.losses.GLVQ() if loss is None else loss
    return pz.PrototypeModel(pz.Prototypes(points, labels), metric, loss, **parts)
