"""An encoder learned on five digits serves the other five, of which only a few images are labelled.

A network is trained on the digits 0-4 as part of a model, frozen and given to another model for the
digits 5-9; then it is released, with a smaller learning rate.
"""

import equinox as eqx
import jax
import numpy as np
import optax
from sklearn.datasets import load_digits

import protozoo as pz


x, y = load_digits(return_X_y=True)
images = (x / 16).reshape(-1, 8, 8, 1).astype(np.float32)
keys = jax.random.split(jax.random.key(0), 5)

# Many images of 0-4.
source, labels = images[y < 5], y[y < 5]
model = pz.zoo.ImageGMLVQ(source, labels, key=keys[0], latent_dim=16)
trainer = pz.zoo.ImageGMLVQ.trainer(
    rule=pz.GradientDescent(optax.adam(3e-3)), epochs=8, batch_size=64
)
pretrained = trainer.fit(model, source, labels, key=keys[1]).model
print(
    f"0-4, {len(source)} images: training accuracy "
    f"{np.mean(np.asarray(pretrained.predict(source)) == labels):.3f}"
)

# Ten images of each of 5-9.
rng = np.random.default_rng(0)
target, labels = images[y >= 5], y[y >= 5] - 5
few = np.concatenate([rng.choice(np.flatnonzero(labels == k), 10, replace=False) for k in range(5)])
rest = np.setdiff1d(np.arange(len(labels)), few)


def accuracy(model: pz.PrototypeModel) -> float:
    """On the images that no model has seen."""
    return float(np.mean(np.asarray(model.predict(target[rest])) == labels[rest]))


def fit(
    model: pz.PrototypeModel, learning_rate: float, epochs: int, **settings
) -> pz.PrototypeModel:
    """Learn from the fifty images."""
    trainer = pz.Trainer(pz.GradientDescent(optax.adam(learning_rate)), epochs, **settings)
    return trainer.fit(model, target[few], labels[few], key=keys[3]).model


scratch = pz.zoo.ImageGMLVQ(target[few], labels[few], key=keys[2], latent_dim=16)
borrowed = pz.zoo.ImageGMLVQ(target[few], labels[few], key=keys[2], encoder=pretrained.encoder)

alone = fit(scratch, 3e-3, 60)
frozen = fit(borrowed, 1e-2, 60, freeze="encoder")
tuned = fit(frozen, 3e-3, 60)
assert eqx.tree_equal(frozen.encoder, pretrained.encoder)
print(f"5-9 from scratch:              {accuracy(alone):.3f}")
print(f"5-9 with the frozen encoder:   {accuracy(frozen):.3f}")
print(f"5-9 after fine-tuning it:      {accuracy(tuned):.3f}")
assert max(accuracy(frozen), accuracy(tuned)) > 0.8

# What it learned can be looked at: prototypes are images, and Λ weighs the directions of the latent
# space.
print("prototypes are images of shape", tuned.prototypes.points.shape[1:])
print(
    "the relevance matrix has eigenvalues",
    np.round(np.linalg.eigvalsh(np.asarray(tuned.relevance_matrix()))[::-1][:5], 3),
)
pz.plots.prototype_images(tuned)
pz.plots.relevance_matrix(tuned)
