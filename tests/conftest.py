"""Shared by all tests."""

import jax
import pytest


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def x64():
    """Everything in float64, for oracles."""
    with jax.enable_x64(True):
        yield
