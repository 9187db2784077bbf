"""What the README and the guide say works."""

import re

import numpy as np
import pytest
from pages import ROOT, run


README = ROOT / "README.md"


def test_the_example_runs(capsys):
    names = run(README)
    said = capsys.readouterr().out
    assert float(re.search(r"accuracy ([0-9.]+)", said)[1]) > 0.95
    assert names["custom"].predict(names["x"]).shape == (150,)


PAGES = sorted((ROOT / "docs").glob("tutorials/*.md")) + sorted(
    (ROOT / "docs").glob("families/*.md")
)


@pytest.mark.nightly  # every build of the documentation runs it, without checks of shapes
def test_every_recipe_of_the_guide_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # some write files
    names = run(ROOT / "docs" / "training.md")
    said = capsys.readouterr().out
    assert float(re.search(r"accuracy ([0-9.]+)", said)[1]) > 0.95
    assert np.isfinite(names["fit"].history["loss"]).all()
    assert {path.name for path in tmp_path.iterdir()} >= {
        "x.npy",
        "history.csv",
        "live.png",
        "runs",
    }


@pytest.mark.nightly  # every build of the documentation runs them, without checks of shapes
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, capsys, monkeypatch, tmp_path):
    """Each says how good its models are, and is right about what it shows."""
    monkeypatch.chdir(tmp_path)
    run(page)
    said = capsys.readouterr().out
    floor = 0.55 if page.stem == "fine_tune" else 0.85  # of five digits, ten images each
    assert all(float(one) > floor for one in re.findall(r"accuracy:? +([0-9.]+)", said))


def test_a_citation_is_of_this_version():
    version = re.compile(r'^version *[:=] *"?([0-9.]+)', re.MULTILINE)
    found = {
        name: version.search((ROOT / name).read_text())[1]
        for name in ("CITATION.cff", "pyproject.toml")
    }
    assert found["CITATION.cff"] == found["pyproject.toml"]


@pytest.mark.parametrize("command", ["nox -s tests", "protozoo demo"])
def test_each_command_sets_everything_up(command):
    (line,) = [
        line
        for line in README.read_text().splitlines()
        if command in line and line.startswith("python3")
    ]
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
