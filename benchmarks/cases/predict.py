"""Predictions for many samples

1,000,000 samples with 64 features, 100 prototypes (with `--quick`, far fewer), already on the
device: `model.predict`, against the least that can be computed, one jitted matrix product and its
argmin. `predict` checks besides that every sample is finite, and works in chunks.
"""

import statistics

from ._measure import Memory, gaussian_classes, seconds


COMPARED = ("ms", "peak MB", "working MB")
COLUMNS = (*COMPARED, "accuracy")


def rows(quick: bool) -> dict:
    size = (
        {"n": 20_000, "features": 8, "classes": 5}
        if quick
        else {"n": 1_000_000, "features": 64, "classes": 10}
    )
    return {
        "GLVQ": {
            "predict": {"bare": False, "per_class": 10, **size},
            "matrix product": {"bare": True, "per_class": 10, **size},
        }
    }


def measure(
    bare: bool, n: int, features: int, classes: int, per_class: int
) -> dict[str, float | None]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    import protozoo as pz

    x, y = gaussian_classes(n, features, classes)
    points = np.concatenate([x[k::classes][:per_class] for k in range(classes)])
    labels = np.repeat(np.arange(classes), per_class)
    samples = jax.block_until_ready(jax.device_put(x))
    memory = Memory()

    @jax.jit
    def nearest(x: jax.Array, points: jax.Array) -> jax.Array:
        return jnp.asarray(labels)[
            jnp.argmin(jnp.sum(points**2, axis=1) - 2 * x @ points.T, axis=1)
        ]

    model = pz.PrototypeModel(
        pz.Prototypes(points, labels), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )

    def ask() -> jax.Array:
        return jax.block_until_ready(nearest(samples, points) if bare else model.predict(samples))

    accuracy = float((np.asarray(ask()) == y).mean())
    memory.settle()
    times = [seconds(ask) for _ in range(5)]
    return {"ms": 1e3 * statistics.median(times), **memory.megabytes(), "accuracy": accuracy}
