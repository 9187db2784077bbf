"""Signals classified by their covariance matrices, in the geometry of positive definite matrices.

`Omega` on SPD(n) is Riemannian GMLVQ: the parts of the flat models, in another space.
"""

import jax
import numpy as np

import protozoo as pz


def signals(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of three channels; the classes differ in how channels are coupled, and windows in
    their gain."""
    y = rng.integers(0, 3, count)
    couplings = np.stack(
        [np.eye(3), np.eye(3) + 0.8 * np.eye(3, k=1), np.eye(3) + 0.8 * np.eye(3, k=2)]
    )
    windows = (
        rng.normal(size=(count, 40, 3)) @ couplings[y] * rng.lognormal(0, 0.5, size=(count, 1, 1))
    )
    return np.einsum("nti,ntj->nij", windows, windows) / 40, y


rng = np.random.default_rng(0)
(x, y), (x_test, y_test) = signals(rng, 300), signals(rng, 300)

accuracies = {}
for name in ("GLVQ", "RiemannianSRNG", "RiemannianSMNG"):
    space = pz.manifolds.Euclidean((3, 3)) if name == "GLVQ" else pz.manifolds.SPD(3)
    fit = pz.fit(name, x, y, key=jax.random.key(0), prototypes_per_class=2, epochs=100, space=space)
    accuracies[name] = float(np.mean(np.asarray(fit.model.predict(x_test)) == y_test))
    print(f"{name:<15} accuracy {accuracies[name]:.3f}")
assert accuracies["RiemannianSMNG"] > accuracies["GLVQ"]
