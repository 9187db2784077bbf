"""A recurrent network learns ten patterns without backpropagation: every synapse from what its own
unit sees.

1,000 samples of 100 bits, each a pattern of ±1 in which 30 % of the bits are flipped. While it
learns, the network settles with the class clamped to its last layer, is let go, settles again, and
stabilises what stays. The same network with a trained readout only, on random features, is worse:
hidden synapses learn something.
"""

import jax
import numpy as np

import protozoo as pz
from protozoo.networks import (
    Binary,
    Dense,
    Edge,
    Frozen,
    LayerMap,
    Linear,
    Perceptron,
    Phase,
    Recurrent,
    RecurrentNetwork,
)


rng = np.random.default_rng(0)
patterns = rng.choice([-1.0, 1.0], (10, 100))


def noisy(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of all patterns, and which one each of them is of."""
    y = np.arange(count) % 10
    return np.where(rng.random((count, 100)) < 0.3, -patterns[y], patterns[y]).astype(np.float32), y


x, y = noisy(1000)
held_out, classes = noisy(5000)

# Input, hidden units, one unit for each class; and who sends to whom. Nothing says what the hidden
# units should be.
keys = jax.random.split(jax.random.key(0), 4)
across, within = Perceptron(2.0), Perceptron(0.5)
layers = LayerMap(
    [Linear(100), Binary(256), Linear(10)],
    {
        (1, 0): Edge(Dense.normal(100, 256, key=keys[0]), across),
        (1, 1): Edge(
            Recurrent(Dense.normal(256, 256, 0.5, "hollow", key=keys[1]), self_coupling=0.5), within
        ),
        (1, 2): Edge(Frozen(Dense.normal(10, 256, 0.3, key=keys[2]))),
        (2, 1): Edge(Dense.normal(256, 10, key=keys[3]), across),
    },
)
print(layers)
network = RecurrentNetwork(
    layers,
    training=(Phase(10, "all"), Phase(10, "forward", learns=1)),
    inference=(Phase(10, "forward"),),
)


def accuracy(model: RecurrentNetwork, x: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.asarray(model.predict(x)) == y))


trainer = pz.Trainer(pz.GradientDescent("adam", 5e-3), epochs=3, batch_size=16)
fit = trainer.fit(network, x, y, key=1, validation=(held_out, classes))
print(fit)
readout = pz.Trainer(
    trainer.rule, 3, batch_size=16, freeze=lambda m: (m.layers[1, 0], m.layers[1, 1])
)
alone = readout.fit(network, x, y, key=1).model
for name, model in (("all synapses learn", fit.model), ("the readout learns", alone)):
    print(
        f"{name}: training {accuracy(model, x, y):.3f}, held out "
        f"{accuracy(model, held_out, classes):.3f}"
    )
assert accuracy(fit.model, held_out, classes) > 0.94 > accuracy(alone, held_out, classes) + 0.02

# How it settles. A few steps are enough, for which the self-coupling cares: each unit holds on to
# its state.
for name, how in (("before", network.settling(held_out)), ("after", fit.model.settling(held_out))):
    print(
        f"{name} training: {how}; share of units that move: "
        f"{np.round(np.asarray(how.flips[:5]), 4)}"
    )
pz.plots.settling(fit.model.settling(held_out))
pz.plots.layer_map(layers)

# The settled states are features like others: prototypes can read them, and each is then a pattern
# of hidden units.
encoder = fit.model.encoder()
prototypes = pz.Prototypes.from_classes(fit.model.transform(x), y, key=2, initialiser="means")
model = pz.PrototypeModel(prototypes, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ(), encoder)
rule = pz.GradientDescent("adam", 1e-2)
reader = pz.Trainer(rule, epochs=10, batch_size=100, freeze="encoder").fit(model, x, y, key=3).model
score = float(np.mean(np.asarray(reader.predict(held_out)) == classes))
print(f"prototypes of its hidden states: held out {score:.3f}")
assert score > 0.94
