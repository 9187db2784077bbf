"""One algorithm, four textbooks: k-means, fuzzy c-means, neural gas and a Gaussian mixture differ
in a loss."""

import jax
import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import protozoo as pz


x, y = load_iris(return_X_y=True)

for name in ("HCM", "FCM", "NeuralGas", "GaussianMixture"):
    fit = pz.fit(name, x, key=jax.random.key(1), prototypes=3)
    score = adjusted_rand_score(y, np.asarray(fit.model.predict(x)))
    print(
        f"{name:<16} {fit.epochs:>3} epochs ({fit.reason}), objective "
        f"{fit.history['loss'][-1]:.4f}, adjusted Rand {score:.3f}"
    )
    assert score > 0.6
