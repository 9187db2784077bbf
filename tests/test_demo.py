"""The main job, short."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import protozoo as pz
from protozoo.cli import main


def test_demo(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path), "--epochs", "40"]) == 0
    said = capsys.readouterr()
    assert "predictions are identical" in said.out
    accuracy = float(said.out.split("held-out images: ")[1].split()[0])
    assert accuracy > 0.9
    assert "epoch" in said.err  # the progress bar
    for name in ("prototypes.png", "relevance_matrix.png", "relevance_map.png", "history.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert pz.load(tmp_path / "model").predict_proba(np.zeros((1, 64))).shape == (1, 10)


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(pz.zoo.names())


def run(*arguments: str) -> subprocess.CompletedProcess:
    """What a shell sees."""
    return subprocess.run(
        [sys.executable, "-m", "protozoo", *arguments], capture_output=True, text=True
    )


def test_without_a_command_there_is_help():
    alone, asked = run(), run("--help")
    assert alone.returncode == asked.returncode == 0
    assert alone.stdout == asked.stdout and alone.stderr == ""
    assert "demo" in alone.stdout and "models" in alone.stdout


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"protozoo {pz.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["demo", "--epochs", "0"],
            "protozoo demo: error: argument --epochs: must be a positive integer .*, got '0'",
        ),
        (["demo", "--epochs", "-3"], "argument --epochs: .*"),
        (
            ["demo", "--epochs", "many"],
            "argument --epochs: must be a positive integer .*, got 'many'",
        ),
        (
            ["demo", "--epochs", "1e3"],
            "argument --epochs: must be a positive integer .*, got '1e3'",
        ),
        (
            ["demo", "--epochs", "9" * 5000],
            "argument --epochs: must be a positive integer of at most nine digits, got '9+'",
        ),
        (["demo", "--epochs"], "argument --epochs: expected one argument"),
        (["train"], "protozoo: error: argument command: invalid choice: 'train'.*models.*demo.*"),
        (["models", "GLVQ"], "unrecognized arguments: GLVQ"),
        (["--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(f"{said}$", line)


def test_a_place_that_cannot_be_written_to_is_found_first(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/demo")):
        assert main(["demo", "--output", str(output)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert re.fullmatch(
            f"protozoo: error: argument --output: nothing can be written to '{output}': .*\n",
            said.err,
        )
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_in_the_way_of_the_model_stays(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    assert main(["demo", "--output", str(tmp_path), "--epochs", "1"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("protozoo: error: `overwrite` replaces saved models and nothing else")
    assert (tmp_path / "model" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("missing", ["sklearn.datasets", "matplotlib"])
def test_what_the_demo_needs_is_named(missing, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "protozoo: error: the demo needs scikit-learn and matplotlib: "
        'pip install "protozoo[demo]"\n'
    )


def test_whoever_has_heard_enough_is_left_alone():
    """As in `protozoo models | head`: here nobody listens any more when the first line is
    written."""
    command = f"{sys.executable} -m protozoo models | true"
    heard = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True
    )
    assert (heard.returncode, heard.stderr) == (0, "")


def test_pictures_of_what_is_no_image(key):
    x = np.random.default_rng(0).normal(size=(20, 6))
    model = pz.zoo.HCM(x, key=key)
    with pytest.raises(ValueError, match="no image of the 6 numbers"):
        pz.plots.prototype_images(model, (2, 2))
    figure = pz.plots.prototype_images(model, (2, 3))
    assert len(figure.axes) == 3
    assert len(pz.plots.relevance_matrix(model, feature_names=list("abcdef")).axes) == 3


def test_the_first_minute(key):
    x = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [4]], 20, axis=0)
    fit = pz.fit("GMLVQ", x, np.repeat([0, 1], 20), key=jax.random.key(1), epochs=30, batch_size=10)
    assert fit.epochs == 30
    assert np.mean(np.asarray(fit.model.predict(x)) == np.repeat([0, 1], 20)) == 1
