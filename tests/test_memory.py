"""What takes memory: copies of the data, what is computed from them, and what stays when a fit is
over."""

import gc
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import blobs

import protozoo as pz
from protozoo.models import _model as answers


X, Y = blobs()
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1_000_000, 16)).astype(np.float32)


@pytest.mark.parametrize("name", ["HCM", "FCM", "GaussianMixture"])
def test_clusters_start_in_memory_for_one_copy_of_the_data(name, many):
    getattr(pz.zoo, name)(many[:100], key=KEY)
    tracemalloc.start()
    try:
        getattr(pz.zoo, name)(many, key=KEY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * many.nbytes


def test_answers_are_computed_in_memory_for_a_few_samples(many):
    model = pz.zoo.GLVQ(np.tile(X, 4)[:, :16], Y, key=KEY)
    for question in (answers._predict, answers._probabilities):
        compiled = answers._answer.lower(model, jnp.asarray(many), question).compile()
        assert compiled.compiled.memory_analysis().temp_size_in_bytes < 0.3 * many.nbytes


def test_chunks_are_of_one_size_and_hardly_reach_back():
    from protozoo.models._chunks import BLOCK, rows_per_chunk

    for n in (1, 100, 128, 129, 1000, 65536, 65537, 100_000, 2_000_000):
        for columns in (1, 2, 16, 784, 10**6):
            rows = rows_per_chunk(n, columns)
            chunks = -(-n // rows)
            assert 1 <= rows <= max(BLOCK // columns, 128)
            assert chunks * rows - n < chunks


def test_when_a_fit_is_over_nothing_of_it_stays():
    """What JAX has compiled does, until its caches are cleared."""
    jax.clear_caches()
    gc.collect()
    client = jax.devices()[0].client
    before = {id(array) for array in jax.live_arrays()}
    for d in (2, 3):
        fit = pz.fit("GMLVQ", X[:, :d], Y, epochs=2, validation=(X[:, :d], Y))
        fit.model.predict(X[:, :d])
    assert client.live_executables()
    del fit
    jax.clear_caches()
    gc.collect()
    assert [array.shape for array in jax.live_arrays() if id(array) not in before] == []
    assert len(client.live_executables()) == 0
