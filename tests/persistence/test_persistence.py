"""A model on disk is the model, or an error that says why not."""

import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from zoo import CASES

import protozoo
from protozoo.manifolds import Euclidean
from protozoo.persistence import (
    _files,
    _migrations,
    _registry,
    decompose,
    describe,
    digest,
    fingerprint,
    load,
    rebuild,
    register,
    save,
)


@register
class Part(eqx.Module):
    """Everything that a field may hold."""

    value: Any
    fixed: Any = eqx.field(static=True, default=None)


@register
class Positive(eqx.Module):
    """Refuses `__init__` in a rebuild, and checks its invariant."""

    scale: jax.Array
    calls = 0

    def __init__(self, scale: float):
        Positive.calls += 1
        self.scale = jnp.asarray(scale)

    def __check_init__(self):
        if not self.scale > 0:
            raise ValueError("`scale` must be positive.")


@register
def halve(x):
    return x / 2


class Unlisted(eqx.Module):
    """Nobody registered it."""

    weight: jax.Array
    size: int = eqx.field(static=True, default=1)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """What one test registers, no other sees."""
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))


@pytest.fixture
def saved(tmp_path):
    """A saved model: its directory."""
    save(tmp_path / "model", Part(jnp.arange(3.0), fixed=7))
    return tmp_path / "model"


def round_trip(model: Any, path: Path) -> Any:
    save(path, model)
    return load(path)


def same_bits(a: Any, b: Any) -> bool:
    """Types, static fields, dtypes, weak types and the bits of every array."""
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if not eqx.is_array(x):
            if x is not y and not (type(x) is type(y) and repr(x) == repr(y)):
                return False
        elif (
            isinstance(x, jax.Array) is not isinstance(y, jax.Array)
            or (x.dtype, x.shape, getattr(x, "weak_type", None))
            != (y.dtype, y.shape, getattr(y, "weak_type", None))
            or np.asarray(x).tobytes() != np.asarray(y).tobytes()
        ):
            return False
    return True


def edit(directory: Path, change: Callable[[dict], None], sign: bool = True) -> None:
    """Change `structure.json`; signed, it is whole in itself."""
    file = directory / "structure.json"
    record = json.loads(file.read_text())
    change(record)
    if sign:
        record["sha256"] = digest({key: value for key, value in record.items() if key != "sha256"})
    file.write_text(json.dumps(record))


def arrays_file(directory: Path) -> Path:
    (file,) = directory.glob("arrays-*.bin")
    return file


# What comes back is what went in.

# NaN, -0, subnormal, -inf.
BITS = np.array([0x7FC01234, 0x80000000, 0x00000001, 0xFF800000], np.uint32).view(np.float32)

VALUES = {
    "float32 bits": jnp.asarray(BITS),
    "bfloat16": jnp.linspace(-1, 1, 7).astype(jnp.bfloat16).reshape(7, 1),
    "float16": jnp.linspace(-1, 1, 6).astype(jnp.float16).reshape(2, 3),
    "float8": jnp.asarray([0.5, 1.0], jnp.float8_e4m3fn),
    "complex": jnp.asarray([1 + 2j, 3]),
    "0-d": jnp.asarray(2.5, jnp.float32),
    "0-d weak": jnp.asarray(2.5),
    "weak": jnp.broadcast_to(jnp.asarray(0.25), (2, 2)),
    "weak int": jnp.asarray(3),
    "int": jnp.arange(-4, 4),
    "uint8": jnp.arange(5, dtype=jnp.uint8),
    "bool": jnp.asarray([True, False]),
    "empty": jnp.zeros((0, 3), jnp.float16),
    "numpy float64": np.linspace(0, 1, 3),
    "numpy 0-d": np.asarray(1, np.int64),
    "numpy strided": np.arange(12.0).reshape(3, 4).T[::2],
    "numpy number": np.float32(0.1),
    "float": 0.1,
    "infinity": -float("inf"),
    "NaN": float("nan"),
    "integer": 2**80,
    "flag": True,
    "text": "δ \ud800\n",
    "none": None,
    "list": [1, [jnp.ones(2), "x"], ()],
    "tuple": (1, (2.0, jnp.zeros(())), []),
    "dict": {"b": jnp.ones(1), "a/..'.x": {"": jnp.zeros(2)}, "tuple": [1]},
    "module": Part(Part(jnp.ones(2), fixed="inner"), fixed=(1, (2.0, None), Euclidean(3))),
    "space": Euclidean((2, 3)),
    "function": halve,
    "activation": jax.nn.gelu,
}


@pytest.mark.parametrize("name", VALUES)
def test_every_value_comes_back_bit_by_bit(name, tmp_path):
    model = Part(VALUES[name])
    loaded = round_trip(model, tmp_path / "model")
    assert type(loaded) is Part
    assert type(loaded.value) is type(model.value)
    assert same_bits(loaded, model)
    assert fingerprint(loaded) == fingerprint(model)


@pytest.mark.parametrize(
    "name", [n for n, v in VALUES.items() if not any(map(eqx.is_array, jax.tree.leaves(v)))]
)
def test_static_values_come_back(name, tmp_path):
    loaded = round_trip(Part(None, fixed=VALUES[name]), tmp_path / "model")
    assert type(loaded.fixed) is type(VALUES[name])
    assert repr(loaded.fixed) == repr(VALUES[name])


def test_comparison_of_bits_sees_differences():
    """`same_bits` is what the tests above rest on."""
    one = Part(jnp.ones(2))
    others = [
        *(
            Part(jnp.ones(2, jnp.int32)),
            Part(np.ones(2, np.float32)),
            Part(jnp.ones((1, 2))),
            Part(jnp.ones(2), fixed=1),
        ),
        *(
            Part([jnp.ones(2)]),
            Part(1.0),
            Part(jnp.broadcast_to(jnp.asarray(1.0), 2)),
            Part(jnp.asarray([1, 1 + 1e-7])),
        ),
    ]
    assert same_bits(one, Part(jnp.ones(2)))
    assert not any(same_bits(one, other) for other in others)


def test_byte_order_is_the_machine_s(tmp_path):
    array = np.arange(3, dtype=">i4")
    loaded = round_trip(Part(array), tmp_path / "model")
    assert loaded.value.dtype == np.int32
    np.testing.assert_array_equal(loaded.value, array)
    assert fingerprint(loaded) == fingerprint(Part(array))


def test_a_bare_array_is_a_tree(tmp_path):
    assert same_bits(round_trip(jnp.ones(2), tmp_path / "model"), jnp.ones(2))


def test_models_of_one_structure_share_a_fingerprint():
    assert fingerprint(Part(jnp.ones(2))) == fingerprint(Part(jnp.zeros(2)))
    others = [
        *(
            Part(jnp.ones(3)),
            Part(jnp.ones(2, jnp.int32)),
            Part(np.ones(2, np.float32)),
            Part(jnp.ones(2), fixed=1),
        ),
        *(
            Part([jnp.ones(2)]),
            Part((jnp.ones(2),)),
            Part(jnp.broadcast_to(jnp.asarray(1.0), 2)),
            Part(1),
            Part(True),
        ),
        *(
            Part(1.0),
            Part("1"),
            Part(np.int64(1)),
            Part(np.int32(1)),
            Part([]),
            Part(()),
            Part({}),
            Part(None),
            Part(halve),
        ),
    ]
    assert len({fingerprint(model) for model in [*others, Part(jnp.ones(2))]}) == len(others) + 1
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(Part(1)) == digest(json.loads(json.dumps(describe(Part(1)))))


def assert_compute_the_same(loaded: Callable, model: Callable, x: jax.Array) -> None:
    """Same numbers, by the same compiled program."""
    traces = []

    @eqx.filter_jit
    def call(model, x):
        traces.append(x.shape)
        return model(x)

    np.testing.assert_array_equal(call(loaded, x), call(model, x))
    assert len(traces) == 1


MLPS = {
    "default": {},
    "names": {"activation": jnp.tanh, "final_activation": jax.nn.softplus, "use_bias": False},
    "learned activation": {"activation": eqx.nn.PReLU(0.1), "scan": True},
    "scalar": {"in_size": "scalar", "out_size": "scalar", "dtype": jnp.bfloat16},
}


@pytest.mark.parametrize("name", MLPS)
def test_mlp_of_equinox_round_trips(name, key, tmp_path):
    model = eqx.nn.MLP(
        **{"in_size": 3, "out_size": 2, "width_size": 4, "depth": 2, "key": key, **MLPS[name]}
    )
    loaded = round_trip(model, tmp_path / "model")
    assert same_bits(loaded, model)
    x = jnp.ones(3) if model.in_size == 3 else jnp.ones((), jnp.bfloat16)
    assert_compute_the_same(loaded, model, x)


def test_layers_of_equinox_round_trip(key, tmp_path):
    nn = eqx.nn
    model = nn.Sequential(
        [
            *(
                nn.Conv2d(1, 4, 3, key=key),
                nn.GroupNorm(2, 4),
                nn.Lambda(jax.nn.relu),
                nn.MaxPool2d(2),
            ),
            *(nn.Dropout(0.5, inference=True), nn.AvgPool2d(2)),
            *(
                nn.AdaptiveAvgPool2d(2),
                nn.Lambda(jnp.ravel),
                nn.LayerNorm(16),
                nn.Linear(16, 4, key=key),
                nn.Identity(),
            ),
        ]
    )
    loaded = round_trip(model, tmp_path / "model")
    assert same_bits(loaded, model)
    assert_compute_the_same(loaded, model, jnp.arange(64.0).reshape(1, 8, 8))


def test_loading_runs_no_init_but_its_checks(tmp_path):
    model = Positive(2.0)
    before = Positive.calls
    assert same_bits(round_trip(model, tmp_path / "model"), model)
    assert Positive.calls == before
    structure, arrays = decompose(model)
    with pytest.raises(ValueError, match="`scale` must be positive"):
        rebuild(structure, {name: -array for name, array in arrays.items()})


def test_rebuilt_models_own_their_arrays():
    structure, _ = decompose([np.zeros(3), jnp.zeros(3)])
    arrays = {"model[0]": np.zeros(3), "model[1]": np.zeros(3, np.float32)}
    model = rebuild(structure, arrays)
    for array in arrays.values():
        array += 1
    assert not model[0].any() and not model[1].any()


def test_loaded_arrays_are_free_to_move(tmp_path):
    """An array that is committed to a device would not go together with those of another."""
    assert not round_trip(jnp.ones(2), tmp_path / "model").committed


def test_another_process_loads_the_same(tmp_path):
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(1))
    save(tmp_path / "model", [model, Euclidean(3)])
    program = (
        "import sys, numpy as np\n"
        "import protozoo.persistence as p, equinox as eqx, jax\n"
        "assert not any(name.split('.')[0] == 'orbax' for name in sys.modules)\n"
        "model, space = p.load('model')\n"
        "assert space.shape == (3,)\n"
        "np.savez('arrays.npz', *jax.tree.leaves(eqx.filter(model, eqx.is_array)))\n"
    )
    source = str(Path(protozoo.__file__).parents[1])
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": source},
        check=True,
    )
    with np.load(tmp_path / "arrays.npz") as found:
        leaves = jax.tree.leaves(eqx.filter(model, eqx.is_array))
        assert len(found) == len(leaves) == 4
        for name, leaf in zip(found, leaves, strict=True):
            assert found[name].tobytes() == np.asarray(leaf).tobytes()


# The directory.


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("some/where/model", Part(jnp.ones(2)))
    assert same_bits(load(Path("some/where/model")), Part(jnp.ones(2)))
    assert os.listdir(tmp_path / "some" / "where") == ["model"]


def test_no_pickle_on_disk(tmp_path, key):
    save(
        tmp_path / "model",
        Part([eqx.nn.MLP(2, 2, 2, 1, key=key), np.ones(2), halve], fixed=Euclidean(2)),
    )
    files = [file for file in (tmp_path / "model").rglob("*") if file.is_file()]
    assert len(files) == 2
    for file in files:
        assert "pkl" not in file.name and "pickle" not in file.name
        assert not file.read_bytes().startswith(b"\x80")  # as every pickle since protocol 2


def test_existing_path_needs_overwrite(saved):
    with pytest.raises(ValueError, match="exists: choose another path, or `overwrite=True`"):
        save(saved, Part(jnp.zeros(2)))
    assert same_bits(load(saved), Part(jnp.arange(3.0), fixed=7))
    save(saved, Part(jnp.zeros(2)), overwrite=True)
    assert same_bits(load(saved), Part(jnp.zeros(2)))
    assert os.listdir(saved.parent) == ["model"]


def test_overwrite_without_a_model_there(tmp_path):
    save(tmp_path / "model", Part(1), overwrite=True)
    assert load(tmp_path / "model").value == 1


def test_overwrite_deletes_nothing_but_models(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("words")
    (tmp_path / "file").write_text("words")
    for name in ("thesis", "file"):
        with pytest.raises(ValueError, match="replaces saved models and nothing else"):
            save(tmp_path / name, Part(1), overwrite=True)
    assert (
        (tmp_path / "thesis" / "chapter").read_text() == (tmp_path / "file").read_text() == "words"
    )


def test_overwrite_through_a_link(saved):
    link = saved.with_name("link")
    link.symlink_to(saved, target_is_directory=True)
    save(link, Part(2), overwrite=True)
    assert link.is_symlink()
    assert load(saved).value == load(link).value == 2


def test_nothing_is_written_for_a_model_that_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="cannot be saved"):
        save(tmp_path / "model", Unlisted(jnp.ones(2)))
    assert os.listdir(tmp_path) == []


# Mismatches.


def test_missing_path(tmp_path):
    with pytest.raises(ValueError, match="no saved model at .*nowhere.*does not exist"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [None, "{", "[1]", '{"structure": 1}'])
def test_not_a_model(tmp_path, content):
    if content is not None:
        (tmp_path / "structure.json").write_text(content)
    with pytest.raises(ValueError, match="is not a saved protozoo model"):
        load(tmp_path)


def test_newer_format(saved):
    edit(saved, lambda record: record.update(format=_files.FORMAT + 1, protozoo="9.9"))
    with pytest.raises(
        ValueError,
        match=f"has format {_files.FORMAT + 1}, written by protozoo '9.9'.* up to {_files.FORMAT}",
    ):
        load(saved)


def test_edited_structure(saved):
    edit(saved, lambda record: record["structure"]["fields"].update(fixed=8), sign=False)
    with pytest.raises(
        ValueError,
        match="changed after it was saved: expected the SHA-256 '[0-9a-f]{64}', found "
        "'[0-9a-f]{64}'",
    ):
        load(saved)


def test_arrays_of_another_model(saved):
    """Dtypes and shapes fit, the numbers are others."""
    save(saved.with_name("other"), Part(jnp.zeros(3), fixed=8))
    arrays_file(saved).write_bytes(arrays_file(saved.with_name("other")).read_bytes())
    with pytest.raises(
        ValueError,
        match=r"the array model\.value of the model in .*model' was changed after it was saved",
    ):
        load(saved)


@pytest.mark.parametrize("bit", range(0, 96, 7))
def test_every_flipped_bit_is_noticed_and_its_array_is_named(tmp_path, bit):
    save(tmp_path / "model", {"first": jnp.arange(3.0), "second": np.ones(1)})
    file = arrays_file(tmp_path / "model")
    bits = bytearray(file.read_bytes())
    for byte, name in ((bit // 8, "first"), (12 + bit // 12, "second")):
        changed = bits.copy()
        changed[byte] ^= 1 << bit % 8
        file.write_bytes(changed)
        with pytest.raises(
            ValueError, match=f"the array model\\['{name}'\\] of the model in .* was changed"
        ):
            load(tmp_path / "model")
    file.write_bytes(bits)
    assert same_bits(load(tmp_path / "model"), {"first": jnp.arange(3.0), "second": np.ones(1)})


def test_a_flipped_bit_in_large_arrays_is_noticed(tmp_path):
    save(tmp_path / "model", Part(jnp.zeros(10_000)))
    file, rng = arrays_file(tmp_path / "model"), np.random.default_rng(0)
    whole = file.read_bytes()
    for place in rng.integers(0, 8 * len(whole), 50):
        bits = bytearray(whole)
        bits[place // 8] ^= 1 << int(place % 8)
        file.write_bytes(bits)
        with pytest.raises(ValueError, match=r"the array model\.value .* was changed"):
            load(tmp_path / "model")


@pytest.mark.parametrize("size", [0, 11, 13])
def test_arrays_that_are_cut_off_or_too_long(saved, size):
    arrays_file(saved).write_bytes((arrays_file(saved).read_bytes() + b"more")[:size])
    with pytest.raises(
        ValueError, match=f"cut off or too long: expected 12 bytes in arrays-.*, found {size}"
    ):
        load(saved)


def test_arrays_that_are_missing(saved):
    arrays_file(saved).unlink()
    with pytest.raises(ValueError, match="the arrays of the model in .* are not there"):
        load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("arrays"), "names no file of arrays"),
        (
            lambda r: r["arrays"].update(file="../model/arrays-0000000000000000.bin"),
            "names no file of arrays",
        ),
        (lambda r: r["arrays"].update(file="/etc/passwd"), "names no file of arrays"),
        (lambda r: r["arrays"].update(sha256=None), "names no file of arrays"),
        (lambda r: r["arrays"]["sha256"].clear(), "its list of arrays differ in model.value"),
        (lambda r: r["arrays"]["sha256"].update(other="0"), "its list of arrays differ in other"),
        (
            lambda r: r["arrays"]["sha256"].update({"model.value": 0}),
            r"array model\.value .* was changed",
        ),
        (
            lambda r: r["structure"]["fields"]["value"].update(array="float16"),
            "expected 6 bytes in .*, found 12",
        ),
        (
            lambda r: r["structure"]["fields"]["value"].update(shape=[2**39]),
            f"expected {4 * 2**39} bytes in .*, found 12",
        ),
        (
            lambda r: r["structure"]["fields"]["value"].update(shape=[3, -1]),
            "is no shape of an array",
        ),
    ],
)
def test_a_signed_structure_that_does_not_fit_its_arrays(saved, change, message):
    edit(saved, change)
    with pytest.raises(ValueError, match=message):
        load(saved)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.arange(3, dtype=np.float16), r"found float16 with shape \(3,\)"),
        (np.arange(3, dtype=np.int32), r"found int32 with shape \(3,\)"),
        (np.ones((3, 1), np.float32), r"found float32 with shape \(3, 1\)"),
        (np.ones((), np.float32), r"found float32 with shape \(\)"),
        (None, "found none"),
    ],
)
def test_given_arrays_that_differ_from_the_structure(array, found):
    structure, _ = decompose(Part(jnp.arange(3.0)))
    with pytest.raises(
        ValueError, match=rf"model\.value: expected an array of float32 with shape \(3,\), {found}"
    ):
        rebuild(structure, {} if array is None else {"model.value": array})


def test_given_arrays_that_the_structure_does_not_mention():
    structure, arrays = decompose(Part(jnp.arange(3.0)))
    with pytest.raises(ValueError, match="does not mention: model.more"):
        rebuild(structure, arrays | {"model.more": np.ones(1)})


def test_float64_is_not_rounded(tmp_path, x64):
    save(tmp_path / "model", Part(jnp.linspace(0, 1, 3)))
    assert load(tmp_path / "model").value.dtype == jnp.float64
    with jax.enable_x64(False):
        with pytest.raises(
            ValueError,
            match="model.value is of float64, .* would round to float32: .*jax_enable_x64",
        ):
            load(tmp_path / "model")


@pytest.mark.parametrize(
    ("names", "missing", "extra"),
    [
        (["value", "fixed", "new"], "new", "none"),
        (["value"], "none", "fixed"),
        (["value", "renamed"], "renamed", "fixed"),
    ],
)
def test_fields_changed(saved, monkeypatch, names, missing, extra):
    changed = type("Part", (eqx.Module,), {"__annotations__": dict.fromkeys(names, Any)})
    name = json.loads((saved / "structure.json").read_text())["structure"]["class"]
    monkeypatch.setitem(_registry._REGISTERED, name, changed)
    with pytest.raises(
        ValueError,
        match=rf"missing from the saved model: {missing}; unknown to the class: {extra}\)",
    ):
        load(saved)


def test_a_field_that_a_class_was_given_later_has_its_default(saved, monkeypatch):
    class Grown(eqx.Module):
        value: Any
        fixed: Any = eqx.field(static=True)
        slope: jax.Array = eqx.field(default=2, converter=jnp.asarray)
        names: list = eqx.field(default_factory=lambda: ["a"])

    name = json.loads((saved / "structure.json").read_text())["structure"]["class"]
    monkeypatch.setitem(_registry._REGISTERED, name, Grown)
    assert same_bits(load(saved), Grown(jnp.arange(3.0), 7))


@pytest.mark.parametrize(
    ("model", "then"),
    [
        (
            protozoo.losses.Cooperative(protozoo.RankCooperation(2.0)),
            {"class": "protozoo.losses.NeuralGas"},
        ),
        (protozoo.losses.RSLVQ(0.5), {"cooperation": None}),
    ],
    ids=["NeuralGas", "RSLVQ"],
)
def test_what_earlier_versions_called_by_another_name(model, then):
    structure, arrays = decompose([model])
    node = structure[0]
    node["class"] = then.pop("class", node["class"])
    node["fields"] |= then
    assert same_bits(rebuild(structure, arrays), [model])


def test_a_migration_refuses_what_it_was_never_given():
    for name in _migrations.MIGRATIONS:
        with pytest.raises(
            ValueError, match="has other fields than it had when the model was saved"
        ):
            rebuild({"class": name, "fields": {"other": 1}}, {})


@pytest.mark.parametrize(
    "counts",
    [(300_000_000, 1, 1), (2, 1, 1), (0, 1, 2), (-1, 2, 2), (4,), (1.5, 1, 1), ("a",), 3, "111"],
    ids=repr,
)
def test_counts_of_classes_are_those_of_the_points(counts):
    structure, arrays = decompose(protozoo.Prototypes(np.eye(3), [0, 1, 2]))
    structure["fields"]["counts"] = describe(counts)
    with pytest.raises(ValueError, match="`counts` must be positive integers that add up to 3"):
        rebuild(structure, arrays)


def modules_in(node):
    """The descriptions of all modules in one."""
    if isinstance(node, dict):
        yield from [node] if "class" in node else ()
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from modules_in(inner)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_file_says_of_a_part_is_of_its_kind(case):
    """A card that is no card, a truth value that is a word."""
    structure, arrays = decompose(case.model)
    rebuild(structure, arrays)
    taken = []
    for node in modules_in(structure):
        for name, value in node["fields"].items():
            ours = node["class"].startswith("protozoo.")
            part = name in ("card", "scale", "decision", "latent_space") or (
                isinstance(value, dict) and "class" in value
            )
            if ours and (part or isinstance(value, bool)):
                node["fields"][name] = 7
                with contextlib.suppress(ValueError):
                    rebuild(structure, arrays)
                    taken.append(f"{node['class']}.{name}")
                node["fields"][name] = value
    assert not taken


# Names in files are data.


@pytest.mark.parametrize("kind", ["class", "function"])
@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "this.s", "planted.run", "protozoo.planted.Here"]
)
def test_no_name_is_imported(saved, kind, name, tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("def run(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    node = {"function": name} if kind == "function" else {"class": name, "fields": {}}

    def change(record):
        record["structure"]["fields"].update(value=node)
        record["arrays"]["sha256"].clear()

    edit(saved, change)
    arrays_file(saved).write_bytes(b"")
    with pytest.raises(
        ValueError, match=rf"model\.value names the {kind} '{name}', .*`pz\.register`"
    ):
        load(saved)
    assert {"this", "planted", "protozoo.planted"}.isdisjoint(sys.modules)


def test_an_unknown_name_in_a_whole_file_is_an_error(tmp_path, monkeypatch):
    """Saved in good order by a program that knew it, and opened by one that does not."""
    save(tmp_path / "model", register(Unlisted, "this.s")(jnp.ones(2)))
    del _registry._REGISTERED["this.s"]
    with pytest.raises(
        ValueError,
        match=r"model names the class 'this\.s', which is not known here.*`pz\.register`",
    ):
        load(tmp_path / "model")
    assert "this" not in sys.modules
    register(Unlisted, "this.s")
    assert same_bits(load(tmp_path / "model"), Unlisted(jnp.ones(2)))


def test_classes_are_no_functions_and_functions_no_classes():
    for node in ({"function": "equinox.nn.Identity"}, {"class": "jax.nn.relu", "fields": {}}):
        with pytest.raises(ValueError, match="which is not known here"):
            rebuild(node, {})


@pytest.mark.parametrize(
    "name", ["protozoo.manifolds.AbstractManifold", "protozoo.persistence.save", "equinox.Module"]
)
def test_abstract_classes_and_other_functions_are_not_on_the_list(name):
    assert name not in _registry.known()


def test_the_list_is_complete_and_every_name_has_one_meaning():
    listed = sum(map(len, _registry._FUNCTIONS.values())) + len(_registry._LAYERS) + 4
    assert len(_registry._LISTED) == listed  # this version of JAX and Equinox has all of them
    own = [
        cls
        for cls in _registry.subclasses(eqx.Module)
        if cls.__module__.startswith("protozoo.")
        and _registry.instantiable(cls)
        and "<" not in cls.__qualname__
    ]
    known = set(map(id, _registry.known().values()))
    assert own and all(id(cls) in known for cls in own)


# What is not on the list.


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Part([Unlisted(jnp.ones(1))]),
            r"model\.value\[0\] is a .*Unlisted, .*`pz\.register\(Unlisted\)`",
        ),
        (
            Part({"f": lambda x: x}),
            r"model\.value\['f'\] is <function .*<lambda>.*`pz\.register\(function\)`",
        ),
        (
            Part(None, fixed=(print,)),
            r"model\.fixed\[0\] is <built-in function print>.*`pz\.register",
        ),
        (Part(functools.partial(halve)), r"model\.value is functools\.partial\(.*`pz\.register"),
        (Part(int), r"model\.value is <class 'int'> of type builtins\.type, which cannot be saved"),
        (Part(Part), r"model\.value is <class '.*Part'> of type .*, which cannot be saved"),
        (
            Part({1: 2}),
            r"model\.value is \{1: 2\} of type builtins\.dict, .*dicts with string keys",
        ),
        (Part({1, 2}), r"model\.value is \{1, 2\} of type builtins\.set"),
        (Part(b"x"), r"model\.value is b'x' of type builtins\.bytes"),
        (Part(1j), r"model\.value is 1j of type builtins\.complex"),
        (Part(np.array(["a"])), r"model\.value is array\(\['a'\].* of type numpy\.ndarray"),
        (Part(np.array([None])), r"model\.value is array\(\[None\].* of type numpy\.ndarray"),
        (
            Part(np.ma.masked_array([1, 2], mask=np.array([False, True]))),
            r"model\.value is masked_array\(.* of type numpy\.ma",
        ),
        (Part(ml_dtypes.bfloat16(1)), r"model\.value is .* of type ml_dtypes\.bfloat16"),
        (Part(jax.random.key(0)), r"model\.value is a typed PRNG key.*`jax\.random\.key_data`"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value).split("\n")[0][:40],
)
def test_what_cannot_be_saved_is_named(model, message):
    for refused in (describe, decompose, fingerprint):
        with pytest.raises(ValueError, match=message):
            refused(model)
    json.dumps(describe(model, strict=False), allow_nan=False)


def test_opaque_descriptions_name_things_and_see_their_arrays():
    def local(x):
        return x

    structure = describe(
        Part([local, functools.partial(local), {1: Unlisted(jnp.ones(2))}, Unlisted]), strict=False
    )
    function, partial, other, cls = structure["fields"]["value"]
    assert function == {"opaque": f"{__name__}.{local.__qualname__}"}
    assert partial == {"opaque": "functools.partial"}
    assert cls == {"opaque": f"{__name__}.Unlisted"}
    weight = {"array": "float32", "shape": [2]}
    assert other["opaque"] == "builtins.dict"
    assert other["children"] == [
        {"class": f"{__name__}.Unlisted", "fields": {"weight": weight, "size": 1}}
    ]
    assert describe(jax.random.key(0), strict=False) == {"array": "key<fry>", "shape": []}
    with pytest.raises(ValueError, match=r"model\.value\[0\] was a .*local, described in part"):
        rebuild(structure, {})


def test_lenient_fingerprints_equal_the_strict_ones_where_both_exist():
    model = Part([jnp.ones(2), halve], fixed=Euclidean(2))
    assert describe(model, strict=False) == describe(model)
    one, two = Part(Unlisted(jnp.ones(2))), Part(Unlisted(jnp.zeros(2)))
    assert fingerprint(one, strict=False) == fingerprint(two, strict=False)
    for other in (Unlisted(jnp.ones(3)), Unlisted(jnp.ones(2), size=2)):
        assert fingerprint(one, strict=False) != fingerprint(Part(other), strict=False)


@pytest.mark.parametrize(
    "structure",
    [
        *(
            {"tuple": 1},
            {"dict": []},
            {"float": "1.0"},
            {"float": 1.0},
            {"number": 1, "dtype": "object"},
            {"what": 1},
            {},
        ),
        *(
            {"class": "equinox.nn.Identity"},
            {"array": "float32"},
            [{}],
            {"class": ["x"], "fields": {}},
        ),
    ],
    ids=repr,
)
def test_what_is_not_a_structure(structure):
    with pytest.raises(ValueError, match="is not part of a structure"):
        rebuild(structure, {})


@pytest.mark.parametrize("dtype", ["object", "U3", "f4,f4", "nothing"])
def test_empty_arrays_are_of_numbers(dtype):
    with pytest.raises(ValueError, match=f"'{dtype}' is not the dtype of numbers"):
        rebuild({"array": dtype, "shape": [0]}, {})


# Registering.


def test_registered_class_and_function(tmp_path):
    assert register(Unlisted) is Unlisted
    twice = register(functools.partial(jnp.multiply, 2), "mine.twice")
    model = Part([Unlisted(jnp.ones(2)), halve], fixed=twice)
    loaded = round_trip(model, tmp_path / "model")
    assert same_bits(loaded, model)
    assert loaded.fixed is twice
    assert describe(model)["fields"]["fixed"] == {"function": "mine.twice"}


def test_a_renamed_class_reads_old_files(saved):
    name = _registry.qualified(Part)
    file = saved / "structure.json"
    register(Part, "old.name")
    assert describe(Part(1))["class"] == name  # the first name is written

    record = json.loads(file.read_text())
    arrays = {"model.value": np.arange(3, dtype=np.float32)}
    assert same_bits(rebuild(record["structure"] | {"class": "old.name"}, arrays), load(saved))


def test_a_cell_may_register_its_class_again():
    def cell():
        class Mine(eqx.Module):
            x: int

        return register(Mine, "notebook.Mine")

    first, second = cell(), cell()
    assert type(rebuild({"class": "notebook.Mine", "fields": {"x": 1}}, {})) is second
    assert describe(second(1))["class"] == "notebook.Mine"
    with pytest.raises(ValueError, match="cannot be saved"):
        describe(first(1))


@pytest.mark.parametrize(
    ("thing", "name", "message"),
    [
        (lambda x: x, None, "has no unique name of its own"),
        (functools.partial(halve), None, "has no unique name of its own"),
        (
            int,
            None,
            "`thing` must be a concrete `eqx.Module` class or a function, got the class "
            "builtins.int",
        ),
        (
            protozoo.manifolds.AbstractManifold,
            None,
            "got the class protozoo.manifolds.*AbstractManifold",
        ),
        (Euclidean(2), None, "got an instance of protozoo.manifolds.*Euclidean"),
        (3, "three", "got an instance of builtins.int"),
        (halve, "jax.nn.relu", "the name 'jax.nn.relu' means .* already"),
        (
            Unlisted,
            "protozoo.manifolds.Euclidean",
            "the name 'protozoo.manifolds.Euclidean' means .* already",
        ),
    ],
)
def test_what_cannot_be_registered(thing, name, message):
    before = dict(_registry._REGISTERED)
    with pytest.raises(ValueError, match=message):
        register(thing, name)
    assert _registry._REGISTERED == before


def test_a_registered_name_keeps_its_meaning():
    register(halve, "mine.f")
    with pytest.raises(ValueError, match="the name 'mine.f' means .*halve.* already"):
        register(Unlisted, "mine.f")
