"""Handwritten digits by a network that learns locally; beside it the same network with random
hidden units, and GLVQ.

Pixels are black or white, and are centred: of what all images have in common, hidden units would
learn to be sure, and forget the digit. The recurrent synapses are sparse: each unit listens to a
tenth of the others.
"""

import numpy as np
from sklearn.datasets import load_digits

import protozoo as pz
from protozoo.networks import RecurrentNetwork


images, y = load_digits(return_X_y=True)
held_out = np.random.default_rng(0).random(len(images)) < 0.3
x = np.where(images > 7, 1.0, -1.0)
x = x - x[~held_out].mean(axis=0)
x = (x / x[~held_out].std()).astype(np.float32)
train, classes = (x[~held_out], y[~held_out]), y[held_out]


def accuracy(model: RecurrentNetwork | pz.PrototypeModel) -> float:
    """On the digits that no model has seen."""
    return float(np.mean(np.asarray(model.predict(x[held_out])) == classes))


network = RecurrentNetwork.layered((64, 300, 10), margin=1.0, sparsity=0.9, key=0)
print(network.layers)
trainer = pz.Trainer(
    pz.GradientDescent("adam", pz.Polynomial(5e-3, 1e-4)), epochs=20, batch_size=32
)
local = trainer.fit(network, *train, key=1).model
readout = pz.Trainer(
    trainer.rule, 20, batch_size=32, freeze=lambda m: (m.layers[1, 0], m.layers[1, 1])
)
random_features = readout.fit(network, *train, key=1).model
glvq = pz.fit("GLVQ", *train, key=2, prototypes_per_class=4).model

scores = {
    "every synapse learns": local,
    "the readout learns": random_features,
    "GLVQ, 4 prototypes for each class": glvq,
}
for name, model in scores.items():
    print(f"{name}: {accuracy(model):.3f}")
assert accuracy(local) > max(0.9, accuracy(random_features) + 0.02)

# Where it is not sure, it can say so.
sure = np.asarray(local.predict_with_reject(x[held_out], threshold=0.5))
print(
    f"rejected {np.mean(sure == -1):.1%}; accuracy on the others "
    f"{np.mean(sure[sure >= 0] == classes[sure >= 0]):.3f}"
)
