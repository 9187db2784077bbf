"""The statistics of the benchmark tables, and that an interrupted run goes on where it stopped."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest


ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tables = importlib.import_module("cases.tables")

    def data() -> tuple[np.ndarray, np.ndarray]:
        """Two classes on a line."""
        y = np.arange(20) % 2
        return np.c_[y + 0.01 * np.arange(20), np.ones(20)], y

    def fit(x: np.ndarray, y: np.ndarray, asked: np.ndarray):
        return tables.Answers(np.zeros(len(asked), int))

    monkeypatch.setattr(tables, "cache_compilations", lambda: None)
    monkeypatch.setattr(tables, "DATA", {"line": data})
    monkeypatch.setattr(tables, "FOLDS", 2)
    monkeypatch.setattr(tables, "ROUNDS", 1)
    # A library with a version, which answers the first class to everything.
    monkeypatch.setattr(tables, "PEERS", {"numpy": lambda model, epochs: fit})
    return tables


def test_standard_error_is_corrected_for_overlap(tables):
    values = [1.0, 2.0, 3.0, 6.0]
    # The variance is 14/3; four folds of one quarter as many held out as learned from.
    assert tables.corrected_error(values, 0.25) == pytest.approx(((0.25 + 0.25) * 14 / 3) ** 0.5)
    # Without held-out samples, the common standard error.
    assert tables.corrected_error(values, 0.0) == pytest.approx((14 / 3 / 4) ** 0.5)


def test_interrupted_run_goes_on_where_it_stopped(tables, tmp_path):
    file = tmp_path / "results.jsonl"
    settings = {"model": "NPC", "epochs": 1, "data": ["line"], "rounds": 1, "file": str(file)}
    assert tables.measure("protozoo", **settings)["taken"] == 2
    whole = file.read_text()
    # Killed while it wrote the second fold.
    file.write_text(whole[:-20])
    assert tables.measure("protozoo", **settings)["taken"] == 1
    assert tables.measure("protozoo", **settings)["taken"] == 0
    assert [json.loads(line)["value"] for line in whole.splitlines()] == [100.0, 100.0]
    again = tables.Records(file).found
    assert [(at.fold, one["value"]) for at, one in again.items()] == [(0, 100.0), (1, 100.0)]


def test_page_compares_fold_by_fold_and_says_what_is_missing(tables, tmp_path):
    file = tmp_path / "results.jsonl"
    settings = {"model": "NPC", "epochs": 1, "data": ["line"], "rounds": 1, "file": str(file)}
    tables.measure("protozoo", **settings)
    tables.measure("numpy", **settings)
    _, ((row, library, cell, total),) = tables.table(tables.Records(file))
    assert (row, library) == ("NPC", "numpy")
    assert cell == "100.0 / 50.0<br>+50.0 ± 0.0 ↑"
    assert total == "+50.0 ± 0.0 ↑"
    tables.measure("numpy", **{**settings, "model": "GLVQ"})
    page = tables.page(tables.Records(file), ["NPC", "GLVQ", "GRLVQ"])
    assert "Not measured yet: GLVQ on line, GRLVQ." in page
    assert "`line`: Two classes on a line." in page
