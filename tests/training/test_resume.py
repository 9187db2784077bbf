"""A run that was interrupted, however rudely, ends as if nothing had happened."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import equinox as eqx
import interrupted
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from interrupted import (
    ENVIRONMENT,
    EPOCHS,
    EVERY,
    TRAIN,
    Interruption,
    X,
    Y,
    arrays,
    assert_same,
    build,
    steps,
    train,
)

import protozoo as pz
from protozoo.training._functions import functions_in, held_by


def unfinished(directory: Path) -> list[str]:
    """What Orbax is writing at this moment."""
    return [name for name in os.listdir(directory) if "tmp" in name] if directory.exists() else []


# Interruptions within a process.


@pytest.mark.parametrize(
    "settings", [{}, {"stopping": pz.Stopping(patience=25)}], ids=["to the end", "patience"]
)
def test_a_run_that_was_stopped_goes_on(settings, tmp_path):
    whole = train(**settings)
    assert whole.reason == ("patience" if "stopping" in settings else "max epochs")
    assert whole.epochs > 20
    first = train(tmp_path, **settings, callbacks=[Interruption(8)])
    assert (first.epochs, first.reason) == (8, "callback")
    # The last checkpoint is that of the last epoch, not of the last multiple.
    second_part, third_part = Interruption(20), Interruption()
    with count_compilations() as compiled:
        second = train(tmp_path, resume=True, **settings, callbacks=[second_part])
    assert "jit(run_epochs)" not in compiled.names
    third = train(tmp_path, resume=True, **settings, callbacks=[third_part])
    assert (second_part.started, second.epochs, third_part.started) == (8, 20, 20)
    assert_same(third, whole)
    # A finished run has nothing left to do.
    assert_same(train(tmp_path, resume=True, **settings), whole)


def test_alternating_optimisation_goes_on(tmp_path):
    model = pz.zoo.GaussianMixture(X, key=jax.random.key(3), prototypes=4)

    def run(stop_at=None, resume=False, **settings):
        trainer = pz.Trainer(
            pz.AlternatingOptimization(), 12, **settings, callbacks=[Interruption(stop_at)]
        )
        return trainer.fit(model, X, key=jax.random.key(0), resume=resume)

    run(5, checkpoints=pz.Checkpoints(tmp_path, 2))
    assert_same(run(resume=True, checkpoints=pz.Checkpoints(tmp_path, 2)), run())


def test_a_finished_run_can_be_made_longer(tmp_path):
    train(tmp_path, epochs=10)
    assert_same(train(tmp_path, resume=True, epochs=21), train(epochs=21))


def test_a_diverged_run_stays_diverged(tmp_path):
    rule = pz.GradientDescent(
        optax.sgd(lambda count: jnp.where(jnp.asarray(count) < 22, 0.2, jnp.nan))
    )
    fit = train(tmp_path, rule=rule, checkpoints=pz.Checkpoints(tmp_path, EVERY, keep=1))
    assert (fit.reason, fit.epochs) == ("diverged", 8)
    assert all(np.isfinite(leaf).all() for leaf in arrays(fit.model))
    # The last epoch has a checkpoint, but not as the best one, which its loss would be if NaN were
    # small.
    assert steps(tmp_path) == {"6", "8"}
    assert_same(train(tmp_path, resume=True, rule=rule), fit)


# Interruptions from outside.


class Child:
    """A process that trains, and can be killed."""

    def __init__(self, directory: Path, resume: bool):
        command = [
            sys.executable,
            interrupted.__file__,
            str(directory),
            *(["resume"] if resume else []),
        ]
        self.directory = directory
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        word, epoch = self.process.stdout.readline().split()
        assert word == "start"
        self.started = self.epoch = int(epoch)

    def wait_for(self, epoch: int) -> None:
        while self.epoch < epoch:
            assert self.process.stdout is not None
            self.epoch = int(self.process.stdout.readline().split()[1])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        rest, _ = self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL
        self.epoch = max([self.epoch, *(int(line.split()[1]) for line in rest.splitlines())])
        assert self.epoch < EPOCHS - EVERY, "it was killed too late to tell anything"

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error) -> None:
        self.process.kill()
        self.process.wait()


def test_a_run_that_was_killed_again_and_again_goes_on(tmp_path):
    directory, chance = tmp_path / "run", random.Random(0)
    caught = []
    # At some moment after the first checkpoint; then while checkpoints are being written, twice.
    with Child(directory, resume=False) as child:
        assert child.started == 0
        child.wait_for(2 * EVERY + chance.randrange(1, 2 * EVERY))
        time.sleep(0.03 * chance.random())
        child.kill()
    reached = [(child.started, child.epoch)]
    for _ in range(2):
        with Child(directory, resume=True) as child:
            child.wait_for(child.started + chance.randrange(2, 4) * EVERY + 1)
            while not unfinished(directory):
                pass
            time.sleep(0.01 * chance.random())
            child.kill()
        caught.append(unfinished(directory))
        reached.append((child.started, child.epoch))
    assert any(caught), "no checkpoint was being written when the process was killed"
    # Every process continued from a checkpoint of the one before, and lost little.
    for (_, last), (started, _) in zip(reached, reached[1:], strict=False):
        assert started % EVERY == 0
        assert 0 <= last - started <= 2 * EVERY
    assert_same(train(directory, resume=True), train())
    assert unfinished(directory) == []


# What is kept.


def test_the_latest_and_the_best_are_kept(tmp_path):
    fit = train(tmp_path, epochs=30, checkpoints=pz.Checkpoints(tmp_path, 4, keep=2))
    saved = [4, 8, 12, 16, 20, 24, 28, 30]
    best = min(saved, key=lambda epoch: fit.history["validation_loss"][epoch - 1])
    assert best not in (28, 30)
    assert steps(tmp_path) == {"28", "30", str(best)}


def test_checkpoints_change_nothing_and_complain_of_nothing(tmp_path, caplog):
    assert_same(train(tmp_path, epochs=10), train(epochs=10))
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


# What cannot be continued.


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("begun")
    train(directory, epochs=4)
    return directory


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (lambda: {"model": build(pz.metrics.SquaredEuclidean())}, "model"),
        (lambda: {"model": build(pz.metrics.Omega.identity(X.shape[1], 2))}, "model"),
        (lambda: {"model": build(loss=pz.losses.GLVQ("sigmoid"))}, "model"),
        (lambda: {"rule": pz.GradientDescent(optax.rmsprop(0.2))}, "rule"),
        (lambda: {"rule": pz.GradientDescent(optax.adagrad(0.2))}, "rule"),
        (lambda: {"freeze": "metric"}, "frozen parts"),
        (lambda: {"batch_size": 8}, r"batch_size differs \(16, not 8\)"),
        (lambda: {"restore_best": False}, "restore_best"),
        (lambda: {"precision": "bfloat16"}, r"precision differs \(None, not 'bfloat16'\)"),
        (lambda: {"regularisers": [pz.training.OmegaLogDet(0.1)]}, "regularisers"),
        (lambda: {"curriculum": pz.SelfPaced(0.5)}, "curriculum"),
        (lambda: {"model": build(key=jax.random.key(4))}, "start model"),
        (
            lambda: {"rule": pz.GradientDescent(optax.adam(0.1))},
            r"rule in .*step_size differs \(-0\.2\d*, not -0\.1\d*\)",
        ),
        (
            lambda: {"rule": pz.GradientDescent(optax.adam(0.2, b1=0.5))},
            r"rule in .*b1 differs \(0\.[89]\d*, not 0\.5\)",
        ),
        (
            lambda: {"stopping": pz.Stopping(patience=7)},
            r"stopping in patience differs \(\d+, not 7\)",
        ),
        (
            lambda: {"stopping": pz.Stopping(tolerance=0.1)},
            r"stopping in tolerance differs \(-1\.0, not 0\.1",
        ),
        (lambda: {"data": (X[:50], Y[:50])}, "data shape"),
        (lambda: {"data": (1.5 * TRAIN[0], TRAIN[1])}, "data"),
        (lambda: {"validation": None}, "data shape"),
        (lambda: {"key": jax.random.key(2)}, "key"),
    ],
)
def test_another_run_is_refused(other, what, begun):
    other = other()
    model = other.pop("model", None) or build()
    before = [leaf.copy() for leaf in arrays(model)]
    files = steps(begun)
    with pytest.raises(
        ValueError, match=f"belongs to another run: its {what}( differs)?.*Resume with the same"
    ):
        train(begun, resume=True, epochs=8, model=model, **other)
    for a, b in zip(arrays(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert steps(begun) == files


def test_another_optimiser_of_the_same_shape_is_refused(tmp_path):
    """These two close over the same kinds of numbers, in the same places."""
    train(tmp_path, epochs=1, rule=pz.GradientDescent(optax.rprop(0.01)))
    with pytest.raises(ValueError, match="belongs to another run: its rule differs"):
        train(tmp_path, True, epochs=2, rule=pz.GradientDescent(optax.yogi(0.01)))


def test_another_number_that_does_not_learn_is_refused(tmp_path):
    """It is not in the checkpoint, but in the model: nothing else would notice."""
    train(tmp_path, epochs=2, model=build(loss=pz.losses.GLVQ("sigmoid", steepness=5.0)))
    with pytest.raises(ValueError, match="belongs to another run: its numbers that do not learn"):
        train(tmp_path, True, epochs=4, model=build(loss=pz.losses.GLVQ("sigmoid", steepness=6.0)))
    train(tmp_path, True, epochs=4, model=build(loss=pz.losses.GLVQ("sigmoid", steepness=5.0)))


def test_another_function_without_a_name_is_refused(tmp_path):
    """All of them are called the same."""

    def run(transfer, part, resume: bool):
        rule = pz.GradientDescent({part: optax.sgd(0.1), "rest": optax.sgd(0.1)})
        train(tmp_path, resume, epochs=2, model=build(loss=pz.losses.GLVQ(transfer)), rule=rule)

    run(
        lambda t, steepness: t * 2 if t.dtype.name in {"float16", "float32"} else t,
        lambda m: m.metric,
        False,
    )
    run(
        lambda t, steepness: t * 2 if t.dtype.name in {"float16", "float32"} else t,
        lambda m: m.metric,
        True,
    )
    with pytest.raises(ValueError, match=r"its model\.loss\.transfer differs"):
        run(
            lambda t, steepness: t * 3 if t.dtype.name in {"float16", "float32"} else t,
            lambda m: m.metric,
            True,
        )
    with pytest.raises(ValueError, match=r"its rule\.parts\[0\] differs"):
        run(
            lambda t, steepness: t * 2 if t.dtype.name in {"float16", "float32"} else t,
            lambda m: m.prototypes,
            True,
        )


STEEPNESS = 2.0


class Steep:
    """A function with a number of its own."""

    factor = 1.0

    def __init__(self, k: float):
        self.k = k

    def __call__(self, t, steepness):
        return self.factor * self.k * t


def steep(t, steepness, k):
    return k * t


def reads_a_global(t, steepness):
    return STEEPNESS * t


def decorated(k: float):
    def wrap(function):
        return functools.wraps(function)(lambda t, steepness: k * function(t, steepness))

    return wrap(lambda t, steepness: t)


def default(k: float):
    def function(t, steepness, k=k):
        return k * t

    return function


MAKERS = {
    "closure": lambda k: lambda t, steepness: k * t,
    "closure over a container": lambda k: (lambda c: lambda t, steepness: c["k"][0] * t)(
        {"k": [k]}
    ),
    "closure over a function": lambda k: (lambda f: lambda t, steepness: f(t, steepness))(
        lambda t, steepness: k * t
    ),
    "closure over an array": lambda k: (lambda c: lambda t, steepness: c[1] * t)(np.arange(2) * k),
    "closure over fields": lambda k: (lambda c: lambda t, steepness: c.k * t)(
        types.SimpleNamespace(k=k)
    ),
    "default": default,
    "partial": lambda k: functools.partial(steep, k=k),
    "instance": Steep,
    "method": lambda k: Steep(k).__call__,
    "attribute of a class": lambda k: type("Own", (Steep,), {"factor": k})(1.0),
    "decorator": decorated,
    "compiled": lambda k: jax.jit(lambda t, steepness: k * t),
    "compiled partial": lambda k: jax.jit(functools.partial(steep, k=k)),
    "vectorised": lambda k: jax.vmap(lambda t, steepness: k * t),
    "closure over a library's function": lambda k: (lambda f: lambda t: 2 * f(t))(
        optax.exponential_decay(k, 10, 0.5)
    ),
    "object of a library": lambda k: np.vectorize(lambda t: k * t),
    "another function of a library": lambda k: functools.partial(map, np.sin if k > 2 else np.cos),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_a_function_holds_is_compared(kind):
    one, same, other = (MAKERS[kind](k) for k in (2.0, 2.0, 3.0))
    assert dict(functions_in([one], "f")).keys() == {"f[0]"}
    assert held_by(one) == held_by(same) != held_by(other)


def test_a_global_that_a_function_reads_is_compared(monkeypatch):
    before = held_by(reads_a_global)
    assert held_by(lambda t: reads_a_global(t, 1)) == held_by(lambda t: reads_a_global(t, 1))
    monkeypatch.setitem(globals(), "STEEPNESS", 3.0)
    assert held_by(reads_a_global) != before


def test_a_function_that_calls_itself_is_described():
    def deeper(n):
        return deeper(n - 1) if n else 0

    assert held_by(deeper) == held_by(deeper)


def test_another_value_in_a_function_is_refused(tmp_path):
    """Of the model, and of an optimiser's schedule."""

    def run(k: float, rate: float, resume: bool = True):
        model = build(loss=pz.losses.GLVQ(lambda t, steepness: k * t))
        rule = pz.GradientDescent(optax.adam(schedules[rate]))
        return train(tmp_path, resume, epochs=1, model=model, rule=rule)

    schedules = {0.1: lambda count: 0.1, 0.2: lambda count: 0.2}
    first = run(2.0, 0.1, resume=False)
    assert_same(run(2.0, 0.1), first)
    with pytest.raises(ValueError, match=r"its model\.loss\.transfer differs"):
        run(3.0, 0.1)
    with pytest.raises(ValueError, match=r"its rule\.optimiser.* differs"):
        run(2.0, 0.2)


def test_whole_numbers_that_do_not_learn_are_compared(tmp_path):
    model = pz.zoo.GrowingNeuralGas(X, key=0)

    def run(model, resume: bool):
        trainer = pz.Trainer(
            pz.GradientDescent("sgd", 0.1), 1, checkpoints=pz.Checkpoints(tmp_path, 1)
        )
        return trainer.fit(model, X, key=0, resume=resume)

    run(model, False)
    alive = model.loss.cooperation.alive
    other = eqx.tree_at(lambda m: m.loss.cooperation.alive, model, jnp.ones_like(alive))
    with pytest.raises(ValueError, match="numbers that do not learn differs"):
        run(other, True)


def test_a_run_begins_in_an_empty_directory_only(begun, tmp_path):
    files = steps(begun)
    with pytest.raises(
        ValueError, match="already holds checkpoints: continue them with `resume=True`"
    ):
        train(begun)
    assert steps(begun) == files
    with pytest.raises(
        ValueError, match="`resume` continues from `checkpoints`, and this trainer has none"
    ):
        train(resume=True)
