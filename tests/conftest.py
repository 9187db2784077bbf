"""Shared by all tests."""

import gc
import itertools

import jax
import pytest
from zoo import COVER, FEW, Case


_count = itertools.count(1)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    """Rows whose kinds of parts others have as well are tried nightly.

    The tests of a file about one row follow each other: what is compiled for a row is compiled
    once, before it is forgotten, and by one process.
    """
    rows: dict[str, int] = {}
    files: dict[str, int] = {}

    def row(item):
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        return case if isinstance(case, Case) else None

    def place(item):
        here = rows.setdefault(str(row(item)), len(rows) + 1) if row(item) is not None else 0
        return files.setdefault(item.nodeid.split("::")[0], len(files)), here

    for item in items:
        tried = FEW if item.get_closest_marker("few_rows") else COVER
        if row(item) is not None and str(row(item)) not in tried:
            item.add_marker("nightly")
    items.sort(key=place)


@pytest.fixture(autouse=True)
def forget_compiled_programs():
    """Every compiled program takes memory maps, of which a process has some ten thousands; the
    suite would use them up."""
    yield
    if next(_count) % 100 == 0:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def x64():
    """Everything in float64, for oracles."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unchecked():
    """Without the type checks that the tests add: what a user sees."""
    from jaxtyping import config

    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
