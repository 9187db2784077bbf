"""Shared by all tests."""

import gc
import itertools

import jax
import pytest


_count = itertools.count(1)


def pytest_collection_modifyitems(items):
    """The tests of a file about one row of the table follow each other: what is compiled for a row is compiled once, before it
    is forgotten, and by one process."""
    rows: dict[str, int] = {}
    files: dict[str, int] = {}

    def place(item):
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        row = rows.setdefault(str(case), len(rows) + 1) if case is not None else 0
        return files.setdefault(item.nodeid.split("::")[0], len(files)), row

    items.sort(key=place)


@pytest.fixture(autouse=True)
def forget_compiled_programs():
    """Every compiled program takes memory maps, of which a process has some ten thousands; the suite would use them up."""
    yield
    if next(_count) % 40 == 0:
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
