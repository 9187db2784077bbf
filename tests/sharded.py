"""A program for several devices, run by `test_sharding.py` in processes of its own:
`python sharded.py TASK ARGUMENTS`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from linear import linear
from zoo import CASES, Case, blobs

import protozoo as pz
from protozoo.models import _chunks
from protozoo.training import _trainer
from protozoo.training._loop import run_epochs


#: Neither is a multiple of eight.
N, BATCH = 59, 22
#: Held out are as many as eight devices do not share evenly, either.
HELD_OUT, METRICS = 19, ("accuracy", "balanced_accuracy", "calibration_error")


def mesh() -> jax.sharding.Mesh:
    return jax.sharding.Mesh(np.array(jax.devices()), ("samples",))


def fit(
    case: Case,
    model: pz.PrototypeModel,
    sharding: jax.sharding.Mesh | None,
    batch_size: int | None,
    measured: bool,
) -> pz.training.Fit:
    """Rows train by the rule that they name; `measured`: the metrics of held-out samples are
    told."""
    options: dict[str, Any] = {"epochs": 2, "sharding": sharding, "batch_size": batch_size}
    x, y, held_out = case.x.astype(float), case.y, None
    if measured and y is not None:
        options["metrics"], held_out = METRICS, (x[HELD_OUT:], y[HELD_OUT:])
    y = None if y is None else y[:N]
    trainer = case.recipe.trainer(**options)
    return trainer.fit(model, x[:N], y, key=jax.random.key(0), validation=held_out)


def compare(one: pz.training.Fit, other: pz.training.Fit) -> None:
    for name, losses in one.history.items():
        np.testing.assert_allclose(other.history[name], losses, rtol=1e-8, atol=1e-8)
    for a, b in zip(
        *(jax.tree.leaves(eqx.filter(f.model, eqx.is_inexact_array)) for f in (one, other)),
        strict=True,
    ):
        assert len(b.devices()) == 1
        # Where a gradient or a variance is zero up to rounding, Adam and a Cholesky factor magnify
        # the rounding.
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


def rows(*names: str) -> None:
    """Rows, on eight devices as on one: all samples at once, and every third row in batches and
    with metrics, too."""
    assert len(jax.devices()) == 8
    jax.config.update("jax_enable_x64", True)
    for i, case in enumerate(case for case in CASES if str(case) in names):
        still = isinstance(case.recipe.rule, pz.MedianOptimization | pz.Lazy)
        model = case.recipe(case.x.astype(float), case.y, key=jax.random.key(3), **case.options)
        for size in (None,) if still or i % 3 else (None, BATCH):
            one, other = (fit(case, model, s, size, i % 3 == 0) for s in (None, mesh()))
            compare(one, other)
            assert still or not eqx.tree_equal(one.model.prototypes.points, model.prototypes.points)
        print(case, flush=True)


def trainable() -> None:
    """A model without prototypes, on eight devices as on one: all at once, in batches, and in
    pieces."""
    assert len(jax.devices()) == 8
    jax.config.update("jax_enable_x64", True)
    x, y = blobs()
    model, validation = linear(), (x[::2].astype(float), y[::2])
    for size, pieces in ((None, 1), (BATCH, 1), (None, 3)):
        rule = pz.GradientDescent("adam", 1e-2, accumulate=pieces)
        trainers = [pz.Trainer(rule, 3, batch_size=size, sharding=s) for s in (None, mesh())]
        compare(
            *(
                t.fit(
                    model, x[:N].astype(float), y[:N], key=jax.random.key(0), validation=validation
                )
                for t in trainers
            )
        )
    print("trained")


def chunks() -> None:
    """More samples than are taken at a time: as on one device, and no device ever sees the samples
    of another."""
    _chunks.BLOCK = 1  # the least: 128 rows at a time
    programs = []

    def spy(*arguments: Any) -> Any:
        programs.append(run_epochs.lower(*arguments).compile().compiled.as_text())  # pyright: ignore[reportFunctionMemberAccess]
        return run_epochs(*arguments)

    _trainer.run_epochs = spy
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5003, 7)).astype(np.float32), rng.integers(0, 3, 5003)
    for name, settings in {
        "HCM": {},
        "GaussianMixture": {},
        "GLVQ": {},
        "RSLVQ": {"rule": pz.GradientDescent("adam", 1e-2, accumulate=3)},
        "GMLVQ": {"batch_size": 500},
    }.items():
        recipe, fits = getattr(pz.zoo, name), []
        labels = y if recipe.supervised else None
        held_out = (x[:2000], y[:2000]) if recipe.supervised else x[:2000]
        model = recipe(x, labels, key=jax.random.key(0))
        for sharding in (None, mesh()):
            trainer = recipe.trainer(epochs=3, sharding=sharding, **settings)
            fits.append(trainer.fit(model, x, labels, key=jax.random.key(0), validation=held_out))
        for column, losses in fits[0].history.items():
            np.testing.assert_allclose(fits[1].history[column], losses, rtol=1e-4)
        gathered = [
            int(np.prod([int(size) for size in shape.split(",")]))
            for shape in _gathered(programs[-1])
        ]
        assert "all-reduce" in programs[-1]
        assert max(gathered, default=0) < x.size / 8, (name, gathered)
        print(name)
    stream = pz.training.Slices(x, y, batch_size=501)
    model = pz.zoo.RSLVQ(x, y, key=jax.random.key(0))
    one, other = (
        pz.Trainer(pz.GradientDescent("sgd", 1e-2), 2, sharding=s).fit(
            model, stream, key=jax.random.key(0)
        )
        for s in (None, mesh())
    )
    np.testing.assert_allclose(other.history["loss"], one.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        other.model.prototypes.points, one.model.prototypes.points, rtol=1e-4, atol=1e-5
    )
    print("stream")
    trainers = [pz.Trainer(pz.GradientDescent("sgd", 1e-2), 9, sharding=s) for s in (None, mesh())]
    states = [trainer.init(model) for trainer in trainers]
    for _ in range(3):
        states, losses = zip(
            *(t.step(s, x[:501], y[:501]) for t, s in zip(trainers, states, strict=True)),
            strict=True,
        )
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert len(states[1].loop.params.prototypes.points.devices()) == 8
    np.testing.assert_allclose(
        states[1].model.prototypes.points, states[0].model.prototypes.points, rtol=1e-4, atol=1e-5
    )
    print("step")


def _gathered(program: str) -> list[str]:
    """The shapes that all devices are sent."""
    return re.findall(r"\[([\d,]+)\]\S* all-gather", program)


def checkpointed(directory: str, resume: str, epochs: str, out: str) -> None:
    """Train up to so many of ten epochs, on however many devices there are, or continue (`resume`)
    what was begun."""
    x, y = blobs()

    class StopAt(pz.training.AbstractCallback):
        every = 1

        def on_fit_start(self, view):
            assert jax.process_index() == 0

        def on_chunk_end(self, view):
            return view.epoch == int(epochs)

        def on_fit_end(self, view):
            pass

    model = pz.zoo.GMLVQ(x, y, key=jax.random.key(0))
    checkpoints = pz.Checkpoints(Path(directory) / "checkpoints", every=2)
    trainer = pz.Trainer(
        pz.GradientDescent("adam", 1e-2),
        10,
        batch_size=BATCH,
        sharding=mesh(),
        checkpoints=checkpoints,
        callbacks=[StopAt()],
    )
    validation = (x[::2], y[::2])
    fit = trainer.fit(
        model, x, y, key=jax.random.key(0), validation=validation, resume=resume == "resume"
    )
    np.savez(out, points=fit.model.prototypes.points, omega=fit.model.metric.matrix, **fit.history)


def process(port: str, index: str, directory: str, out: str) -> None:
    """One of two processes, each with four devices, that train together."""
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=int(index))
    assert (jax.process_count(), len(jax.devices()), len(jax.local_devices())) == (2, 8, 4)
    checkpointed(directory, "start", "6", os.devnull)
    checkpointed(directory, "resume", "10", out)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    globals()[task](*arguments)
