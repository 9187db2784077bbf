"""Saved models whose files meet everything that happens to files: kills, races, damage, malice, odd
names."""

import copy
import errno
import getpass
import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES

import protozoo as pz
from protozoo.persistence import _files, _lock, digest
from protozoo.persistence._structure import layout


DATA = Path(__file__).parents[1] / "data" / "format-1"
OLD, NEW = (
    {"weights": jnp.arange(300.0), "name": "old"},
    {"weights": jnp.ones((7, 50)), "bias": np.ones(3), "name": "new"},
)


def same(one: Any, other: Any) -> bool:
    """The same structure and the same bits."""
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=False)
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        a == b if isinstance(a, str) else np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in leaves
    )


def listing(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def assert_nothing_else_there(path: Path) -> None:
    """One model, and nothing beside it or in it that a save left behind."""
    assert listing(path.parent) == [path.name]
    record = json.loads((path / "structure.json").read_text())
    assert listing(path) == sorted(["structure.json", record["arrays"]["file"]])


# Models of format 1.


@pytest.mark.parametrize("name", sorted(os.listdir(DATA)))
def test_models_of_format_1_answer_as_they_did(name):
    model = pz.load(DATA / name)
    with np.load(DATA / name / "answers.npz") as answers:
        np.testing.assert_allclose(
            model.distances(answers["x"]), answers["distances"], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            model.predict_proba(answers["x"]), answers["probabilities"], rtol=1e-4, atol=1e-5
        )


def test_a_model_of_format_1_is_saved_again_in_today_s(tmp_path):
    shutil.copytree(DATA / "GMLVQ", tmp_path / "model")
    (tmp_path / "model" / "answers.npz").rename(tmp_path / "answers.npz")
    model = pz.load(tmp_path / "model")
    pz.save(tmp_path / "model", model, overwrite=True)
    (tmp_path / "answers.npz").unlink()
    assert same(pz.load(tmp_path / "model"), model)
    assert_nothing_else_there(tmp_path / "model")


def put_arrays(directory: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by Orbax that claim to belong to the structure."""
    from orbax.checkpoint import v1 as ocp

    identity = json.loads((directory / "structure.json").read_text())["sha256"]
    shutil.rmtree(directory / "arrays")
    ocp.save(
        str(directory / "arrays"),
        {"sha256": np.frombuffer(bytes.fromhex(identity), np.uint8), **arrays},
    )


@pytest.fixture
def first(tmp_path) -> Path:
    """A model of format 1 without arrays that matter."""
    structure = {"dict": {"a": {"array": "float32", "shape": [3]}}}
    record = {"format": 1, "protozoo": "0.1.0", "sha256": digest(structure), "structure": structure}
    (tmp_path / "model" / "arrays").mkdir(parents=True)
    (tmp_path / "model" / "structure.json").write_text(json.dumps(record))
    return tmp_path / "model"


def test_format_1_of_a_few_bytes(first):
    put_arrays(first, {"model['a']": np.arange(3, dtype=np.float32)})
    assert same(pz.load(first), {"a": jnp.arange(3.0)})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "found none"),
        (
            {"model['a']": np.zeros(3)},
            "expected an array of float32 with shape .3,., found float64",
        ),
        ({"model['a']": np.zeros(3, np.float32), "b": np.zeros(1)}, "does not mention: b"),
        (
            {"sha256": np.zeros(32, np.uint8)},
            "belong to another model: expected .* found those of '0{64}'",
        ),
        # Zeros that take no room in their files.
        ({"model['a']": np.zeros(2**27, np.float32)}, "would take 536870944 bytes"),
    ],
    ids=["none", "dtype", "more", "another model", "too large"],
)
def test_arrays_of_format_1_that_do_not_fit(first, arrays, message):
    put_arrays(first, arrays)
    with pytest.raises(ValueError, match=message):
        pz.load(first)


def test_damaged_arrays_of_format_1(first):
    with pytest.raises(ValueError, match="the arrays of the model in .* cannot be read"):
        pz.load(first)
    os.rmdir(first / "arrays")
    with pytest.raises(ValueError, match="the arrays of the model in .* are not there"):
        pz.load(first)


# What is written.


def test_a_file_holds_nothing_but_the_model(tmp_path, monkeypatch):
    """Files tell nobody where, when and by whom they were written: they are the same everywhere."""
    model = CASES[0].model
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        pz.save("model", model)
    one, other = tmp_path / "one" / "model", tmp_path / "other" / "model"
    assert listing(one) == listing(other)
    assert len(listing(one)) == 2
    for name in listing(one):
        text = (one / name).read_bytes()
        assert text == (other / name).read_bytes()
        for secret in (
            str(tmp_path),
            socket.gethostname(),
            getpass.getuser(),
            str(Path.home()),
            str(os.getpid()),
        ):
            assert len(secret) < 4 or secret.encode() not in text


def test_other_files_in_the_directory_of_a_model_stay(tmp_path):
    pz.save(tmp_path / "model", OLD)
    for name in ("README.md", "data.partial", "arrays-old.bin"):
        (tmp_path / "model" / name).write_text("words")
    pz.save(tmp_path / "model", NEW, overwrite=True)
    assert same(pz.load(tmp_path / "model"), NEW)
    assert {"README.md", "data.partial", "arrays-old.bin"} < set(listing(tmp_path / "model"))
    assert len(listing(tmp_path / "model")) == 5


def test_what_a_model_may_not_be_is_refused_before_anything_is_written(tmp_path):
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for model, message in (
        (deep, "lies too deep"),
        ({"k" * 5000: 1}, "lies too deep"),
        (10**2000, "is an integer of 6644 bits, which cannot be saved"),
        (["x" * 2**23], "the structure of this model takes 83888"),
    ):
        with pytest.raises(ValueError, match=message):
            pz.save(tmp_path / "model", model)
    assert listing(tmp_path) == []


def test_what_lies_as_deep_as_it_may_is_loaded(tmp_path):
    deep: Any = 2**2047
    for _ in range(100):
        deep = {"k" * 30: [deep]} if _ % 2 else [deep]
        if _ == 60:
            break
    pz.save(tmp_path / "model", deep)
    assert pz.load(tmp_path / "model") == deep


# Names.

NAMES = [
    *(
        "lr[0.1]",
        "[a]*?",
        "*",
        "back\\slash",
        "a b",
        " ",
        "-rf",
        "~",
        "~root",
        "#%41",
        "a:b|c",
        "δ-模型",
        "ü",
        "..model",
    ),
    *(
        "x" * 250,
        "é" * 120,
        "new\nline",
        "'quoted\"",
        "$HOME",
        "model.partial",
        "arrays",
        "structure.json",
    ),
]


@pytest.mark.parametrize("name", NAMES, ids=[f"{i}" for i in range(len(NAMES))])
def test_a_model_is_found_under_every_name_that_the_file_system_takes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (
        Path(name),
        tmp_path / name / "deeper" / name,
        f"{tmp_path}//{name}/other/../more",
    ):
        pz.save(path, OLD) if path != Path(name) else None
        if path != Path(name):
            assert same(pz.load(path), OLD)
            pz.save(path, NEW, overwrite=True)
            assert same(pz.load(path), NEW)
    shutil.rmtree(tmp_path / name)
    pz.save(name, OLD)
    assert_nothing_else_there(tmp_path / name)
    assert same(pz.load(tmp_path / name), OLD)


@pytest.mark.parametrize(
    "name",
    [
        "x" * 256,
        "nul\0",
        "\ud800",
        "file/model",
        "file/more/model",
        "loop/model",
        "x/" * 2040 + "xxxx",
    ],
)
def test_a_path_that_no_file_can_have_is_refused_before_anything_is_written(name, tmp_path):
    (tmp_path / "file").write_text("words")
    (tmp_path / "loop").symlink_to("loop")
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="`path`"):
        pz.save(tmp_path / name, OLD)
    with pytest.raises(ValueError, match=r"`path`|no saved model|cannot be read"):
        pz.load(tmp_path / name)
    assert listing(tmp_path) == before
    assert (tmp_path / "file").read_text() == "words"


@pytest.mark.parametrize("path", [None, 3, b"model", ["model"]])
def test_what_is_no_path(path, unchecked):
    for function in (pz.load, lambda path: pz.save(path, OLD)):
        with pytest.raises(TypeError, match="`path` must be a string or a `pathlib.Path`, got"):
            function(path)


def test_links_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk", target_is_directory=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "disk" / "two")
    pz.save(tmp_path / "link" / "one", OLD)
    pz.save(tmp_path / "dangling", OLD)
    pz.save(tmp_path / "dangling", NEW, overwrite=True)
    assert listing(tmp_path / "disk") == ["one", "two"]
    assert same(pz.load(tmp_path / "link" / "two"), NEW)


# Kills.


class Killed(BaseException):
    """What nobody catches."""


class Mortal:
    """The operating system, for a program that dies at one of its calls: from then on none has an
    effect."""

    CALLS = ("open", "write", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "ftruncate")

    def __init__(self, patch: pytest.MonkeyPatch, at: int, halfway: bool = False):
        self.calls, self.at, self.halfway, self.last = 0, at, halfway, ""
        for name in self.CALLS:
            # Nobody pulls the plug of the machine: it need not wait for its disk.
            patch.setattr(
                os, name, self._mortal(name, getattr(os, name) if name != "fsync" else id)
            )

    def _mortal(self, name: str, call: Callable) -> Callable:
        def mortal(*arguments, **options):
            self.calls += 1
            if self.calls >= self.at:
                self.last = self.last or name
                if self.calls == self.at and self.halfway:
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise Killed
            return call(*arguments, **options)

        return mortal


def killed_everywhere(act: Callable[[], None], reset: Callable[[], None]) -> Iterator[int]:
    """Run `act` again and again, killed at its first call, at its second, …, each time from the
    start."""
    for at in range(1, 1000):
        for halfway in (False, True):
            reset()
            with pytest.MonkeyPatch.context() as patch:
                mortal = Mortal(patch, at, halfway)
                try:
                    act()
                except Killed:
                    pass
                else:
                    assert mortal.calls < at
                    assert at > 15, "it did not do much"
                    return
            yield at
            if mortal.last != "write":
                break


def test_killed_at_every_step_of_a_first_save(tmp_path):
    path = tmp_path / "model"
    for _ in killed_everywhere(
        lambda: pz.save(path, NEW), lambda: shutil.rmtree(path, ignore_errors=True)
    ):
        there = path.exists()
        assert not there or same(pz.load(path), NEW)
        pz.save(path, OLD, overwrite=there)
        assert same(pz.load(path), OLD)
        assert_nothing_else_there(path)


@pytest.mark.parametrize("before", ["today", "same arrays", "format 1"])
def test_killed_at_every_step_of_an_overwrite(tmp_path, before):
    path = tmp_path / "model"
    shutil.copytree(DATA / "GMLVQ", tmp_path / "format-1", ignore=lambda *_: ["answers.npz"])
    old = {
        "today": OLD,
        "same arrays": NEW | {"name": "other"},
        "format 1": pz.load(tmp_path / "format-1"),
    }[before]
    pz.save(tmp_path / "today", old)
    source = tmp_path / ("format-1" if before == "format 1" else "today")
    (tmp_path / "place").mkdir()
    path = tmp_path / "place" / "model"

    def reset():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(source, path)

    found = set()
    for _ in killed_everywhere(lambda: pz.save(path, NEW, overwrite=True), reset):
        model = pz.load(path)
        assert same(model, old) or same(model, NEW)
        found.add(same(model, NEW))
        pz.save(path, OLD, overwrite=True)
        assert same(pz.load(path), OLD)
        assert_nothing_else_there(path)
    assert found == {True, False}


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "rename"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, call, overwrite):
    """A full disk, say: unlike a kill, it can be cleaned up after."""
    path = tmp_path / "model"
    if overwrite:
        pz.save(path, OLD)

    def full(*arguments):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        if overwrite and call == "rename":  # only a new model needs it
            pz.save(path, OLD, overwrite=True)
        else:
            with pytest.raises(OSError, match="no space left"):
                pz.save(path, NEW, overwrite=overwrite)
    if overwrite:
        assert same(pz.load(path), OLD)
        assert_nothing_else_there(path)
    else:
        assert listing(tmp_path) == []


WRITER = """
import sys, jax.numpy as jnp, numpy as np, protozoo as pz
old = {"weights": jnp.arange(300.0), "name": "old"}
new = {"weights": jnp.ones((7, 50)), "bias": np.ones(3), "name": "new"}
print("ready", flush=True)
while True:
    pz.save(sys.argv[1], old, overwrite=True)
    pz.save(sys.argv[1], new, overwrite=True)
"""


def without_waiting(patch: pytest.MonkeyPatch) -> None:
    """Many saves, on a machine whose plug nobody pulls."""
    patch.setattr(os, "fsync", id)


def kill_writers(path: Path, kills: int, seed: int) -> None:
    """Processes that save without end are killed at random moments; meanwhile the model is read."""
    chance = random.Random(seed)
    environment = os.environ | {"PYTHONPATH": str(Path(pz.__file__).parents[1])}
    pz.save(path, OLD)
    for _ in range(kills):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            until = time.monotonic() + 0.1 + chance.random() / 2
            while time.monotonic() < until:
                model = pz.load(path)
                assert same(model, OLD) or same(model, NEW)
            writer.send_signal(signal.SIGKILL)
        model = pz.load(path)
        assert same(model, OLD) or same(model, NEW)
    pz.save(path, OLD, overwrite=True)
    assert_nothing_else_there(path)


def test_writers_that_are_killed_at_random(tmp_path):
    kill_writers(tmp_path / "model", kills=1, seed=0)


@pytest.mark.nightly
def test_many_writers_that_are_killed_at_random(tmp_path):
    kill_writers(tmp_path / "model", kills=60, seed=1)


# Races.


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run actions in threads that start at the same time; their results, errors included."""
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = actions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("attempt", range(5))
def test_threads_that_save_to_one_new_path(tmp_path, overwrite, attempt):
    path = tmp_path / "model"
    models = [{"weights": jnp.full(100, float(i))} for i in range(4)]
    results = together(*[lambda m=m: pz.save(path, m, overwrite=overwrite) for m in models])
    if overwrite:
        assert results == [None] * 4
    else:
        (winner,) = [i for i, result in enumerate(results) if result is None]
        assert all("exists" in str(result) for i, result in enumerate(results) if i != winner)
        assert same(pz.load(path), models[winner])
    assert any(same(pz.load(path), model) for model in models)
    assert_nothing_else_there(path)


def test_a_reader_meets_whole_models_only(tmp_path, monkeypatch):
    without_waiting(monkeypatch)
    path, done = tmp_path / "model", threading.Event()
    pz.save(path, OLD)

    def write():
        for _ in range(40):
            pz.save(path, NEW, overwrite=True)
            pz.save(path, OLD, overwrite=True)
        done.set()

    def read():
        found = set()
        while not done.is_set():
            model = pz.load(path)
            assert same(model, OLD) or same(model, NEW)
            found.add(same(model, OLD))
        return found

    results = together(write, read, read)
    assert results == [None, {True, False}, {True, False}]


def test_who_waits_too_long_for_another_save_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "PATIENCE", 0.05)
    with _files._turn(tmp_path / "model", "model"):
        with pytest.raises(
            ValueError, match="this process has been saving to '.*model' for .* try again later"
        ):
            pz.save(tmp_path / "model", OLD)
    pz.save(tmp_path / "model", OLD)


# Locks.


@pytest.fixture(params=["locks of the system", "none"])
def locking(request, monkeypatch) -> None:
    """With and without a file system that has locks."""
    if request.param == "none":
        monkeypatch.setattr(_lock, "_lock", lambda descriptor: None)


def test_a_lock_has_one_owner(tmp_path, locking):
    one, other = _lock.Lock(tmp_path / "lock"), _lock.Lock(tmp_path / "lock")
    one.acquire()
    with pytest.raises(_lock.InUse, match="this process"):
        other.acquire()
    owner = json.loads((tmp_path / "lock").read_text())
    assert (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname())
    one.release()
    one.release()
    assert listing(tmp_path) == []
    other.acquire()
    other.release()


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "dangling link"])
def test_something_else_in_the_place_of_a_lock_is_refused(tmp_path, kind):
    path, precious = tmp_path / "lock", tmp_path / "precious"
    precious.write_text("words")
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(precious if kind == "link" else "nowhere")
    with pytest.raises(ValueError, match="cannot be locked by the file 'lock': .* Remove what"):
        _lock.Lock(path).acquire()
    assert precious.read_text() == "words"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place without files")
def test_where_no_lock_can_be_is_told(tmp_path):
    with pytest.raises(ValueError, match="'/proc' cannot be locked"):
        pz.save("/proc/model", OLD)


def test_a_thread_that_comes_meanwhile_is_told_of_this_process(tmp_path, monkeypatch):
    """Between locking and writing whose lock it is, as slowly as may be."""
    write = _lock._write
    monkeypatch.setattr(_lock, "_write", lambda *given: (time.sleep(0.05), write(*given)))
    told = threading.Event()

    def take():
        lock = _lock.Lock(tmp_path / "lock")
        try:
            lock.acquire()
        except _lock.InUse as error:
            told.set()
            return str(error)
        told.wait(10)
        lock.release()

    assert set(together(take, take)) == {None, "this process"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_named(tmp_path, monkeypatch):
    opened = os.open
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(
        os, "open", lambda path, *a, **k: full if "bin" in str(path) else opened(path, *a, **k)
    )
    with pytest.raises(OSError, match="No space left on device: '.*arrays-.*'") as caught:
        pz.save(tmp_path / "model", OLD)
    assert caught.value.errno == errno.ENOSPC and listing(tmp_path) == []


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (lambda owner: owner | {"pid": dead_process()}, True),
        (
            lambda owner: owner | {"started": "0"},
            True,
        ),  # the number of a process that ended was given to another one
        (lambda owner: owner | {"host": "elsewhere"}, False),
        (lambda owner: owner, False),
        (lambda owner: "torn", True),
        (lambda owner: {"pid": 10**30, "started": None, "host": socket.gethostname()}, True),
    ],
    ids=["ended", "number used again", "another host", "alive", "torn", "no process"],
)
def test_without_locks_of_the_system_a_lock_is_stale_when_its_owner_has_ended(
    tmp_path, monkeypatch, change, stale
):
    monkeypatch.setattr(_lock, "_lock", lambda descriptor: None)
    (tmp_path / "lock").write_text(json.dumps(change(_lock._owner())))
    lock = _lock.Lock(tmp_path / "lock")
    if not stale:
        with pytest.raises(_lock.InUse):
            lock.acquire()
    else:
        lock.acquire()
        lock.release()


def test_a_lock_of_the_system_outlives_nobody(tmp_path):
    """What is written in the file says nothing where the system knows."""
    (tmp_path / "lock").write_text(json.dumps(_lock._owner()))
    lock = _lock.Lock(tmp_path / "lock")
    lock.acquire()
    lock.release()
    program = (
        "import os, sys\nfrom _lock import Lock\n"
        "Lock(__import__('pathlib').Path(sys.argv[1])).acquire()\n"
        "child = os.fork()\n"
        "if not child:\n    print('child', flush=True); sys.stdin.read(); os._exit(0)\n"
        "os._exit(0)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(_lock.__file__).parent)}
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.wait()
        # Its child lives on, and has copies of all that was open.
        lock.acquire()
        lock.release()


# Malice.


def saved(directory: Path, model: Any) -> tuple[Path, dict, bytes]:
    """A saved model, its record and its arrays."""
    pz.save(directory / "model", model)
    (arrays,) = (directory / "model").glob("arrays-*.bin")
    return (
        directory / "model",
        json.loads((directory / "model" / "structure.json").read_text()),
        arrays.read_bytes(),
    )


def signed(record: dict) -> bytes:
    whole = {key: value for key, value in record.items() if key != "sha256"}
    return json.dumps({"sha256": digest(whole), **whole}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format": 2, "structure": ' + b"[" * 950 + b"]" * 950 + b"}",
        b'{"format": ' + b"9" * 5000 + b"}",
        b'{"format": ' + b"9" * 4000 + b"}",
        b'{"format": NaN}',
        b'{"format": 1e999}',
        b'{"format": true}',
        b'{"format": null}',
        b'{"format": -1}',
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 2, "format": 2}',
        b'{"format": 3, "protozoo": ' + b"[" * 400 + b"]" * 400 + b"}",
        b"\xff\xfe{}",
        b"",
        b"null",
        b" " * (2**23 + 1),
        b"[" + b"1," * 2**24 + b"1]",
    ],
    ids=range(19),
)
def test_hostile_text_is_one_error(tmp_path, text):
    (tmp_path / "structure.json").write_bytes(text)
    began = time.monotonic()
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        pz.load(tmp_path)
    assert time.monotonic() - began < 5


HOSTILE = [
    None,
    {"number": 300, "dtype": "int8"},
    {"number": -1, "dtype": "uint64"},
    {"number": 2**70, "dtype": "int64"},
    {"number": 1e300, "dtype": "float32"},
    {"number": 1, "dtype": "float32"},
    {"number": True, "dtype": "int8"},
    {"number": 1, "dtype": "bool"},
    {"number": None, "dtype": "int8"},
    {"number": [1], "dtype": "int8"},
    {"number": {"number": 1, "dtype": "int8"}, "dtype": "int8"},
    {"array": "float32", "shape": None},
    {"array": "float32", "shape": [-3]},
    {"array": "float32", "shape": [2**62, 2**62, 0]},
    {"array": "float32", "shape": [2**39, 0]},
    {"array": "float32", "shape": [0] * 33},
    {"array": "float32", "shape": [True]},
    {"array": "float32", "shape": ["3"]},
    {"array": "float32", "shape": [3.0]},
    {"array": "float32", "shape": [3], "weak": 1},
    {"array": "float32", "shape": [3], "extra": True},
    {"array": "object", "shape": [3]},
    {"array": "f4,f4", "shape": [0]},
    {"array": "S3", "shape": [3]},
    {"array": "M8[ns]", "shape": [0]},
    {"array": "(2,3)f4" * 10000, "shape": [0]},
    {"float": None},
    {"float": "1e5"},
    {"tuple": None},
    {"tuple": [], "dict": {}},
    {"dict": None},
    {"class": None, "fields": {}},
    {"class": "protozoo.metrics.Omega", "fields": None},
    {"class": "protozoo.metrics.Omega", "fields": {"matrix": None, "normalised": None}},
    {"class": "protozoo.losses.RSLVQ", "fields": {"variance": None}},
    {"class": "protozoo.manifolds.Euclidean", "fields": {"shape": None}},
    {"class": "protozoo.manifolds.Euclidean", "fields": {"shape": {"tuple": [-1]}}},
    {"class": "equinox.nn.Linear", "fields": {}},
    {"function": None},
    {"function": "os.system"},
    {"opaque": "os.system"},
    {"opaque": None},
]


@pytest.mark.parametrize("node", HOSTILE, ids=[f"{i}" for i in range(len(HOSTILE))])
def test_a_hostile_node_is_one_error_or_harmless(tmp_path, node):
    """In place of a part of a model, signed, with arrays of any kind."""
    path, record, _ = saved(tmp_path, {"a": [1, 2]})
    record["structure"]["dict"]["a"][1] = node
    for hashes in ({}, {"model['a'][1]": "0" * 64}):
        record["arrays"]["sha256"] = hashes
        (path / "structure.json").write_bytes(signed(record))
        try:
            loaded = pz.load(path)
        except ValueError:
            continue
        assert node is None or "fields" in node or "array" in node, loaded


@pytest.mark.parametrize(
    "kind", ["pipe", "device", "directory", "socket", "link to a device", "dangling link"]
)
@pytest.mark.parametrize("name", ["structure.json", "arrays", "arrays of format 1"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind, name, monkeypatch):
    if name == "arrays of format 1":
        path = tmp_path / "model"
        shutil.copytree(DATA / "GMLVQ", path)
        file = path / "arrays" / "state" / "manifest.ocdbt"
    else:
        path, record, _ = saved(tmp_path, OLD)
        file = path / (name if name == "structure.json" else record["arrays"]["file"])
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        try:
            os.mknod(file, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("devices are made by root alone")
    elif kind == "directory":
        file.mkdir()
    elif kind == "socket":
        monkeypatch.chdir(file.parent)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(file.name)
    else:
        file.symlink_to("/dev/zero" if kind == "link to a device" else "nowhere")
    began = time.monotonic()
    with pytest.raises(ValueError, match=re.escape(str(path))):
        pz.load(path)
    assert time.monotonic() - began < 5


def test_a_sparse_file_of_arrays_is_not_read(tmp_path):
    path, record, _ = saved(tmp_path, OLD)
    with open(path / record["arrays"]["file"], "r+b") as file:
        file.truncate(2**40)
    with pytest.raises(
        ValueError, match="cut off or too long: expected 1200 bytes in .*, found 1099511627776"
    ):
        pz.load(path)


def test_a_link_in_a_hostile_model_is_not_written_through(tmp_path):
    path, record, _ = saved(tmp_path, OLD)
    (tmp_path / "precious").write_text("words")
    for name in ("structure.json.partial", f"{record['arrays']['file']}.partial"):
        (path / name).symlink_to(tmp_path / "precious")
    pz.save(path, OLD, overwrite=True)
    assert (tmp_path / "precious").read_text() == "words"
    assert len(listing(path)) == 2


JUNK = [
    *(
        None,
        True,
        0,
        -1,
        2**63,
        10**300,
        0.5,
        "",
        "x",
        "model",
        [],
        {},
        [[]],
        {"tuple": []},
        {"dict": {}},
        {"float": "nan"},
    ),
    *(
        {"array": "float32", "shape": [0]},
        {"array": "int4", "shape": []},
        {"number": 7, "dtype": "uint8"},
        {"function": "jax.nn.relu"},
    ),
    *(
        {"class": "equinox.nn.Identity", "fields": {}},
        {"opaque": "x"},
        "float64",
        "bool",
        "complex64",
        [3, 2],
        [2**31],
    ),
]


def mutate(node: Any, chance: random.Random, depth: int = 0) -> Any:
    """A copy of plain data with one thing changed somewhere."""
    inner = (
        list(node)
        if isinstance(node, dict)
        else list(range(len(node)))
        if isinstance(node, list)
        else []
    )
    if not inner or chance.random() < 0.15:
        change = chance.randrange(4)
        if change == 0 and isinstance(node, int | float) and not isinstance(node, bool):
            return chance.choice([node + 1, -node, node * 2**40, float(node), str(node)])
        if change == 1:
            return [copy.deepcopy(node)] * chance.choice([1, 2, 50])
        if change == 2:
            for _ in range(chance.choice([1, 90, 300])):
                node = (
                    chance.choice([[node], {"tuple": [node]}, {"dict": {"k": node}}])
                    if chance.random() < 0.9
                    else [node]
                )
            return node
        return copy.deepcopy(chance.choice(JUNK))
    key = chance.choice(inner)
    node = copy.copy(node)
    change = chance.random()
    if change < 0.08:
        del node[key]
    elif change < 0.12 and isinstance(node, dict):
        node[
            chance.choice(["", "weak", "numpy", "shape", "class", "fields", "tuple", "x" * 300])
        ] = chance.choice(JUNK)
    elif change < 0.16 and isinstance(node, dict):
        node[str(key) + "s"] = node.pop(key)
    else:
        node[key] = mutate(node[key], chance, depth + 1)
    return node


def damaged(text: bytes, chance: random.Random) -> bytes:
    """A copy with some bytes changed, missing, doubled or added."""
    bits = bytearray(text)
    for _ in range(chance.choice([1, 1, 1, 3, 20])):
        at = chance.randrange(len(bits) + 1)
        change = chance.randrange(5)
        if change == 0 and at < len(bits):
            bits[at] ^= 1 << chance.randrange(8)
        elif change == 1:
            del bits[at : at + chance.randrange(1, 30)]
        elif change == 2:
            bits[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
        elif change == 3:
            bits[at:at] = bits[at : at + chance.randrange(1, 60)]
        else:
            bits = bits[:at] if chance.random() < 0.3 else bits
    return bytes(bits)


def forged(structure: Any) -> tuple[dict, bytes]:
    """Arrays that fit a structure, if any of reasonable size do, and what a record says of them."""
    try:
        shapes = sorted(layout(structure).items())
        sizes = {name: math.prod(shape) * dtype.itemsize for name, (dtype, shape) in shapes}
    except ValueError:
        return {}, b""
    if sum(sizes.values()) > 2**20:
        return {}, b""
    parts = {name: bytes([i % 251]) * size for i, (name, size) in enumerate(sizes.items())}
    return {
        "sha256": {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    }, b"".join(parts.values())


def campaign(directory: Path, models: dict[str, Any], mutants: int, seed: int) -> dict[str, int]:
    """Load mutants of saved models: each is refused by one error, or is a model; unsigned, it is
    the model that it was."""
    chance, counts = random.Random(seed), {"refused": 0, "loaded": 0, "unharmed": 0}
    originals = {name: saved(directory / name, model) for name, model in models.items()}
    slowest = 0.0
    for _ in range(mutants):
        name = chance.choice(sorted(originals))
        path, record, bits = originals[name]
        file = path / record["arrays"]["file"]
        kind = chance.choice(["signed", "signed", "record", "bytes", "arrays"])
        text = (path / "structure.json").read_bytes()
        new, new_bits = text, bits
        if kind == "arrays":
            new_bits = damaged(bits, chance)
        elif kind == "bytes":
            new = damaged(text, chance)
        else:
            mutant = mutate(record if kind == "record" else record["structure"], chance)
            new = json.dumps(mutant).encode()
            if kind == "signed":
                arrays, new_bits = (
                    forged(mutant) if chance.random() < 0.8 else (record["arrays"], bits)
                )
                new = signed(record | {"structure": mutant, "arrays": record["arrays"] | arrays})
        for target, old, content in ((path / "structure.json", text, new), (file, bits, new_bits)):
            if content != old:
                target.write_bytes(content)
        began = time.monotonic()
        try:
            loaded, reason = pz.load(path), ""
        except ValueError as error:
            loaded, reason = None, str(error)
        finally:
            for target, old, content in (
                (path / "structure.json", text, new),
                (file, bits, new_bits),
            ):
                if content != old:
                    target.write_bytes(old)
        slowest = max(slowest, time.monotonic() - began)
        assert len(reason) < 5000
        if reason:
            counts["refused"] += 1
        elif kind == "signed":
            counts["loaded"] += 1
        else:
            assert same(loaded, models[name])
            counts["unharmed"] += 1
    assert slowest < 5
    return counts


def victims() -> dict[str, Any]:
    """Models with every kind of part."""
    rows = {
        case.name: case.model
        for case in CASES
        if case.name in ("GMLVQ", "RSLVQ", "PLVQ", "GaussianMixture", "SMNG")
    }
    return rows | {
        "plain": OLD
        | {"number": np.float32(0.1), "all": (1, [2.5, None, True, float("inf")]), "f": jax.nn.relu}
    }


def test_mutants_are_refused_or_models(tmp_path):
    counts = campaign(tmp_path, victims(), mutants=150, seed=0)
    assert counts["refused"] > 50


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_mutants_are_refused_or_models(tmp_path, seed):
    counts = campaign(tmp_path, victims(), mutants=5000, seed=seed)
    assert counts["refused"] > 2000
