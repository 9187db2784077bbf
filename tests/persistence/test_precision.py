"""Saved models of fewer bits: smaller by as much as expected, hardly another model, in the same
constraints."""

import json
import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES, sampled

import protozoo as pz
from protozoo._module import declarations
from protozoo.persistence import _files, largest_change, quantised


PRECISIONS = ("float16", "bfloat16", "int8")
#: Rows that have unlike constraints; all of them are tried nightly.
TRIED = [case for case in CASES if str(case) in ("GMLVQ", "GTLVQ", "MDM")]
#: The largest change of a probability that a case of the table may see.
CHANGE = {"float16": 0.003, "bfloat16": 0.03, "int8": 0.08}


def size(path: Path) -> int:
    (arrays,) = path.glob("arrays-*.bin")
    return arrays.stat().st_size


def saved(path: Path, model: object, **options: str) -> Path:
    pz.save(path, model, **options)
    return path


def large(seed: int = 0) -> pz.PrototypeModel:
    """A model with many numbers, whose features have unlike units and lie far from zero."""
    rng = np.random.default_rng(seed)
    units = np.geomspace(1e-4, 1e4, 60)
    points = (rng.normal(size=(40, 60)) + 5 * rng.normal(size=60)) * units
    matrix = rng.normal(size=(60, 30)) / units[:, None]
    return pz.PrototypeModel(
        pz.Prototypes(points.astype(np.float32), np.repeat(np.arange(4), 10)),
        pz.metrics.Omega(matrix.astype(np.float32), normalised=False),
        pz.losses.GLVQ(),
    )


def near(model: pz.PrototypeModel) -> np.ndarray:
    """Samples around its prototypes."""
    points = np.asarray(model.prototypes.points)
    noise = np.random.default_rng(1).normal(size=(5, *points.shape)) * points.std(axis=0) / 2
    return (points + noise).reshape(-1, *points.shape[1:]).astype(np.float32)


def kept(model: eqx.Module, other: eqx.Module) -> bool:
    """Whether whatever does not learn is the same to the last bit."""
    same = jax.tree.map(
        lambda a, b, d: (
            (d.kind == "learned" and eqx.is_inexact_array(a))
            or not eqx.is_array(a)
            or bool((a == b).all())
        ),
        model,
        other,
        declarations(model),
    )
    return all(jax.tree.leaves(same))


def projection(leaf: jax.Array, declaration: Any, was: jax.Array) -> jax.Array:
    """What a leaf of a loaded model must be: fulfil its constraint, or, of whole numbers, be what
    it was."""
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return declaration.constraint.project(leaf)
    return was


@pytest.mark.parametrize(("precision", "factor"), [("float16", 2), ("bfloat16", 2), ("int8", 4)])
def test_files_are_smaller_by_the_expected_factor(tmp_path, precision, factor):
    model = large()
    plain, short = (
        saved(tmp_path / "plain", model),
        saved(tmp_path / "short", model, precision=precision),
    )
    # Steps take their share: one for each unit, beside forty or thirty numbers.
    assert size(short) < size(plain) / (0.69 * factor)
    assert largest_change(model, precision, near(model)) < 0.05
    wide = pz.backbones.MLP((64, 256, 32), key=0)
    plain, short = (
        saved(tmp_path / "wide", wide),
        saved(tmp_path / "narrow", wide, precision=precision),
    )
    assert size(short) < 1.02 * size(plain) / factor


@pytest.mark.parametrize("case", sampled(CASES, TRIED), ids=str)
def test_every_row_is_hardly_another_model(tmp_path, case):
    for precision in PRECISIONS:
        loaded = pz.load(saved(tmp_path / precision, case.model, precision=precision))
        again = quantised(case.model, precision)
        assert jax.tree.structure(loaded) == jax.tree.structure(case.model)
        for one, two, three in zip(*map(jax.tree.leaves, (loaded, again, case.model)), strict=True):
            assert one.dtype == two.dtype == three.dtype and one.shape == three.shape
            np.testing.assert_array_equal(one, two)
        assert kept(case.model, loaded)
        projected = jax.tree.map(projection, loaded, declarations(loaded), case.model)
        for one, two in zip(*map(jax.tree.leaves, (loaded, projected)), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)
        before, after = (np.asarray(m.predict_proba(case.x)) for m in (case.model, loaded))
        assert np.abs(after - before).max() <= CHANGE[precision]
    assert largest_change(case.model, precision, case.x) == np.abs(after - before).max()


SPACES = [
    pz.manifolds.SPD(3),
    pz.manifolds.Sphere(6),
    pz.manifolds.SO(3),
    pz.manifolds.Grassmannian(5, 2),
    pz.manifolds.PoincareBall(3),
    pz.manifolds.Product((pz.manifolds.SPD(2), pz.manifolds.Euclidean((2,)))),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_points_stay_in_their_space(tmp_path, space, precision):
    points = space.random_points(jax.random.key(0), 30)
    prototypes = pz.Prototypes(points, None, space)
    loaded = pz.load(saved(tmp_path / "model", prototypes, precision=precision))
    assert size(tmp_path / "model") < 0.8 * points.nbytes
    assert loaded.space.violation(loaded.points) is None
    far = np.asarray(space.squared_distances(points, points))
    off = np.diag(np.asarray(space.squared_distances(points, loaded.points)))
    assert off.max() < 1e-3 * far.max()


def test_small_eigenvalues_are_kept(tmp_path):
    space = pz.manifolds.SPD(2)
    values = jnp.geomspace(1e-2, 1e2, 20)
    points = jax.vmap(jnp.diag)(jnp.stack([values, 1 / values], axis=1))
    loaded = pz.load(
        saved(tmp_path / "model", pz.Prototypes(points, None, space), precision="int8")
    )
    found = jax.vmap(jnp.diag)(loaded.points)
    np.testing.assert_allclose(found[:, 0], values, rtol=0.1)


def test_what_is_positive_stays_positive(tmp_path):
    radii = jnp.geomspace(1e-8, 1e8, 100)
    loaded = pz.load(saved(tmp_path / "model", pz.losses.Radii(radii), precision="int8"))
    np.testing.assert_allclose(loaded.radii, radii, rtol=0.08)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [1.0, 1e-38, 1e37], ids=["usual", "tiny", "huge"])
def test_no_range_is_too_large_and_no_number_too_far(precision, size):
    rng = np.random.default_rng(0)
    # Of another unit, far from the origin, without an extent, and zero where it was zero.
    columns = size * np.stack(
        [rng.normal(size=200), 7 + 1e-3 * rng.normal(size=200), np.ones(200), np.zeros(200)], 1
    )
    columns = np.concatenate(
        [columns, columns[:, :1] * np.r_[np.zeros(100), np.ones(100)][:, None]], 1
    )
    x = columns.astype(np.float32)
    found = np.asarray(quantised({"x": jnp.asarray(x)}, precision)["x"])
    assert found.dtype == np.float32 and (found != x).any()
    span = np.ptp(x.astype(float), axis=0)
    assert (np.abs(found.astype(float) - x) <= span / 64 + 1e-45).all()
    assert (found[:, 2:4] == x[:, 2:4]).all() and (found[x == 0] == 0).all()


def test_numbers_that_sixteen_bits_hold_are_exact():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float16), jnp.float32)
    np.testing.assert_array_equal(quantised([x], "float16")[0], x)


def test_what_is_not_worth_it_stays():
    tree = {
        "few": jnp.asarray([0.1, 0.2]),
        "infinite": jnp.asarray([0.1] * 99 + [-jnp.inf]),
        "whole": jnp.arange(1000),
        "bits": jax.random.key_data(jax.random.key(7)),
        "numpy": np.linspace(0, 1, 1000),
        "short": jnp.linspace(0, 1, 1000).astype(jnp.bfloat16),
    }
    for one, two in zip(
        jax.tree.leaves(quantised(tree, "float16")), jax.tree.leaves(tree), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_bad_requests(tmp_path, unchecked):
    model = {"a": jnp.asarray([0.5, jnp.nan] * 50)}
    with pytest.raises(ValueError, match=r"`precision`: model\['a'\] holds NaN"):
        pz.save(tmp_path / "model", model, precision="int8")
    with pytest.raises(ValueError, match="`precision` must be .*int8.*got 'int4'"):
        pz.save(tmp_path / "model", model, precision="int4")
    assert not list(tmp_path.iterdir())


# Files.


def test_format_2_is_still_written_where_nothing_is_rounded(tmp_path):
    for options, number in (({}, 2), ({"precision": "int8"}, 3)):
        path = saved(tmp_path / str(number), large(), **options)
        assert json.loads((path / "structure.json").read_text())["format"] == number
    pz.save(tmp_path / "3", large(1), overwrite=True, precision="float16")
    assert len(list((tmp_path / "3").iterdir())) == 2


def test_damage_is_found(tmp_path):
    path = saved(tmp_path / "model", large(), precision="int8")
    (arrays,) = path.glob("arrays-*.bin")
    bits = bytearray(arrays.read_bytes())
    for at in (0, len(bits) // 2, len(bits) - 1):
        bits[at] ^= 1
        arrays.write_bytes(bits)
        with pytest.raises(ValueError, match="was changed after it was saved"):
            pz.load(path)
        bits[at] ^= 1
    arrays.write_bytes(bits[:-1])
    with pytest.raises(ValueError, match="cut off or too long"):
        pz.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"as": "int4"},
        {"as": None},
        {"axis": 2},
        {"axis": -1},
        {"axis": True},
        {"shape": [60, 40]},
        {"shape": [2400]},
        {"shape": [40, -60]},
        {"shape": None},
        {"shape": [2**39] * 33},
        {"more": 1},
    ],
    ids=str,
)
def test_a_hostile_description_is_one_error(tmp_path, change):
    path = saved(tmp_path / "model", {"a": large().prototypes}, precision="int8")
    record = json.loads((path / "structure.json").read_text())
    record["arrays"]["packed"]["model['a'].points"] |= change
    record.pop("sha256")
    signed = json.dumps({"sha256": _files.digest(record), **record})
    (path / "structure.json").write_text(signed)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        pz.load(path)
