"""An epoch of training in curved spaces

2,000 samples, two classes, five prototypes for each, the whole batch at once, Adam, learning rate
0.01, the same prototypes to start from (with `--quick`, 100 samples). Neural gas has ten prototypes
and no classes, and prosemble's is not compiled. Time is the steady state, as in the case of flat
spaces.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._measure import Memory, cache_compilations, milliseconds_per_epoch


COLUMNS = COMPARED = ("ms per epoch", "peak MB", "working MB")
SPACES = {
    "SPD(3)": ("SPD", 3),
    "SPD(10)": ("SPD", 10),
    "SO(3)": ("SO", 3),
    "Gr(5, 2)": ("Grassmannian", 5, 2),
}
MODELS = ("RiemannianSRNG", "RiemannianNeuralGas")
#: How many epochs more the long fit has than the short one.
SPANS = {"protozoo": 20, "prosemble": 4}


def rows(quick: bool) -> dict:
    spaces = ["SPD(3)"] if quick else SPACES
    return {
        f"{model}, {space}": {
            library: {
                "library": library,
                "model": model,
                "space": SPACES[space],
                "span": span,
                "n": 100 if quick else 2000,
            }
            for library, span in SPANS.items()
        }
        for model in MODELS
        for space in spaces
    }


def measure(library: str, model: str, space: list, span: int, n: int) -> dict[str, float | None]:
    cache_compilations()
    import jax

    import protozoo as pz

    x = np.asarray(getattr(pz.manifolds, space[0])(*space[1:]).random_points(jax.random.key(0), n))
    make = {"protozoo": protozoo, "prosemble": prosemble}[library]
    fit, memory = make(model, space, x, np.arange(n) % 2)
    return {
        "ms per epoch": milliseconds_per_epoch(fit, 2, 2 + span, 3, memory),
        **memory.megabytes(),
    }


def protozoo(
    name: str, space: list, x: np.ndarray, y: np.ndarray
) -> tuple[Callable[[int], None], Memory]:
    import jax
    import optax

    import protozoo as pz

    memory, row = Memory(), getattr(pz.zoo, name)
    labels = y if row.supervised else None
    options: dict[str, Any] = {"prototypes_per_class": 5} if row.supervised else {"prototypes": 10}
    where = getattr(pz.manifolds, space[0])(*space[1:])
    model = row(
        x, labels, key=0, space=where, initialiser=lambda x, count, *_: x[:count], **options
    )
    rule = pz.GradientDescent(optax.adam(0.01)) if row.supervised else row.rule

    def fit(epochs: int) -> None:
        result = pz.Trainer(rule, epochs).fit(model, x, labels, key=0)
        jax.block_until_ready(result.model.prototypes.points)
        assert result.epochs == epochs, result.reason

    return fit, memory


def prosemble(
    name: str, space: list, x: np.ndarray, y: np.ndarray
) -> tuple[Callable[[int], None], Memory]:
    import jax
    from prosemble import models
    from prosemble.core import manifolds

    memory, where = Memory(), getattr(manifolds, space[0])(*space[1:])
    supervised = name != "RiemannianNeuralGas"

    def fit(epochs: int) -> None:
        if supervised:
            model = models.RiemannianSRNG(
                where, n_prototypes_per_class=5, max_iter=epochs, epsilon=0.0, use_scan=True
            )
            model.fit(x.reshape(len(x), -1), y)
        else:
            model = models.RiemannianNeuralGas(where, n_prototypes=10, max_iter=epochs, epsilon=0.0)
            model.fit(x)
        jax.block_until_ready(model.prototypes_)

    return fit, memory
