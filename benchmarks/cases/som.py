"""A pass of a self-organising map

A lattice of 10×10 units, 16 features (with `--quick`, far fewer), float32, one thread on one core,
the same samples as units to start from; widths and rates fall over the whole fit. The batch map
sees all samples before units move (`train_batch_offline` of MiniSom), the online map moves after
each of them, a growing graph has room for 100 units. prosemble starts from samples of its own, and
is told not to stop early. Time is a long fit less a short one, divided by the passes between them;
the quantisation error is the mean distance between a sample and the nearest unit after the long
fit.
"""

from collections.abc import Callable

import numpy as np

from ._measure import (
    cache_compilations,
    contenders,
    gaussian_classes,
    milliseconds_per_epoch,
    one_core,
)


ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
#: Who competes, over how many passes, and with how many samples.
ROWS = {
    "batch map": ({"protozoo": 20, "MiniSom": 2, "prosemble": 5}, 50_000),
    "online map": ({"protozoo": 8, "MiniSom": 2}, 10_000),
    "growing graph": ({"protozoo": 20, "prosemble": 2}, 2_000),
}


def rows(quick: bool) -> dict:
    size = {"features": 4, "side": 3} if quick else {"features": 16, "side": 10}
    return {
        f"{kind}, {500 if quick else n:,} samples": {
            library: {
                "library": library,
                "kind": kind,
                "n": 500 if quick else n,
                "span": span,
                **size,
            }
            for library, span in contenders.items()
        }
        for kind, (contenders, n) in ROWS.items()
    }


def measure(
    library: str, kind: str, n: int, features: int, side: int, span: int
) -> dict[str, float]:
    one_core()
    cache_compilations()
    x, _ = gaussian_classes(n, features, 10, spread=2.0)
    make = {"protozoo": protozoo, "prosemble": prosemble, "MiniSom": minisom}[library]
    fit = make(kind, x, side)
    took = milliseconds_per_epoch(fit, 2, 2 + span, 1 if span < 5 else 3)
    units = np.asarray(fit(2 + span), float).reshape(-1, features)
    return {"ms per pass": took, "quantisation error": quantisation_error(x, units)}


def quantisation_error(x: np.ndarray, units: np.ndarray) -> float:
    some = x[:5000].astype(float)
    squares = (some**2).sum(axis=1)[:, None] + (units**2).sum(axis=1) - 2 * some @ units.T
    return float(np.sqrt(np.maximum(squares.min(axis=1), 0)).mean())


def protozoo(kind: str, x: np.ndarray, side: int) -> Callable[[int], np.ndarray]:
    import jax

    import protozoo as pz

    name = {"batch map": "KohonenSOM", "online map": "SOM", "growing graph": "GrowingNeuralGas"}[
        kind
    ]
    lattice = {
        "grid": (side, side),
        "topology": "rectangular",
        "initialiser": lambda x, count, *_: x[:count],
    }
    options = {"capacity": side**2} if kind == "growing graph" else lattice
    recipe = getattr(pz.zoo, name)
    model = recipe(x, key=0, **options)

    def fit(passes: int) -> np.ndarray:
        result = recipe.trainer(epochs=passes).fit(model, x, key=0)
        assert result.epochs == passes, result.reason
        return jax.block_until_ready(pz.topology.compacted(result.model).prototypes.points)

    return fit


def prosemble(kind: str, x: np.ndarray, side: int) -> Callable[[int], np.ndarray]:
    import jax
    from prosemble import models

    def fit(passes: int) -> np.ndarray:
        if kind == "batch map":
            model = models.KohonenSOM(side, side, max_iter=passes, epsilon=0.0)
        else:
            rates = {"lr_winner": 0.2, "lr_neighbor": 0.006}
            model = models.GrowingNeuralGas(
                max_nodes=side**2, max_iter=passes, epsilon=0.0, **rates
            )
        model.fit(x)
        return jax.block_until_ready(model.prototypes_)

    return fit


def minisom(kind: str, x: np.ndarray, side: int) -> Callable[[int], np.ndarray]:
    from minisom import MiniSom

    def fit(passes: int) -> np.ndarray:
        decays = {
            "decay_function": "linear_decay_to_zero",
            "sigma_decay_function": "linear_decay_to_one",
        }
        som = MiniSom(
            side, side, x.shape[1], sigma=side / 2, learning_rate=0.5, random_seed=0, **decays
        )
        som._weights = x[: side**2].reshape(side, side, -1).astype(float)
        if kind == "batch map":
            som.train_batch_offline(x, passes)
        else:
            som.train(x, passes * len(x))
        return som.get_weights()

    return fit


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    return contenders(samples, "ms per pass", "quantisation error")
