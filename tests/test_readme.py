"""What the README says works."""

import re
from pathlib import Path

import pytest


README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    said = capsys.readouterr().out
    assert float(re.search(r"accuracy ([0-9.]+)", said)[1]) > 0.95
    assert names["custom"].predict(names["x"]).shape == (150,)


@pytest.mark.parametrize("command", ["nox -s tests", "protozoo demo"])
def test_each_command_sets_everything_up(command):
    (line,) = [line for line in README.read_text().splitlines() if command in line and line.startswith("python3")]
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
