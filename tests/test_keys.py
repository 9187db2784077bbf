"""Keys that are derived on the host are those of `jax.random`."""

import jax
import numpy as np
import pytest

from protozoo._keys import fold_in, seeded, split


def same(one, other) -> bool:
    return one.dtype == other.dtype and np.array_equal(*map(jax.random.key_data, (one, other)))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("seed", [0, 1, -1, 2**31, 2**32 + 7, -(2**63), 2**63 - 1])
def test_keys_of_seeds(seed, wide):
    with jax.enable_x64(wide):
        assert same(seeded(seed), jax.random.key(seed))


@pytest.mark.parametrize("seed", [0, 12345, 2**32 - 1])
def test_derived_keys(seed):
    key = jax.random.key(seed)
    for number in (0, 1, 77, 2**32 - 1):
        assert same(fold_in(key, number), jax.random.fold_in(key, np.uint32(number)))
    for count in (1, 2, 5):
        for one, other in zip(split(key, count), jax.random.split(key, count), strict=True):
            assert same(one, other)


def test_other_kinds_of_keys_and_traced_ones_go_the_ordinary_way():
    other = jax.random.key(3, impl="rbg")
    assert same(fold_in(other, 5), jax.random.fold_in(other, 5))
    key = jax.random.key(3)
    assert same(jax.jit(lambda k: split(k, 2)[1])(key), jax.random.split(key)[1])
    assert same(jax.jit(lambda k: fold_in(k, 4))(key), jax.random.fold_in(key, 4))
