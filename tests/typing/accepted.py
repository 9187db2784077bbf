"""Typed code of a user, which pyright and mypy accept at their strictest."""

from typing import assert_type

import jax
import jax.numpy as jnp
import numpy as np

import protozoo as pz
from protozoo.types import Array, Float, Labels, PerSample, Samples, Scalar, Scores


x = np.random.default_rng(0).normal(size=(60, 4))
y = np.arange(60) % 3
key = jax.random.key(0)


def accuracy(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """A metric of one's own."""
    return jnp.sum(weight * (jnp.argmax(scores, axis=1) == y)) / jnp.sum(weight)


def halved(x: Samples) -> Samples:
    """A function of samples."""
    return x / 2


def composed(x: Array, y: Array, *, key: Array, rank: int = 2) -> pz.PrototypeModel:
    """A model of one's own."""
    prototypes = pz.Prototypes(x[:3], [0, 1, 2])
    return pz.PrototypeModel(prototypes, pz.metrics.Omega.identity(4, rank), pz.losses.GLVQ())


# A row and what its options are.
model = pz.zoo.GMLVQ(x, y, key=key, prototypes_per_class={0: 1, 1: 2, 2: 1}, latent_dim=2)
assert_type(model, pz.PrototypeModel)
assert_type(pz.zoo.HCM(x, key=0, prototypes=3), pz.PrototypeModel)
assert_type(pz.zoo.SVDD(x, key=0), pz.PrototypeModel)
print(pz.zoo.GMLVQ.citation, pz.zoo.GMLVQ.trainer(epochs=3).epochs)

# What is fitted is of the kind that was given.
fit = pz.fit("GLVQ", x, y, epochs=5)
assert_type(fit.model, pz.PrototypeModel)
trainer = pz.Trainer(
    pz.GradientDescent("adam", 1e-2), 10, batch_size=8, metrics=["log_loss", accuracy]
)
trained = trainer.fit(model, x, y, key=key, validation=(x, y))
assert_type(trained.model, pz.PrototypeModel)
network = pz.networks.RecurrentNetwork.layered((4, 6, 3), key=0)
assert_type(trainer.fit(network, x, y, key=0).model, pz.networks.RecurrentNetwork)
losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = trained.history["loss"]

# Answers.
scores: Float[Array, "n c"] = fit.model(halved(model.prototypes.points))
labels: Labels = fit.model.predict(x)

# How well it does.
found = pz.evaluate(fit.model, x, y)
assert_type(found.accuracy, float)
comparison = pz.compare(["GLVQ", pz.zoo.GMLVQ, composed], x, y, epochs=5, rule=trainer.rule)
assert_type(comparison.best, str)
assert_type(pz.cross_validate("GLVQ", x, y).mean, float)
