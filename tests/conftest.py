"""Shared by all tests."""

import gc
import itertools

import jax
import pytest


_count = itertools.count(1)


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
