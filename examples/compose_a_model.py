"""A model without a name: composed, trained, partly frozen, saved and loaded.

The parts are a neural network of the user's own, a learned projection in a Gaussian kernel, and
robust soft learning with neural-gas cooperation. None of them knows the others.
"""

import tempfile
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import protozoo as pz


x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, stratify=y, random_state=0)
keys = jax.random.split(jax.random.key(0), 3)

encoder = eqx.nn.MLP(
    in_size=64, out_size=16, width_size=64, depth=1, activation=jax.nn.tanh, key=keys[0]
)

# Prototypes are images: they go through the encoder like every sample (`encode_prototypes`).
prototypes = pz.Prototypes.from_classes(x, y, per_class=2, key=keys[1], initialiser="means")
metric = pz.metrics.GaussianKernel.with_bandwidths(
    pz.metrics.Omega.identity(16, 8), np.ones(len(prototypes))
)
loss = pz.losses.RSLVQ(variance=0.1, cooperation=pz.RankCooperation(pz.Exponential(4.0, 0.5)))
model = pz.PrototypeModel(prototypes, metric, loss, encoder, encode_prototypes=True)


def accuracy(model: pz.PrototypeModel) -> float:
    """On the held-out images."""
    return float(np.mean(np.asarray(model.predict(x_test)) == y_test))


print(f"untrained:                    {accuracy(model):.3f}")

# First the prototypes and the metric, the encoder frozen; then everything, with a smaller learning
# rate.
first = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), epochs=10, batch_size=64, freeze="encoder")
fit = first.fit(model, x, y, key=keys[2])
assert eqx.tree_equal(fit.model.encoder, model.encoder)
print(f"prototypes and metric:        {accuracy(fit.model):.3f}")

second = pz.Trainer(
    pz.GradientDescent(optax.adam(3e-3)),
    epochs=30,
    batch_size=64,
    stopping=pz.Stopping(patience=10),
    restore_best=True,
)
fit = second.fit(fit.model, x, y, key=keys[2], validation=(x_test, y_test))
print(f"everything, {fit.epochs} epochs ({fit.reason}): {accuracy(fit.model):.3f}")
assert accuracy(fit.model) > 0.9

with tempfile.TemporaryDirectory() as directory:
    pz.save(Path(directory) / "model", fit.model)
    loaded = pz.load(Path(directory) / "model")
assert (loaded.predict(x_test) == fit.model.predict(x_test)).all()
print("saved, loaded: the same predictions")
