"""What takes memory: copies of the data, what is computed from them, and what stays when a fit is
over."""

import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import blobs

import protozoo as pz
from protozoo.models import _chunks, _model as answers
from protozoo.training import _trainer


X, Y = blobs()
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1_000_000, 16)).astype(np.float32)


@pytest.mark.parametrize("name", ["KMeans", "FCM", "GaussianMixture", "GLVQ", "GMLVQ"])
def test_models_start_in_memory_for_less_than_a_copy_of_the_data(name, many):
    """Seeding remembers a few distances of each sample, and one class is taken out at a time."""
    row, y = getattr(pz.zoo, name), np.arange(len(many)) % 2
    few = slice(100)
    row(many[few], y[few] if row.supervised else None, key=KEY)
    tracemalloc.start()
    try:
        row(many, y if row.supervised else None, key=KEY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.9 * many.nbytes


def test_answers_are_computed_in_memory_for_a_few_samples(many):
    model = pz.zoo.GLVQ(np.tile(X, 4)[:, :16], Y, key=KEY)
    for question in (answers._predict, answers._probabilities):
        compiled = answers._answer.lower(model, jnp.asarray(many), question).compile()
        assert compiled.compiled.memory_analysis().temp_size_in_bytes < 0.3 * many.nbytes


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory) -> np.memmap:
    """96 MB in a file."""
    path = tmp_path_factory.mktemp("disk") / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.float32, (1_500_000, 16))
    random = np.random.default_rng(0)
    for at in range(0, len(x), 100_000):
        x[at : at + 100_000] = random.normal(size=(100_000, 16))
    x.flush()
    return np.load(path, mmap_mode="r")


def own_memory() -> int:
    """What this process holds, but for the pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def more_memory(function: Callable[[], Any]) -> tuple[int, Any]:
    """How much more it takes on its way than before, looked at every millisecond."""
    function()  # compiles
    gc.collect()
    before, most, over = own_memory(), [0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], own_memory() - before)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = jax.block_until_ready(function())
    finally:
        over.set()
        watcher.join()
    return most[0], answer


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("name", ["predict", "transform"])
def test_answers_about_large_arrays_of_the_host_take_memory_for_pieces(name, on_disk, monkeypatch):
    model = pz.zoo.GMLVQ(np.tile(X, 4)[:, :16], Y, key=KEY, latent_dim=2)
    model = eqx.tree_at(
        lambda m: m.scale,
        model,
        pz.backbones.Standardise.from_data(on_disk[:99]),
        is_leaf=lambda leaf: leaf is None,
    )
    ask = getattr(model, name)
    more, answer = more_memory(lambda: ask(on_disk))
    # A piece, of which the host and the device each have a copy, what is computed of it, and the
    # answer: 3 pieces of 16 MB, where a copy of the data is 6 of them.
    assert more < 3 * _chunks.PIECE + answer.nbytes < on_disk.nbytes + answer.nbytes
    few = on_disk[:-7]  # pieces that do not divide it
    in_pieces = ask(few)
    monkeypatch.setattr(_chunks, "LARGE", 2**60)
    np.testing.assert_array_equal(in_pieces, ask(few))


@linux
def test_an_evaluation_takes_memory_for_a_few_numbers_of_each_sample(on_disk):
    model = pz.zoo.GLVQ(np.tile(X, 4)[:, :16], Y, key=KEY)
    y = np.arange(len(on_disk), dtype=np.int32) % 3
    more, found = more_memory(lambda: pz.evaluate(model, on_disk, y))
    assert found.samples == len(y) and more < 1.6 * on_disk.nbytes


def test_what_is_wrong_in_a_piece_is_told_by_its_row(monkeypatch):
    monkeypatch.setattr(_chunks, "LARGE", 1000)
    monkeypatch.setattr(_chunks, "PIECE", 500)
    model = pz.zoo.GLVQ(X, Y, key=KEY)
    many = np.concatenate([X] * 3)
    assert _chunks.rows_per_piece(many) < 30
    many[[150, 151], 2] = np.nan
    with pytest.raises(ValueError, match=r"`x` has 2 values .* the first one at index \(150, 2\)"):
        model.predict(many)
    gaps = eqx.tree_at(lambda m: m.metric, model, pz.metrics.Missing(model.metric))
    many[140:142] = np.nan
    with pytest.raises(ValueError, match="`x` has 2 samples without any feature, the first at 140"):
        gaps.predict(many)
    points = np.array(pz.manifolds.Sphere(4).random_points(KEY, 200))
    on_sphere = pz.PrototypeModel(
        pz.Prototypes(points[:2], [0, 1], pz.manifolds.Sphere(4)),
        pz.metrics.SquaredEuclidean(),
        pz.losses.GLVQ(),
    )
    points[120] *= 2
    with pytest.raises(ValueError, match="`x` does not lie in .*point 120 has a length"):
        on_sphere.predict(points)
    broken = eqx.tree_at(lambda m: m.prototypes.points, model, model.prototypes.points * np.nan)
    with pytest.raises(ValueError, match="the model has parameters that are NaN"):
        broken.predict(np.concatenate([X] * 3))


def test_a_large_memory_map_is_learned_from_batch_by_batch(tmp_path, monkeypatch):
    """To the same model as what is in memory: the order is the same one."""
    monkeypatch.setattr(_chunks, "LARGE", 1000)
    monkeypatch.setattr(_chunks, "PIECE", 500)
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = pz.zoo.GMLVQ(X, Y, key=KEY)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.05), 3, batch_size=16)
    monkeypatch.setattr(_trainer, "as_batch", None)  # nothing becomes one batch
    mapped = trainer.fit(model, x, Y, key=1)
    with pytest.raises(ValueError, match="`y` must have one label for each of the 60 samples"):
        trainer.fit(model, x, Y[:-1], key=1)
    monkeypatch.undo()
    here = trainer.fit(model, X, Y, key=1)
    for a, b in zip(jax.tree.leaves(mapped.model), jax.tree.leaves(here.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mapped.history["loss"], here.history["loss"], rtol=1e-5)
    monkeypatch.setattr(_chunks, "LARGE", 1000)
    monkeypatch.setattr(_chunks, "PIECE", 500)
    # Weights are about all samples together, which are then brought into memory.
    weighted = trainer.fit(model, x, Y, key=1, sample_weight=np.ones(len(X)))
    assert eqx.tree_equal(weighted.model, here.model)
    wrong = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", X.dtype, X.shape)
    wrong[:] = X
    wrong[37, 1] = np.inf
    with pytest.raises(ValueError, match=r"the first one at index \(37, 1\)"):
        trainer.fit(model, wrong, Y, key=1)


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
