"""Checkpoints that are damaged, locked, old or somebody else's; programs that are started again
whenever they were killed."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from interrupted import (
    ENVIRONMENT,
    TRAIN,
    VALIDATION,
    Interruption,
    X,
    Y,
    assert_same,
    build,
    steps,
    train,
)
from zoo import sampled

import protozoo as pz
from protozoo.training import Checkpoints, HistoryFile, TensorBoard
from protozoo.training._checkpoints import Store, occupied


EPOCHS, EVERY, SCALE = 8, 3, 2.0
OLD = Path(__file__).parents[1] / "data" / "checkpoints-1"


class Killed(BaseException):
    """What nobody catches."""


class Kill(pz.training.AbstractCallback):
    """Ends the program after an epoch; 0: before the first one."""

    every = 1

    def __init__(self, at: int | None = None):
        self.at = at

    def on_fit_start(self, view):
        self._strike(view.epoch)

    def on_chunk_end(self, view):
        self._strike(view.epoch)

    def on_fit_end(self, view):
        pass

    def _strike(self, epoch: int) -> None:
        if epoch == self.at:
            raise Killed


# The same program, started again.


@pytest.mark.parametrize("kind", ["history.csv", "history.jsonl", "events"])
@pytest.mark.parametrize("at", sampled(range(EPOCHS), {1, 3}))
def test_a_program_that_was_killed_after_any_epoch_gets_to_the_same_end(tmp_path, at, kind):
    """Before the first checkpoint, too, with callbacks that have written already."""
    recorder = TensorBoard if kind == "events" else HistoryFile

    def program(place: Path, at: int | None) -> pz.training.Fit:
        callbacks = [recorder(place / kind, every=1), Kill(at)]
        return train(place / "run", resume=True, epochs=EPOCHS, callbacks=callbacks)

    with pytest.raises(Killed):
        program(tmp_path / "killed", at)
    assert steps(tmp_path / "killed" / "run") == {str(step) for step in (3, 6) if step < at} | (
        {str(at)} if at and at % EVERY == 0 else set()
    )
    # Twice: what a killed program left is not in the way of another one that is killed.
    with pytest.raises(Killed):
        program(tmp_path / "killed", at)
    fit = program(tmp_path / "killed", None)
    assert_same(fit, program(tmp_path / "whole", None))
    if recorder is HistoryFile:
        assert (tmp_path / "killed" / kind).read_bytes() == (tmp_path / "whole" / kind).read_bytes()


def test_without_checkpoints_a_resumed_run_begins(tmp_path):
    assert_same(train(tmp_path / "new" / "run", resume=True, epochs=4), train(epochs=4))


@pytest.mark.parametrize("kind", ["history.csv", "history.jsonl"])
def test_the_history_of_another_fit_is_not_continued_from_the_start(tmp_path, kind):
    """Before the first checkpoint nothing tells whose the file is, but its rows."""
    other = pz.GradientDescent(optax.adam(0.1))
    train(epochs=5, rule=other, callbacks=[HistoryFile(tmp_path / kind, every=1)])
    before = (tmp_path / kind).read_bytes()
    for epochs in (EPOCHS, 2):
        with pytest.raises(ValueError, match="is not what this fit wrote so far"):
            train(
                tmp_path / f"run-{epochs}",
                resume=True,
                epochs=epochs,
                callbacks=[HistoryFile(tmp_path / kind, every=1)],
            )
        assert (tmp_path / kind).read_bytes() == before
    (tmp_path / kind).write_bytes(b"precious\n")
    for resume in (False, True):
        with pytest.raises(ValueError, match="is not what this fit wrote so far"):
            train(
                tmp_path / "run",
                resume,
                epochs=2,
                callbacks=[HistoryFile(tmp_path / kind, every=1)],
            )
        assert (tmp_path / kind).read_bytes() == b"precious\n"


@pytest.mark.parametrize("kind", ["history.csv", "history.jsonl"])
@pytest.mark.parametrize("left", [-1, -4])
def test_a_history_that_was_killed_within_a_row_goes_on(tmp_path, kind, left):
    train(epochs=EPOCHS, callbacks=[HistoryFile(tmp_path / kind, every=1)])
    whole = (tmp_path / kind).read_bytes()
    rows = whole.splitlines(keepends=True)
    (tmp_path / kind).write_bytes(b"".join(rows[:3]) + rows[3][:left])
    train(
        tmp_path / "run",
        resume=True,
        epochs=EPOCHS,
        callbacks=[HistoryFile(tmp_path / kind, every=1)],
    )
    assert (tmp_path / kind).read_bytes() == whole


def test_a_run_that_ends_earlier_than_the_time_before_takes_its_rows_back(tmp_path):
    train(epochs=EPOCHS, callbacks=[HistoryFile(tmp_path / "long.csv", every=1)])
    train(epochs=5, callbacks=[HistoryFile(tmp_path / "short.csv", every=1)])
    train(
        tmp_path / "run",
        resume=True,
        epochs=5,
        callbacks=[HistoryFile(tmp_path / "long.csv", every=1)],
    )
    assert (tmp_path / "long.csv").read_bytes() == (tmp_path / "short.csv").read_bytes()


# Phases.


def phases(
    place: Path | None, resume: bool, kill: tuple[int, int] | None = None
) -> pz.training.Fit:
    """Two phases of three epochs, of which one is killed."""

    def phase(i: int, freeze: str) -> pz.Trainer:
        callbacks: list[Any] = [Kill(kill[1] if kill is not None and kill[0] == i else None)]
        if place is not None:
            callbacks.insert(0, HistoryFile(place / f"{i}.csv", every=1))
        return pz.Trainer(
            pz.GradientDescent(optax.adam(0.2)),
            3,
            batch_size=16,
            freeze=freeze,
            callbacks=callbacks,
        )

    checkpoints = None if place is None else Checkpoints(place / "run", 2)
    both = pz.Phases([phase(0, "metric"), phase(1, "prototypes")], checkpoints)
    return both.fit(build(), *TRAIN, key=jax.random.key(1), validation=VALIDATION, resume=resume)


@pytest.mark.parametrize(
    "at", sampled([(i, epoch) for i in range(2) for epoch in range(4)], {(0, 1), (0, 3), (1, 2)})
)
def test_phases_that_were_killed_after_any_epoch_get_to_the_same_end(tmp_path, at):
    with pytest.raises(Killed):
        phases(tmp_path, True, at)
    # What Orbax was writing that moment.
    last = sorted((tmp_path / "run").iterdir())[-1]
    (last / "2.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    assert_same(phases(tmp_path, True), phases(None, False))
    assert all(
        name.isdigit() for folder in (tmp_path / "run").iterdir() for name in os.listdir(folder)
    )


@pytest.mark.nightly
def test_a_program_that_is_killed_at_random_moments_gets_to_the_same_end(tmp_path):
    """From before it has imported anything to the end of its second phase."""
    chance = random.Random(0)
    for attempt in range(5):
        place = tmp_path / str(attempt)
        for _ in range(8):
            with subprocess.Popen([sys.executable, __file__, place], env=ENVIRONMENT) as process:
                time.sleep(chance.uniform(2, 20))
                process.kill()
        assert_same(phases(place, True), phases(None, False))
        for i in range(2):
            assert len((place / f"{i}.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("at", [2, 3])
def test_what_a_callback_stopped_stays_stopped(tmp_path, at):
    """At an epoch that has a checkpoint already, and at another one; the phase after it is not
    begun."""

    class Stop(Interruption):
        def on_chunk_end(self, view) -> bool:
            return view.epoch >= at

    def run(*callbacks: Any) -> pz.training.Fit:
        rule = pz.GradientDescent(optax.adam(0.2))
        trainers = [pz.Trainer(rule, 5, callbacks=callbacks), pz.Trainer(rule, 1)]
        both = pz.Phases(trainers, Checkpoints(tmp_path, 2))
        return both.fit(build(), *TRAIN, key=jax.random.key(1), resume=True)

    first = run(Stop())
    assert (first.epochs, first.reason) == (at, "callback")
    assert_same(run(Stop()), first)
    assert (run().epochs, run().reason) == (6, "max epochs")


def test_a_second_run_of_phases_is_refused_at_once(tmp_path):
    """Also between two phases, when neither has its directory."""
    with occupied(Checkpoints(tmp_path / "run"), None):
        with pytest.raises(ValueError, match="`directory` .* is in use by this process"):
            phases(tmp_path, resume=True)
    assert os.listdir(tmp_path / "run") == []


# Damage.


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """A run that ended after nine of twelve epochs, with checkpoints of the third, the sixth and
    the ninth."""
    place = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Killed):
        train(place, epochs=12, checkpoints=Checkpoints(place, 3, keep=3), callbacks=[Kill(9)])
    assert steps(place) == {"3", "6", "9"}
    return place


@pytest.fixture(scope="module")
def whole() -> pz.training.Fit:
    return train(epochs=12)


def resumed(place: Path, **settings: Any) -> pz.training.Fit:
    return train(
        place, resume=True, epochs=12, checkpoints=Checkpoints(place, 3, keep=3), **settings
    )


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.stat().st_size)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def replaced_by(kind: str, folder: Path) -> None:
    shutil.rmtree(folder)
    if kind == "file":
        folder.write_text("words")
    elif kind == "dangling link":
        folder.symlink_to("nowhere")
    elif kind == "link to itself":
        folder.symlink_to(folder.name)
    else:
        (folder.parent / "elsewhere").mkdir()
        folder.symlink_to("elsewhere", target_is_directory=True)


def each_file(change: Any, folder: Path) -> None:
    for file in files(folder):
        file.write_bytes(change(file.read_bytes()))


def flipped(bits: bytes, at: int) -> bytes:
    return bits[: at // 8] + bytes([bits[at // 8] ^ (1 << at % 8)]) + bits[at // 8 + 1 :]


DAMAGE = {
    "empty folder": empty,
    "file in its place": lambda folder: replaced_by("file", folder),
    "dangling link": lambda folder: replaced_by("dangling link", folder),
    "link to itself": lambda folder: replaced_by("link to itself", folder),
    "link to an empty folder": lambda folder: replaced_by("link", folder),
    "no state": lambda folder: shutil.rmtree(folder / "state"),
    "nested checksums": lambda folder: (folder / "checksums.json").write_bytes(b"[" * 100_000),
    "endless checksums": lambda folder: (folder / "checksums.json").write_bytes(b" " * 2**24),
    "no note": lambda folder: shutil.rmtree(folder / "note"),
    "all zeros": lambda folder: each_file(lambda bits: bytes(len(bits)), folder),
    "all empty": lambda folder: each_file(lambda bits: b"", folder),
    "all cut off": lambda folder: each_file(lambda bits: bits[: len(bits) // 2], folder),
    "all longer": lambda folder: each_file(lambda bits: bits + b"0", folder),
    "no checksums, all zeros": lambda folder: (
        (folder / "checksums.json").unlink(),
        each_file(lambda bits: bytes(len(bits)), folder / "note"),
    ),
    "checksums of nothing": lambda folder: (folder / "checksums.json").write_text("[]"),
}


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of Orbax, where checksums are gone
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, begun, whole, damage):
    place = tmp_path / "run"
    shutil.copytree(begun, place)
    DAMAGE[damage](place / "9")
    with pytest.warns(
        UserWarning, match=r"run/9' is damaged \(.*\)\. Training continues from epoch 6\."
    ):
        assert_same(resumed(place), whole)
    # Its place is taken by what is whole, to which nobody objects.
    assert {"9", "12"} <= steps(place)
    assert_same(resumed(place), whole)
    shutil.rmtree(place / "12")
    assert_same(resumed(place), whole)


def test_a_checkpoint_may_be_moved_and_linked(tmp_path, begun, whole):
    place = tmp_path / "run"
    shutil.copytree(begun, place)
    shutil.move(place / "9", tmp_path / "elsewhere")
    (place / "9").symlink_to("../elsewhere", target_is_directory=True)
    started = []
    assert_same(resumed(place, callbacks=[Meanwhile(started.append)]), whole)
    assert started == [9]
    # Another folder's link is removed in its time, and not what it leads to.
    assert_same(resumed(place), whole)
    train(place, resume=True, epochs=30, checkpoints=Checkpoints(place, 3, keep=1))
    assert (tmp_path / "elsewhere" / "checksums.json").exists() and "9" not in steps(place)


def damage_somewhere(
    begun: Path, whole: pz.training.Fit, place: Path, chance: random.Random
) -> None:
    """Some bytes of some files of the two latest checkpoints."""
    shutil.copytree(begun, place)
    hit = set()
    for step in chance.choice([["9"], ["9"], ["6", "9"], ["6"]]):
        hit.add(step)
        file = chance.choice(files(place / step))
        bits = file.read_bytes()
        # Without its checksums, a checkpoint is one of an earlier version, and taken as it is.
        change = chance.randrange(3 if file.name == "checksums.json" else 4)
        if change == 0:
            file.write_bytes(flipped(bits, chance.randrange(8 * len(bits))))
        elif change == 1:
            file.write_bytes(bits[: chance.randrange(len(bits))])
        elif change == 2:
            at = chance.randrange(len(bits))
            other = bytes([bits[at] ^ 1]) + bytes(chance.randrange(50))
            file.write_bytes(bits[:at] + other + bits[at + 1 :])
        else:
            file.unlink()
    if "9" in hit:
        with pytest.warns(UserWarning, match=f"continues from epoch {3 if '6' in hit else 6}"):
            assert_same(resumed(place), whole)
    else:
        assert_same(resumed(place), whole)
    shutil.rmtree(place)


def test_damage_at_random_places_is_noticed(tmp_path, begun, whole):
    chance = random.Random(0)
    for _ in range(6):
        damage_somewhere(begun, whole, tmp_path / "run", chance)


@pytest.mark.nightly
def test_much_damage_at_random_places_is_noticed(tmp_path, begun, whole):
    chance = random.Random(1)
    for _ in range(400):
        damage_somewhere(begun, whole, tmp_path / "run", chance)


def test_every_file_of_a_checkpoint_is_watched(tmp_path, begun):
    for file in files(begun / "9"):
        place = tmp_path / "run"
        shutil.copytree(begun, place)
        target = place / "9" / file.relative_to(begun / "9")
        target.write_bytes(flipped(target.read_bytes(), 3))
        store = Store(Checkpoints(place), {}, resume=True)
        try:
            with pytest.warns(UserWarning, match="continues from epoch 6"):
                store.restore(_like(begun))
        finally:
            store.close()
        shutil.rmtree(place)


def _like(place: Path) -> Any:
    """The shapes of a state, as Orbax finds them."""
    from orbax.checkpoint import v1 as ocp

    leaves = ocp.load_checkpointables(str(place / "6"), {"state": None})["state"]
    return [np.asarray(leaves[str(i)]) for i in range(len(leaves))]


@pytest.mark.parametrize("copies", ["9", "369"])
def test_without_an_intact_checkpoint_there_is_a_remedy(tmp_path, begun, copies):
    place = tmp_path / "run"
    shutil.copytree(
        begun,
        place,
        ignore=lambda folder, names: {"3", "6", "9"} - set(copies) if Path(folder) == begun else [],
    )
    for step in copies:
        empty(place / step)
    message = (
        rf"none of the {len(copies)} checkpoints in .* is intact; that of epoch 9: .*Bring "
        rf"them back.*or remove the dir"
    )
    with pytest.raises(ValueError, match=message):
        resumed(place)
    assert steps(place) == set(copies)
    with pytest.raises(ValueError, match="already holds checkpoints"):
        train(place, epochs=12)


def test_arrays_are_checked_where_files_are_not(tmp_path, begun):
    """The second check: against whatever happens between a file and an array."""
    from orbax.checkpoint import v1 as ocp

    place = tmp_path / "run"
    shutil.copytree(begun, place)
    found = ocp.load_checkpointables(str(place / "9"), {"state": None, "note": None})
    name = max(found["state"], key=lambda n: found["state"][n].size)
    found["state"][name] = found["state"][name] + np.asarray(1, found["state"][name].dtype)
    shutil.rmtree(place / "9")
    ocp.save_checkpointables(str(place / "9"), found)
    store = Store(Checkpoints(place), {}, resume=True)
    try:
        with pytest.warns(
            UserWarning, match=f"9' is damaged .array {name} of its state was changed"
        ):
            store.restore(_like(begun))
    finally:
        store.close()


@pytest.mark.parametrize(
    "name", ["2.orbax-checkpoint-tmp", "09", "+9", "9.5", "٣", "1e3", "latest"]
)
def test_other_folders_are_no_checkpoints(tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    assert_same(train(tmp_path / "run", resume=True, epochs=2), train(epochs=2))


# One run in a directory.


class Meanwhile(pz.training.AbstractCallback):
    """Does something else while training goes on."""

    every = 1

    def __init__(self, act):
        self.act = act

    def on_fit_start(self, view):
        self.act(view.epoch)

    def on_chunk_end(self, view):
        pass

    def on_fit_end(self, view):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_one_directory_is_refused_at_once(tmp_path, resume):
    refused = []

    def second(epoch):
        began = time.monotonic()
        with pytest.raises(
            ValueError, match="`directory` .* is in use by this process: two runs cannot share it"
        ):
            train(tmp_path / "run", resume, epochs=4)
        refused.append(time.monotonic() - began)

    fit = train(tmp_path / "run", epochs=4, callbacks=[Meanwhile(second)])
    assert_same(fit, train(epochs=4))
    assert len(refused) == 1 and refused[0] < 10
    assert ".lock" not in steps(tmp_path / "run")


def test_a_run_in_another_process_is_named(tmp_path):
    program = (
        "import sys, pathlib\nfrom protozoo.persistence._lock import Lock\n"
        "lock = Lock(pathlib.Path(sys.argv[1])); lock.acquire(); print('held', flush=True); "
        "sys.stdin.read()\n"
    )
    (tmp_path / "run").mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(pz.__file__).parents[1])}
    command = [sys.executable, "-c", program, str(tmp_path / "run" / ".lock")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(ValueError, match=f"is in use by process {process.pid} on "):
            train(tmp_path / "run", resume=True, epochs=2)
        process.kill()
        process.wait()
        # Its file is still there, and locks nothing.
        assert steps(tmp_path / "run") == {".lock"}
        train(tmp_path / "run", resume=True, epochs=2)
    assert ".lock" not in steps(tmp_path / "run")


def test_a_failed_start_leaves_the_directory_free(tmp_path):
    (tmp_path / "run" / "3").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="already holds checkpoints"):
            train(tmp_path / "run", epochs=2)


def test_threads_train_at_once_each_in_its_directory(tmp_path):
    results: dict[int, Any] = {}

    def run(i: int) -> None:
        try:
            results[i] = train(tmp_path / str(i), epochs=9)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "it hangs"
    expected = train(epochs=9)
    for i in range(3):
        assert_same(results[i], expected)
        assert_same(train(tmp_path / str(i), resume=True, epochs=9), expected)


# Where checkpoints may be.


@pytest.mark.parametrize("name", ["lr[0.1]", "a*", "what?", "back\\slash", "x/lr[0.1]/y", "\udc80"])
def test_a_path_that_orbax_cannot_read_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match="`directory`"):
        Checkpoints(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_relative_path_is_judged_where_it_is_used(tmp_path, monkeypatch):
    (tmp_path / "[here]").mkdir()
    checkpoints = Checkpoints("run")
    monkeypatch.chdir(tmp_path / "[here]")
    with pytest.raises(ValueError, match=r"`directory` must not have '\['"):
        train(checkpoints=checkpoints, epochs=2)
    assert os.listdir(tmp_path / "[here]") == []


@pytest.mark.parametrize("name", ["a]b", "δ", "a b", "x" * 250, "~", "%41", "{a,b}", "link"])
def test_a_path_that_is_taken_works(tmp_path, name):
    if name == "link":
        (tmp_path / "disk").mkdir()
        (tmp_path / name).symlink_to("disk", target_is_directory=True)
    train(tmp_path / name, epochs=2)
    assert_same(train(tmp_path / name, resume=True, epochs=4), train(epochs=4))


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("words")
    for name in ("file", "file/run"):
        with pytest.raises(ValueError, match="`directory`"):
            train(tmp_path / name, epochs=2)


def test_a_checkpoint_that_cannot_be_written_names_its_directory(tmp_path, monkeypatch):
    """The disk is full, say, of which Orbax tells in words of its own."""
    from orbax.checkpoint import v1 as ocp

    class Response:
        def result(self):
            raise ValueError("RESOURCE_EXHAUSTED: Error writing local file")

    train(tmp_path, epochs=3)
    with monkeypatch.context() as patch:
        patch.setattr(ocp, "save_checkpointables_async", lambda *given: Response())
        what = rf"epoch 6 could not be written to '{tmp_path}': RESOURCE.*whole checkpoints: 3"
        with pytest.raises(OSError, match=what):
            train(tmp_path, resume=True, epochs=6)
    assert_same(train(tmp_path, resume=True, epochs=6), train(epochs=6))


def test_a_fit_by_name_is_resumed(tmp_path):
    """With the same key, it begins with the same model."""

    def fit(*callbacks: Any, **options: Any) -> pz.training.Fit:
        return pz.fit("GLVQ", *TRAIN, epochs=4, callbacks=callbacks, **options)

    where = Checkpoints(tmp_path, 2)
    with pytest.raises(Killed):
        fit(Kill(3), checkpoints=where, resume=True)
    assert_same(fit(checkpoints=where, resume=True), fit())
    with pytest.raises(ValueError, match="`resume` continues from `checkpoints`"):
        fit(resume=True)
    with pytest.raises(ValueError, match="`resume` belongs to the training of one model"):
        fit(resume=True, restarts=2)


# What may change, and what may not.


def test_what_may_change_from_one_part_to_the_next(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, epochs=6, callbacks=[Kill(4)])
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("samples",))
    settings = {"checkpoints": Checkpoints(tmp_path, 5, keep=1), "progress": True, "sharding": mesh}
    assert_same(train(tmp_path, resume=True, epochs=9, **settings), train(epochs=9))


def test_a_run_is_not_made_shorter_than_it_is(tmp_path):
    train(tmp_path, epochs=6)
    with pytest.raises(ValueError, match="`epochs` is 5, and the checkpoint is that of epoch 6"):
        train(tmp_path, resume=True, epochs=5)
    assert_same(train(tmp_path, resume=True, epochs=6), train(epochs=6))


def test_the_model_that_a_run_returned_is_not_the_one_it_started_from(tmp_path):
    fit = train(tmp_path, epochs=3)
    with pytest.raises(ValueError, match="its start model differs"):
        train(tmp_path, resume=True, epochs=6, model=fit.model)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"seed": 1}, r"seed differs \(0, not 1\)"),
        ({"block": 2}, r"block differs \(64, not 2\)"),
        ({"batch_size": 20}, r"batch_size differs \(16, not 20\)"),
        ({"x": X[:50], "y": Y[:50]}, "data shape"),
        ({"x": X.astype(np.float64)}, r"data dtype differs .*float32.* not .*float64"),
        ({"x": X + 1}, "data differs"),
        ({"y": Y[::-1]}, "data differs"),
        ({"x": np.where(np.arange(len(X))[:, None] == 2, 0, X)}, "data in memory differs"),
        ({"transform": lambda x: x / SCALE}, "transform differs"),
        ({"class_weight": np.array([1, 1, 1 + 1e-9])}, "weights of classes differs"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_stream_that_knows_itself_is_compared(tmp_path, change, what):
    def run(**stream: Any) -> pz.training.Fit:
        stream = {"x": X, "y": Y, "batch_size": 16} | stream
        trainer = pz.Trainer(
            pz.GradientDescent(optax.adam(0.2)), 3, checkpoints=Checkpoints(tmp_path, 2)
        )
        weight = stream.pop("class_weight", {k: 1.0 for k in range(3)})
        batches = pz.training.Slices(stream.pop("x"), stream.pop("y"), **stream)
        given = {"class_weight": weight, "resume": True}
        return trainer.fit(build(), batches, key=jax.random.key(0), **given)

    first = run()
    assert_same(run(class_weight=np.ones(3)), first)
    with pytest.raises(ValueError, match=f"its {what}"):
        run(**change)


# Checkpoints of older versions.


def test_a_checkpoint_of_an_older_version_is_read(tmp_path):
    """Written when there were no checksums, with its metrics in a folder of their own."""
    shutil.copytree(OLD, tmp_path / "run")
    like = {
        "a": jnp.zeros(3),
        "b": jnp.asarray(0, jnp.int32),
        "empty": jnp.zeros((0, 2)),
        "half": jnp.zeros(1, jnp.bfloat16),
    }
    note = {
        "settings": {"batch_size": 16, "restore_best": True, "precision": None},
        "key": [0, 1],
        "start model": "x",
    }
    store = Store(Checkpoints(tmp_path / "run", every=2), note, resume=True)
    try:
        state, history = store.restore(like)
        np.testing.assert_array_equal(state["a"], [4, 5, 6])
        assert int(state["b"]) == 4 and state["half"][0] == 1.5
        np.testing.assert_array_equal(history["loss"], [1, 0.75, 0.5, 0.25])
        store.save(6, state, {"loss": np.zeros(6)})
    finally:
        store.close()
    assert steps(tmp_path / "run") == {"4", "6"}
    for other in (
        {"settings": {"batch_size": 8}},
        {"settings": {"restore_best": False}},
        {"key": [0, 2]},
    ):
        store = Store(Checkpoints(OLD), note | other, resume=True)
        try:
            with pytest.raises(
                ValueError,
                match="belongs to another run: its (batch_size|restore_best|key) differs",
            ):
                store.restore(like)
        finally:
            store.close()


def test_a_run_of_an_older_version_is_continued(tmp_path, begun, whole):
    """With what its notes tell."""
    from orbax.checkpoint import v1 as ocp

    place = tmp_path / "run"
    for step in ("6", "9"):
        found = ocp.load_checkpointables(str(begun / step), {"state": None, "note": None})
        note = json.loads(np.asarray(found["note"]["json"]).tobytes())
        for later in ("start model", "numbers", "stream", "arrays"):
            del note[later]
        note["settings"] = [note["settings"]["batch_size"], note["settings"]["restore_best"]]
        text = np.frombuffer(json.dumps(note).encode(), np.uint8)
        ocp.save_checkpointables(
            str(place / step), {"state": found["state"], "note": {"json": text}}
        )
    with pytest.raises(ValueError, match="its batch_size differs"):
        resumed(place, batch_size=8)
    assert_same(resumed(place), whole)


if __name__ == "__main__":
    phases(Path(sys.argv[1]), resume=True)
