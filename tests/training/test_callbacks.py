"""What callbacks write and show, and that nothing of it changes what is computed."""

import copy
import csv
import io
import json
import os
import pickle
import struct
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import protozoo as pz
from protozoo.plots._figures import new_figure, principal_axes
from protozoo.plots._images import mosaic
from protozoo.plots._training import draw_prototypes
from protozoo.training import HistoryFile, Progress, TensorBoard, View


RNG = np.random.default_rng(0)
Y = np.arange(12) % 2
X = RNG.normal(size=(12, 3)).astype(np.float32) + Y[:, None]
MODEL = pz.PrototypeModel(
    pz.Prototypes.from_classes(X, Y, 2, key=jax.random.key(0)),
    pz.metrics.Omega.identity(3),
    pz.losses.GLVQ(),
)
EPOCHS = 20


class StopAt(pz.training.AbstractCallback):
    every = 1

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_fit_start(self, view):
        pass

    def on_chunk_end(self, view):
        return view.epoch == self.epoch

    def on_fit_end(self, view):
        pass


def train(*callbacks, resume=False, epochs=EPOCHS, checkpoints=None) -> pz.training.Fit:
    trainer = pz.Trainer(
        pz.GradientDescent(optax.adam(0.05)), epochs, callbacks=callbacks, checkpoints=checkpoints
    )
    return trainer.fit(MODEL, X, Y, key=jax.random.key(1), validation=(X[:4], Y[:4]), resume=resume)


def assert_same(fit, other) -> None:
    """Bit by bit."""
    leaves, others = (jax.tree.leaves(eqx.filter(f.model, eqx.is_array)) for f in (fit, other))
    for a, b in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    assert fit.history.keys() == other.history.keys()
    for name, values in fit.history.items():
        np.testing.assert_array_equal(values, other.history[name])
    assert (fit.epochs, fit.reason) == (other.epochs, other.reason)


def view(epoch: int = 0, epochs: int = 9, model=MODEL, **history) -> View:
    return View(
        model, {name: np.asarray(values, float) for name, values in history.items()}, epoch, epochs
    )


def read(path) -> list[dict[str, float]]:
    with path.open() as file:
        rows = (
            list(csv.DictReader(file))
            if path.suffix == ".csv"
            else [json.loads(line) for line in file]
        )
    return [
        {name: np.nan if value is None else float(value) for name, value in row.items()}
        for row in rows
    ]


def assert_rows(rows: list[dict[str, float]], fit: pz.training.Fit) -> None:
    """Each epoch once, in order, and every bit of its losses."""
    assert [row["epoch"] for row in rows] == list(range(1, fit.epochs + 1))
    for name, values in fit.history.items():
        np.testing.assert_array_equal([row[name] for row in rows], values)


def events(directory) -> list:
    """What the event files hold, oldest first: records of length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(directory.glob("*tfevents*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + length]))
            at += length + 16
    return found


def scalars(directory, name: str) -> dict[int, float]:
    return {
        e.step: v.simple_value for e in events(directory) for v in e.summary.value if v.tag == name
    }


# All of them.


@pytest.mark.parametrize("every", [None, 1, 7])
def test_callbacks_write_every_epoch_and_change_nothing(every, tmp_path, capsys):
    alone = train()
    csv_file, jsonl_file = tmp_path / "new" / "history.csv", tmp_path / "history.jsonl"
    fit = train(
        Progress(every),
        HistoryFile(csv_file, every),
        HistoryFile(str(jsonl_file), every),
        TensorBoard(tmp_path / "events", every),
        pz.plots.LivePlot(tmp_path / "fit.png", EPOCHS if every == 1 else every),
    )
    assert_same(fit, alone)
    assert csv_file.read_text().splitlines()[0] == "epoch,loss,validation_loss"
    for path in (csv_file, jsonl_file):
        assert_rows(read(path), fit)
    for name, values in fit.history.items():
        found = scalars(tmp_path / "events", name)
        assert list(found) == list(range(1, EPOCHS + 1))
        np.testing.assert_array_equal(list(found.values()), values)
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {
        "new",
        "events",
        "history.jsonl",
        "fit.png",
    }, "something was left"
    assert "20/20" in capsys.readouterr().err


def test_callbacks_see_a_fit_that_another_one_stopped(tmp_path, capsys):
    fit = train(Progress(), StopAt(5), HistoryFile(tmp_path / "history.csv"), TensorBoard(tmp_path))
    assert (fit.epochs, fit.reason) == (5, "callback")
    assert_rows(read(tmp_path / "history.csv"), fit)
    assert list(scalars(tmp_path, "loss")) == [1, 2, 3, 4, 5]
    assert "5/20" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["history.csv", "history.jsonl"])
def test_a_resumed_fit_continues_its_records(name, tmp_path):
    path, where = tmp_path / name, pz.Checkpoints(tmp_path / "checkpoints", 3)
    callbacks = HistoryFile(path), TensorBoard(tmp_path / "events")
    train(*callbacks, StopAt(6), checkpoints=where)
    text = path.read_text()
    assert len(read(path)) == 6
    # Killed after the checkpoint: more epochs were written, the last one in part. Killed before
    # they were: fewer.
    row = text.splitlines()[-1]
    for killed in (
        text + row.replace("6", "7", 1) + "\n" + row[:9],
        text[: len(text) // 2],
        "",
        text,
    ):
        path.write_text(killed)
        again = train(*callbacks, resume=True, epochs=6, checkpoints=where)
        assert_rows(read(path), again)
    path.unlink()  # as if there had been no such callback before
    fit = train(*callbacks, resume=True, checkpoints=where)
    assert_same(fit, train())
    assert_rows(read(path), fit)
    assert list(scalars(tmp_path / "events", "loss")) == list(range(1, EPOCHS + 1))


# When they are called, and what they may do.


class Calls(pz.training.AbstractCallback):
    """Writes down at which epochs it is called, and answers."""

    def __init__(self, every=None, answer=lambda view: None):
        self.every, self.answer, self.started, self.epochs, self.ended = every, answer, [], [], []

    def on_fit_start(self, view):
        self.started.append(view.epoch)

    def on_chunk_end(self, view):
        self.epochs.append(view.epoch)
        return self.answer(view)

    def on_fit_end(self, view):
        self.ended.append(view.epoch)


@pytest.mark.parametrize("company", [[], [1], [None, 4]], ids=str)
def test_a_callback_is_called_at_its_multiples_and_after_the_last_epoch(company, tmp_path):
    """Whoever else makes the chunks short: other callbacks, checkpoints, a machine under load."""
    calls = [Calls(7), Calls(1000), Calls(10), *map(Calls, company)]
    train(*calls, checkpoints=pz.Checkpoints(tmp_path / "checkpoints", 3))
    assert [c.epochs for c in calls[:3]] == [[7, 14, 20], [20], [10, 20]]
    for c in calls:
        assert (c.started, c.ended) == ([0], [20])
        assert c.epochs == sorted(set(c.epochs)) and c.epochs[-1] == 20


def test_the_last_epoch_is_the_last_one_however_it_comes():
    calls, stop = [Calls(7), Calls(4), Calls()], StopAt(9)
    train(calls[0], stop, *calls[1:])
    assert [c.epochs for c in calls] == [[7, 9], [4, 8, 9], [9]]
    assert [c.ended for c in calls] == [[9]] * 3
    patient = Calls(6)
    stopping = pz.Stopping(patience=2, min_delta=1e9)
    trainer = pz.Trainer(
        pz.GradientDescent(optax.adam(0.05)), EPOCHS, stopping=stopping, callbacks=[patient]
    )
    fit = trainer.fit(MODEL, X, Y, key=jax.random.key(1))
    assert fit.epochs < 6 and patient.epochs == [fit.epochs]


def test_without_a_number_it_is_about_once_a_second(monkeypatch):
    """By a clock on which every epoch takes an eighth of a second."""
    clock = [0.0]
    monkeypatch.setattr("protozoo.training._callbacks.time.monotonic", lambda: clock[0])

    def tick(view):
        clock[0] = view.epoch / 8

    calls = Calls()
    train(Calls(1, tick), calls)
    assert calls.epochs == [6, 12, 18, 20]


def test_what_a_callback_sees_cannot_be_changed(tmp_path):
    def write(view):
        for change in (
            lambda: view.history["loss"].__setitem__(0, 0.0),
            lambda: view.history.__setitem__("loss", np.zeros(view.epoch)),
            lambda: view.history.clear(),
            lambda: view.model.prototypes.points.__setitem__(0, 0.0),
            lambda: setattr(view.model, "prototypes", None),
            lambda: setattr(view, "epoch", 0),
        ):
            with pytest.raises((TypeError, ValueError, AttributeError)):
                change()
        seen.append(view)

    seen = []
    where = pz.Checkpoints(tmp_path / "checkpoints", 2)
    fit = train(Calls(1, write), checkpoints=where)
    assert_same(fit, train())
    assert [len(view.history["loss"]) for view in seen] == list(range(1, EPOCHS + 1))
    np.testing.assert_array_equal(seen[4].history["loss"], fit.history["loss"][:5])
    fit.history["loss"][0] = 7  # what the user was given is the user's own
    assert_same(train(resume=True, checkpoints=where), train())


def test_what_a_callback_sees_can_be_pickled_and_copied():
    seen = []
    train(Calls(1, seen.append), epochs=2)
    for other in (pickle.loads(pickle.dumps(seen[1])), copy.deepcopy(seen[1])):
        points = [view.model.prototypes.points for view in (other, seen[1])]
        np.testing.assert_array_equal(*points)
        assert (other.epoch, other.epochs, other.resumed) == (2, 2, False)
        np.testing.assert_array_equal(other.history["loss"], seen[1].history["loss"])
        with pytest.raises(ValueError, match="read-only"):
            other.history["loss"][0] = 0


@pytest.mark.parametrize("every", [0, "often"])
def test_a_callback_s_interval_is_that_with_which_training_began(every):
    def change(view):
        calls.every = every

    calls = Calls(2, change)
    train(calls, epochs=6)
    assert calls.epochs == [2, 4, 6]


@pytest.mark.parametrize("kind", [HistoryFile, TensorBoard])
def test_phases_do_not_share_the_place_of_a_history(tmp_path, kind):
    def phases(*places):
        rule = pz.GradientDescent(optax.adam(0.05))
        return pz.Phases([pz.Trainer(rule, 1, callbacks=[kind(place)]) for place in places])

    phases(tmp_path / "one.csv", tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"one.csv' holds the history of one phase, and is .* 2"):
        phases(tmp_path / "one.csv", tmp_path / "one.csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_names_the_history(tmp_path):
    (tmp_path / "history.csv").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device: '.*history.csv'"):
        train(HistoryFile(tmp_path / "history.csv", overwrite=True), epochs=1)


def test_a_callback_that_fails_leaves_the_checkpoint(tmp_path):
    def fail(view):
        if view.epoch == 10:
            raise RuntimeError("the plotting server is down")

    where = pz.Checkpoints(tmp_path / "checkpoints", 5)
    with pytest.raises(RuntimeError, match="the plotting server is down"):
        train(Calls(1, fail), checkpoints=where)
    calls = Calls(1)
    assert_same(train(calls, resume=True, checkpoints=where), train())
    assert (calls.started, calls.epochs[0]) == ([10], 11)


@pytest.mark.parametrize(
    "answer", [True, np.bool_(True), np.array(True), jax.numpy.array(True)], ids=repr
)
def test_whoever_says_true_stops(answer):
    fit = train(Calls(5, lambda view: answer))
    assert (fit.epochs, fit.reason) == (5, "callback")


@pytest.mark.parametrize(
    "answer", [1, 0, 0.5, "stop", [], np.array([True]), np.float32(1)], ids=repr
)
def test_other_answers_are_refused(answer):
    with pytest.raises(
        TypeError,
        match=r"`on_chunk_end` of Calls must return True \(stop\), False or None \(go on\), got",
    ):
        train(Calls(5, lambda view: answer))
    assert train(Calls(5, lambda view: False), epochs=6).reason == "max epochs"


# Refusals.


def test_a_history_is_not_replaced_unasked(tmp_path):
    path, where = tmp_path / "history.csv", pz.Checkpoints(tmp_path / "checkpoints", 3)
    refusal = (
        "'.*history.csv' is there already.*: choose another `path`, or `overwrite=True` "
        "to replace it"
    )
    train(StopAt(3), checkpoints=where)
    for notes in (b"my notes", b"epoch,loss,validation_loss\n1,0.5,0.5\n", b"\xff\xd8"):
        path.write_bytes(notes)
        with pytest.raises(ValueError, match=refusal):
            train(HistoryFile(path))
        with pytest.raises(ValueError, match=refusal):
            train(HistoryFile(path), resume=True, checkpoints=where)
        assert path.read_bytes() == notes
    fit = train(HistoryFile(path, overwrite=True), resume=True, checkpoints=where)
    assert_rows(read(path), fit)
    # The very same, but this fit has not computed it yet.
    with pytest.raises(ValueError, match=refusal):
        train(HistoryFile(path))
    fit = train(HistoryFile(path, overwrite=True))
    assert_rows(read(path), fit)
    # What is left of a fit that could not start is nothing to keep.
    path.write_bytes(b"epoch,loss,validation_loss\n")
    fit = train(HistoryFile(path))
    assert_rows(read(path), fit)


def test_events_of_two_fits_are_not_mixed(tmp_path):
    train(TensorBoard(tmp_path), epochs=2)
    with pytest.raises(
        ValueError, match="already holds the events of a fit: choose another `directory`"
    ):
        train(TensorBoard(tmp_path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: HistoryFile("history.txt"),
            "`path` must end in .csv or .jsonl, the formats of a history, got 'history.txt'",
        ),
        (lambda: HistoryFile("history"), "got 'history'"),
        (lambda: pz.plots.LivePlot("fit.pdf"), "`path` must end in .png, got 'fit.pdf'"),
        (
            lambda: pz.Trainer(
                pz.AlternatingOptimization(), 1, callbacks=[HistoryFile("a.csv", 0)]
            ),
            "`every` must be a positive integer, got 0",
        ),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'tensorboardX: pip install "protozoo\[tensorboard\]"'):
        train(TensorBoard(tmp_path))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'matplotlib: pip install "protozoo\[plot\]"'):
        train(pz.plots.LivePlot(tmp_path / "fit.png"))


# Numbers that are none.


def test_losses_that_are_not_finite_are_written(tmp_path):
    for name in ("history.csv", "history.jsonl"):
        recorder = HistoryFile(tmp_path / name)
        recorder.on_fit_start(view(loss=[]))
        recorder.on_chunk_end(view(3, loss=[np.nan, -np.inf, 1 / 3]))
    assert (
        tmp_path / "history.csv"
    ).read_text() == "epoch,loss\n1,nan\n2,-inf\n3,0.3333333333333333\n"
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert lines[:2] == ['{"epoch": 1, "loss": null}', '{"epoch": 2, "loss": null}']


# Progress.


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, start=None) -> str:
    """What a progress bar writes for a fit that starts at `start` and ends at epoch 5 of 9."""
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    progress, start = Progress(), view(loss=[]) if start is None else start
    progress.on_fit_start(start)
    for epoch in range(start.epoch + 1, 6):
        progress.on_chunk_end(view(epoch, loss=np.arange(epoch) + 0.5))
    progress.on_fit_end(view(5, loss=np.arange(5) + 0.5))
    return stream.getvalue()


def test_a_terminal_gets_a_bar_of_rich(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert "━" in text and "0/9" in text and "5/9" in text and "loss=4.5" in text
    assert text.count("\n") == 1, "not one line"
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor stays hidden"
    resumed = shown(monkeypatch, Terminal(), view(3, loss=[3, 2, 1]))
    assert "3/9" in resumed and "0/9" not in resumed


def test_an_interrupted_bar_leaves_the_terminal_alone(monkeypatch):
    out = sys.stdout
    monkeypatch.setenv("TERM", "xterm")
    for _ in range(2):  # a bar that was not closed does not stand in the way of the next
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        Progress().on_fit_start(view(loss=[]))
        assert sys.stdout is out and sys.stderr is stream
        assert stream.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize("terminal", [True, False])
def test_without_rich_or_terminal_tqdm_is_next(terminal, monkeypatch):
    if terminal:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    text = shown(monkeypatch, Terminal() if terminal else io.StringIO(), view(3, loss=[3, 2, 1]))
    last = text.strip().split("\r")[-1]
    assert (
        "3/9" in text
        and "0/9" not in text
        and "5/9" in last
        and "loss=4.5" in last
        and "━" not in text
    )


def test_without_anything_there_are_lines(monkeypatch):
    for name in ("rich", "rich.console", "tqdm"):
        monkeypatch.setitem(sys.modules, name, None)
    assert shown(monkeypatch, Terminal(), view(3, loss=[3, 2, 1])).splitlines() == [
        "epoch 4/9 [0s] loss=3.5",
        "epoch 5/9 [0s] loss=4.5",
    ]


# Pictures.


@pytest.mark.parametrize(
    "shape", [(1,), (2,), (5,), (4, 3), (4, 3, 1), (4, 3, 2), (4, 3, 3), (2, 2, 2, 2)], ids=str
)
@pytest.mark.parametrize("labels", [None, [0, 0, 1, 2, 2, 2], [0], list(range(12))], ids=str)
def test_prototypes_of_any_shape_are_drawn(shape, labels, tmp_path):
    points, labels = (
        5 * RNG.normal(size=(5 if labels is None else len(labels), *shape)),
        labels and np.array(labels),
    )
    model = pz.PrototypeModel(
        pz.Prototypes(points, labels), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    figure, axes = new_figure(1, 1)
    draw_prototypes(axes[0, 0], model, principal_axes(points))
    figure.savefig(tmp_path / "prototypes.png")
    legend = axes[0, 0].get_legend()
    classes = 0 if labels is None else len(set(labels))
    assert (0 if legend is None else len(legend.get_texts())) == (
        classes if len(shape) in (1, 4) and classes < 10 else 0
    )


def test_images_keep_their_place():
    images = RNG.normal(size=(4, 2, 3))
    page = mosaic(images, np.array([0, 0, 0, 1]))
    assert page.shape == (2 * 3, 3 * 4)
    for image, row, column in zip(images, (0, 0, 0, 3), (0, 4, 8, 0), strict=True):
        np.testing.assert_array_equal(page[row : row + 2, column : column + 3], image)
    assert np.isnan(page[3:, 4:]).all() and np.isnan(page[2]).all()


def test_the_view_of_moving_points_stands_still():
    points = np.diag([1.0, 9.0, 1.0, 5.0])[[0, 1, 1, 2, 3, 3]] * np.array(
        [[1], [1], [-1], [1], [1], [-1]]
    )
    axes = principal_axes(points)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    assert np.argmax(np.abs(axes[0])) == 1 and np.argmax(np.abs(axes[1])) == 3
    np.testing.assert_array_equal(principal_axes(points[:2]), np.eye(2, 4))
    np.testing.assert_array_equal(principal_axes(points[:, :1]), [[1], [0]])


def test_a_picture_is_drawn_when_it_was_asked_for(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(pz.plots.LivePlot, "_draw", lambda self, view: drawn.append(view.epoch))
    train(StopAt(9), pz.plots.LivePlot(tmp_path / "fit.png", every=4))
    assert drawn == [0, 4, 8, 9]


def test_a_picture_that_fails_leaves_the_last_one(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    plot = pz.plots.LivePlot(tmp_path / "fit.png")
    plot.on_fit_start(view(loss=[]))
    before = plot.path.read_bytes()

    def broken(self, path, **_):
        path.write_bytes(b"half a picture")
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(OSError, match="no space left"):
        plot.on_chunk_end(view(1, loss=[1]))
    assert plot.path.read_bytes() == before


def test_recorders_refuse_places_of_another_kind(tmp_path):
    model = pz.zoo.GLVQ(X, Y, key=0)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe.csv")
    for recorder, message in (
        (pz.training.HistoryFile(tmp_path / "folder.csv", overwrite=True), "`path`: .* no file"),
        (pz.training.HistoryFile(tmp_path / "pipe.csv", overwrite=True), "`path`: .* no file"),
        (pz.training.TensorBoard(tmp_path / "file"), "`directory`: .* no folder"),
    ):
        with pytest.raises(ValueError, match=message):
            pz.Trainer(pz.GradientDescent("sgd", 0.1), 1, callbacks=[recorder]).fit(
                model, X, Y, key=0
            )
