"""A fit that is interrupted, from within or, as a program, from outside: `interrupted.py DIRECTORY
[resume]` trains with checkpoints and prints its epochs."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from zoo import N, blobs

import protozoo as pz


#: For processes of their own, which find the library, and what the tests share.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(
        [
            str(Path(pz.__file__).parents[1]),
            str(Path(__file__).parent),
            os.environ.get("PYTHONPATH", ""),
        ]
    )
}

X, Y = blobs()
HELD_OUT = np.arange(N) % 3 == 0
TRAIN, VALIDATION = (X[~HELD_OUT], Y[~HELD_OUT]), (X[HELD_OUT], Y[HELD_OUT])
EPOCHS, EVERY = 60, 3


class Interruption(pz.training.AbstractCallback):
    """Stops training after some epochs; tells when training started."""

    every = 1

    def __init__(self, at: int | None = None):
        self.at, self.started = at, None

    def on_fit_start(self, view):
        self.started = view.epoch

    def on_chunk_end(self, view) -> bool | None:
        return view.epoch == self.at

    def on_fit_end(self, view):
        pass


class Report(Interruption):
    """Prints where training is, and takes its time."""

    def on_fit_start(self, view):
        print(f"start {view.epoch}", flush=True)

    def on_chunk_end(self, view):
        print(f"epoch {view.epoch}", flush=True)
        time.sleep(0.02)


def build(metric=None, loss=None, key=None) -> pz.PrototypeModel:
    """Generalized matrix LVQ, or something else."""
    prototypes = pz.Prototypes.from_classes(
        *TRAIN, 2, key=jax.random.key(3) if key is None else key
    )
    metric = pz.metrics.Omega.identity(X.shape[1]) if metric is None else metric
    return pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ() if loss is None else loss)


def train(
    directory=None,
    resume=False,
    *,
    model=None,
    rule=None,
    data=TRAIN,
    validation=VALIDATION,
    key=None,
    **settings: Any,
):
    """One run: mini-batches, Adam, validation, the best model. The process that is killed runs it,
    too."""
    settings = {"epochs": EPOCHS, "batch_size": 16, "restore_best": True} | settings
    if directory is not None:
        settings = {"checkpoints": pz.Checkpoints(directory, EVERY)} | settings
    trainer = pz.Trainer(pz.GradientDescent(optax.adam(0.2)) if rule is None else rule, **settings)
    key = jax.random.key(1) if key is None else key
    return trainer.fit(
        build() if model is None else model, *data, key=key, validation=validation, resume=resume
    )


def arrays(tree) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def assert_same(fit: pz.training.Fit, other: pz.training.Fit) -> None:
    """Bit by bit."""
    for a, b in zip(arrays(fit.model), arrays(other.model), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert fit.history.keys() == other.history.keys()
    for name, values in fit.history.items():
        np.testing.assert_array_equal(values, other.history[name])
    assert (fit.epochs, fit.reason) == (other.epochs, other.reason)


def steps(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


if __name__ == "__main__":
    train(sys.argv[1], resume="resume" in sys.argv, callbacks=[Report()])
