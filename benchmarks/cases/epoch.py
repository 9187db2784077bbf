"""An epoch of training

50,000 samples with 64 features, 10 classes, 10 prototypes for each (with `--quick`, far fewer),
Adam, learning rate 0.01, the same prototypes to start from. Time is the steady state: a long fit
less a short one, both with nothing left to compile, divided by the epochs between them. One object
of prosemble's must not be fitted twice (it keeps the trace of the first `max_iter`), and another
object traces anew: every fit has its own object, its programs come from JAX's compilation cache,
and tracing, which both fits do, cancels. prosemble is told not to stop early (`epsilon=0`), and the
short fit has two epochs because it cannot train one.
"""

from collections.abc import Callable

import numpy as np

from ._measure import Memory, cache_compilations, gaussian_classes, milliseconds_per_epoch


COLUMNS = COMPARED = ("ms per epoch", "peak MB", "working MB")

MODELS = ("GLVQ", "GMLVQ", "GTLVQ", "SRNG", "RSLVQ", "LGMLVQ")
#: How many epochs more the long fit has than the short one, 50 if nothing else is said: up to a few
#: seconds of work.
SPANS = {"protozoo": {"LGMLVQ": 4}, "prosemble": {"GMLVQ": 3, "GTLVQ": 3, "LGMLVQ": 2, "SRNG": 4}}


def rows(quick: bool) -> dict:
    if quick:
        size = {"n": 2000, "features": 8, "classes": 3, "per_class": 2}
        settings = [("GMLVQ", None), ("LGMLVQ", 256)]
    else:
        size = {"n": 50_000, "features": 64, "classes": 10, "per_class": 10}
        settings = [(model, batch_size) for model in MODELS for batch_size in (None, 256)]
    return {
        f"{model}, {f'batches of {batch_size}' if batch_size else 'full batch'}": {
            library: {
                "library": library,
                "model": model,
                "batch_size": batch_size,
                "span": spans.get(model, 50),
                **size,
            }
            for library, spans in SPANS.items()
        }
        for model, batch_size in settings
    }


def measure(
    library: str,
    model: str,
    batch_size: int | None,
    span: int,
    n: int,
    features: int,
    classes: int,
    per_class: int,
) -> dict[str, float | None]:
    cache_compilations()
    pairs = 3 if span > 4 else 1  # a slow one needs no average
    make = {"protozoo": protozoo, "prosemble": prosemble}[library]
    x, y = gaussian_classes(n, features, classes)
    fit, memory = make(model, x, y, per_class, batch_size)
    return {
        "ms per epoch": milliseconds_per_epoch(fit, 2, 2 + span, pairs, memory),
        **memory.megabytes(),
    }


def protozoo(
    name: str, x: np.ndarray, y: np.ndarray, per_class: int, batch_size: int | None
) -> tuple[Callable[[int], None], Memory]:
    import jax
    import optax

    import protozoo as pz

    memory, key = Memory(), jax.random.key(0)
    model = getattr(pz.zoo, name)(
        x, y, key=key, prototypes_per_class=per_class, initialiser=lambda x, count, *_: x[:count]
    )
    rule = pz.GradientDescent(optax.adam(0.01))

    def fit(epochs: int) -> None:
        result = pz.Trainer(rule, epochs, batch_size=batch_size).fit(model, x, y, key=key)
        jax.block_until_ready(result.model.prototypes.points)
        assert result.epochs == epochs, result.reason

    return fit, memory


def prosemble(
    name: str, x: np.ndarray, y: np.ndarray, per_class: int, batch_size: int | None
) -> tuple[Callable[[int], None], Memory]:
    import jax
    from prosemble import models

    memory = Memory()
    labels = np.repeat(np.arange(y.max() + 1), per_class)
    start = np.concatenate([x[y == k][:per_class] for k in range(y.max() + 1)])

    def fit(epochs: int) -> None:
        model = getattr(models, name)(
            n_prototypes_per_class=per_class,
            max_iter=epochs,
            lr=0.01,
            epsilon=0.0,
            batch_size=batch_size,
        )
        model.fit(x, y, initial_prototypes=start, initial_labels=labels)
        jax.block_until_ready(model.prototypes_)
        assert model.n_iter_ == epochs, model.n_iter_

    return fit, memory
