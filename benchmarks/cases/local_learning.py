"""An epoch of a network that learns locally

Binary units, 100 inputs, 10 classes, 1,000 samples in batches of 16 (with `--quick`, far fewer
samples), Adam; ten steps with the class clamped and ten without. The first row has 256 hidden units
and compares the compiled loop with a script that calls the same modules and compiles nothing: layer
by layer, step by step, and Adam leaf by leaf. The second has 2,000 hidden units and compares
recurrent synapses of which 1 % exist with a dense matrix. Time is the steady state: a long fit less
a short one.
"""

from collections.abc import Callable

import numpy as np

from ._measure import milliseconds_per_epoch


COLUMNS = COMPARED = ("ms per epoch",)


def rows(quick: bool) -> dict:
    n = 64 if quick else 1000
    return {
        "256 hidden units": {
            "compiled, sparse": {"kind": "compiled", "hidden": 256, "n": n},
            "eager, dense": {"kind": "eager", "hidden": 256, "n": n},
        },
        "2,000 hidden units": {
            "compiled, sparse": {"kind": "sparse", "hidden": 2000, "n": n},
            "eager, dense": {"kind": "dense", "hidden": 2000, "n": n},
        },
    }


def measure(kind: str, hidden: int, n: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    patterns, y = rng.choice([-1.0, 1.0], (10, 100)), np.arange(n) % 10
    x = np.where(rng.random((n, 100)) < 0.3, -patterns[y], patterns[y]).astype(np.float32)
    make = eager if kind == "eager" else protozoo
    spans = {"compiled": 40, "eager": 1, "sparse": 8, "dense": 4}
    return {
        "ms per epoch": milliseconds_per_epoch(
            make(x, y, kind, hidden), 1, 1 + spans[kind], 1 if kind == "eager" else 3
        )
    }


def protozoo(x: np.ndarray, y: np.ndarray, kind: str, hidden: int) -> Callable[[int], None]:
    import jax

    import protozoo as pz

    sparsity = 0.99 if kind == "sparse" else 0.0
    network = pz.networks.RecurrentNetwork.layered((100, hidden, 10), sparsity=sparsity, key=0)
    rule = pz.GradientDescent("adam", 5e-3)

    def fit(epochs: int) -> None:
        result = pz.Trainer(rule, epochs, batch_size=16).fit(network, x, y, key=0)
        jax.block_until_ready(jax.tree.leaves(result.model))
        assert result.epochs == epochs, result.reason

    return fit


def eager(x: np.ndarray, y: np.ndarray, kind: str, hidden: int) -> Callable[[int], None]:
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    import protozoo as pz
    from protozoo.training import trainable_mask

    network = pz.networks.RecurrentNetwork.layered((100, hidden, 10), key=0)
    samples, code, adam = (
        jnp.asarray(x),
        jnp.asarray(2 * np.eye(10)[y] - 1, jnp.float32),
        optax.adam(5e-3),
    )
    mask = trainable_mask(network.layers)

    def objective(params, rest, state):
        return jnp.mean(eqx.combine(params, rest).local_losses(tuple(state), "forward"))

    def fit(epochs: int) -> None:
        params, rest = eqx.partition(network.layers, mask)
        optimiser, order = adam.init(params), np.random.default_rng(1)
        for _ in range(epochs):
            shuffled = order.permutation(len(x))
            for at in range(0, len(x), 16):
                rows = shuffled[at : at + 16]
                layers, state = (
                    eqx.combine(params, rest),
                    [samples[rows], jnp.zeros((len(rows), hidden)), code[rows]],
                )
                for messages in ("all", "forward"):
                    for _ in range(10):
                        state[1] = layers.units[1](layers.field(1, tuple(state), messages))
                gradient = jax.grad(objective)(params, rest, state)
                update, optimiser = adam.update(gradient, optimiser)
                params = optax.apply_updates(params, update)
        jax.block_until_ready(params)

    return fit
