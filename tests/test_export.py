"""Models as programs that need no protozoo, called where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
import scipy.sparse
from pages import ROOT
from zoo import CASES, Case, sampled

import protozoo as pz


pytest.importorskip("flatbuffers")

#: Rows without an encoder, with one, with prototypes that share samples: all others nightly.
TRIED = [case for case in CASES if str(case) in ("LGMLVQ", "ImageCBC")]
IN_ONNX = [case for case in CASES if str(case) in ("GMLVQ", "KNN", "RSLVQ", "ImageGLVQ")]

#: What calls a program where nothing but JAX can be imported.
JAX_ALONE = """
import json, sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("protozoo", "equinox", "jaxtyping", "optax", "orbax"):
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
import jax.export
import numpy as np

program = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
for n in (1, 7, None):
    answers = program.call(np.load(sys.argv[2])[:n])
np.savez(sys.argv[3], **answers)
assert not {"protozoo", "equinox"} & set(sys.modules)
"""


def unequal() -> tuple[pz.PrototypeModel, np.ndarray]:
    """Clusters of very unlike size, far from the origin, several prototypes per class."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 40)
    centres = 100 + 10 * rng.normal(size=(3, 6))
    x = centres[y] + np.array([1e-3, 1.0, 10.0])[y][:, None] * rng.normal(size=(120, 6))
    x = x.astype(np.float32)
    model = pz.zoo.GMLVQ(x, y, key=jax.random.key(0), prototypes_per_class=3, latent_dim=4)
    return model, x


def assert_like(model: pz.PrototypeModel, x: np.ndarray, answers: dict, rtol: float = 1e-5) -> None:
    """The answers of the model itself; labels, but for ties."""
    probabilities = np.asarray(model.predict_proba(x))
    scale = np.abs(np.asarray(model.distances(x))).max()
    np.testing.assert_allclose(answers["probabilities"], probabilities, atol=1e-4)
    np.testing.assert_allclose(
        answers["distances"], model.distances(x), rtol=rtol, atol=1e-5 * scale
    )
    np.testing.assert_allclose(answers["confidence"], model.confidence(x), atol=1e-3)
    own = np.sort(probabilities, axis=1)
    clear = probabilities.shape[1] == 1 or own[:, -1] - own[:, -2] > 1e-4
    assert ((answers["label"] == np.asarray(model.predict(x))) | ~clear).all()


# StableHLO.


@pytest.mark.parametrize("case", sampled(CASES, TRIED), ids=str)
def test_a_program_answers_as_the_model(tmp_path, case):
    pz.export.stablehlo(case.model, tmp_path / "model", sample_shape=case.x.shape[1:])
    program = pz.export.load_stablehlo(tmp_path / "model")
    assert_like(case.model, case.x, program(case.x))
    x = case.x[:3].copy()
    x[1].flat[0] = np.nan
    answers = program(x)
    if not case.model.takes_gaps:
        assert np.asarray(answers.pop("label")).tolist()[1] == -1
        assert all(np.isnan(answer[1]).all() for answer in answers.values())
        assert all(np.isfinite(answer[0]).all() for answer in answers.values())


def test_a_program_is_called_with_jax_alone(tmp_path):
    model, x = unequal()
    pz.export.stablehlo(model, tmp_path / "model")
    np.save(tmp_path / "x.npy", x)
    command = [
        sys.executable,
        "-c",
        JAX_ALONE,
        *(tmp_path / n for n in ("model", "x.npy", "a.npz")),
    ]
    subprocess.run(command, check=True)
    with np.load(tmp_path / "a.npz") as answers:
        assert set(answers) == set(pz.export.OUTPUTS)
        assert_like(model, x, answers)


def test_options_are_honoured(tmp_path):
    model, x = unequal()
    threshold = float(np.median(model.confidence(x)))
    pz.export.stablehlo(
        model, tmp_path / "model", outputs=("label",), threshold=threshold, platforms=("cpu",)
    )
    program = pz.export.load_stablehlo(tmp_path / "model")
    answers = program(x)
    assert set(answers) == {"label"}
    labels = np.asarray(model.predict_with_reject(x, threshold))
    np.testing.assert_array_equal(answers["label"], labels)
    assert 0 < (labels == -1).sum() < len(x)
    exported = jax.export.deserialize(bytearray((tmp_path / "model").read_bytes()))
    assert exported.platforms == ("cpu",)


def test_one_file_is_for_all_platforms_and_any_number_of_samples(tmp_path):
    model, _ = unequal()
    pz.export.stablehlo(model, tmp_path / "model", outputs=("probabilities",))
    exported = jax.export.deserialize(bytearray((tmp_path / "model").read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    (aval,) = exported.out_avals
    assert jax.export.is_symbolic_dim(aval.shape[0]) and aval.shape[1] == 3


def test_a_program_that_was_damaged_is_refused(tmp_path):
    model, x = unequal()
    path = tmp_path / "model"
    pz.export.stablehlo(model, path, outputs=["label"])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(8 * (len(whole) - 48), size=30):
        bits = bytearray(whole)
        bits[place // 8] ^= 1 << (place % 8)
        path.write_bytes(bits)
        with pytest.raises(ValueError, match="holds no StableHLO program: it was changed or dam"):
            pz.export.load_stablehlo(path)
    # Of an earlier version: without a seal.
    path.write_bytes(whole[:-48])
    answers = pz.export.load_stablehlo(path)(x)
    np.testing.assert_array_equal(answers["label"], model.predict(x))


def test_files_are_whole_and_not_replaced_unasked(tmp_path):
    model, x = unequal()
    path = tmp_path / "deep" / "model"
    pz.export.stablehlo(model, path, outputs=["label"])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="exists: choose another path, or `overwrite=True`"):
        pz.export.stablehlo(model, path)
    pz.export.stablehlo(model, path, overwrite=True)
    assert path.read_bytes() != before and os.listdir(path.parent) == ["model"]
    with pytest.raises(ValueError, match="exists: choose another path.$"):
        pz.export.stablehlo(model, path.parent, overwrite=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": ()}, "`outputs` must name some of label"),
        ({"outputs": ("label", "label")}, "each once"),
        ({"outputs": ("labels",)}, "`outputs`"),
        ({"threshold": 1.5}, "`threshold` is a confidence and must lie in .0, 1., got 1.5"),
        ({"sample_shape": (7,)}, "`sample_shape`"),
        ({"sample_shape": (0,)}, "`sample_shape`"),
        ({"platforms": ("cpu", "abacus")}, "`platforms` must be some of cpu, cuda, rocm, tpu"),
        ({"path": ""}, "`path` is empty"),
    ],
    ids=str,
)
def test_bad_requests(tmp_path, unchecked, options, message):
    (case,) = [case for case in CASES if str(case) == "GMLVQ"]
    with pytest.raises(TypeError if "labels" in str(options) else ValueError, match=message):
        pz.export.stablehlo(case.model, **{"path": tmp_path / "model", **options})
    assert not list(tmp_path.iterdir())


def test_what_only_the_encoder_knows_is_asked_for(tmp_path):
    (case,) = [case for case in CASES if str(case) == "ImageGLVQ"]
    if case.model.sample_shape is None:
        with pytest.raises(ValueError, match="`sample_shape` is needed"):
            pz.export.stablehlo(case.model, tmp_path / "model")


def test_a_model_that_cannot_decide_is_not_exported(tmp_path):
    (case,) = [case for case in CASES if str(case) == "GMLVQ"]
    model = jax.tree.map(
        lambda a: a * jnp.nan if jnp.issubdtype(a.dtype, jnp.floating) else a, case.model
    )
    with pytest.raises(ValueError, match="NaN or infinite"):
        pz.export.stablehlo(model, tmp_path / "model")


def test_a_program_refuses_what_its_model_would(tmp_path, unchecked):
    model, x = unequal()
    pz.export.stablehlo(model, tmp_path / "model")
    program = pz.export.load_stablehlo(tmp_path / "model")
    for wrong in (
        np.ma.masked_less(x, 100),
        x.astype(complex),
        x.astype("M8[s]"),
        x.astype(str),
        1e300 * x.astype(float),
        x[0],
        x[:, :2],
        x[:0],
        scipy.sparse.csr_array(x),
        None,
    ):
        with pytest.raises((TypeError, ValueError), match="`x` "):
            program(wrong)
        with jax.enable_x64(True), pytest.raises((TypeError, ValueError), match="`x` "):
            program(wrong)
    for right in (x.tolist(), pandas.DataFrame(x)):
        np.testing.assert_array_equal(program(right)["label"], program(x)["label"])
    with pytest.raises(TypeError, match="`path` must be"):
        pz.export.load_stablehlo(3)


@pytest.mark.parametrize("text", [b"", b"\0" * 100, b"not a program"])
def test_what_is_no_program_is_one_error(tmp_path, text):
    (tmp_path / "model").write_bytes(text)
    with pytest.raises(ValueError, match="holds no StableHLO program"):
        pz.export.load_stablehlo(tmp_path / "model")
    with pytest.raises(ValueError, match="holds no StableHLO program"):
        pz.export.load_stablehlo(tmp_path / "nothing")


# ONNX, in the environment of `nox -s onnx`.


def in_onnx(model: pz.PrototypeModel, path: Path, x: np.ndarray, **options: object) -> dict:
    """The answers of ONNX Runtime."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("jax2onnx")
    pz.export.onnx(model, path, sample_shape=x.shape[1:], **options)
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.name == "x" and given.shape[1:] == list(x.shape[1:])
    names = [output.name for output in session.get_outputs()]
    first = session.run(names, {"x": x[:1]})
    answers = dict(zip(names, session.run(names, {"x": x}), strict=True))
    assert all(
        len(a) == 1 and len(b) == len(x) for a, b in zip(first, answers.values(), strict=True)
    )
    return answers


@pytest.mark.onnx
@pytest.mark.filterwarnings("ignore")
class TestOnnx:
    """Every row: the same answers, or the part that ONNX cannot express."""

    @pytest.mark.parametrize("case", sampled(CASES, IN_ONNX), ids=str)
    def test_every_row(self, tmp_path, case: Case):
        try:
            answers, reason = in_onnx(case.model, tmp_path / "model.onnx", case.x), ""
        except ValueError as error:
            answers, reason = None, str(error)
        if answers is None:
            assert "ONNX cannot express " in reason and "stablehlo" in reason
        else:
            assert_like(case.model, case.x, answers, rtol=1e-3)

    def test_clusters_of_unlike_size(self, tmp_path):
        model, x = unequal()
        assert_like(model, x, in_onnx(model, tmp_path / "model.onnx", x), rtol=1e-3)

    def test_kernels_of_even_size(self, tmp_path):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(20, 8, 6, 2)).astype(np.float32)
        encoder = pz.backbones.CNN((8, 6, 2), latent_dim=3, channels=(4, 3), kernel_size=4, key=0)
        points = jax.vmap(encoder)(x[:4])
        model = pz.PrototypeModel(
            pz.Prototypes(points, [0, 0, 1, 1]),
            pz.metrics.SquaredEuclidean(),
            pz.losses.GLVQ(),
            encoder,
        )
        assert_like(model, x, in_onnx(model, tmp_path / "model.onnx", x), rtol=1e-3)

    def test_options_are_honoured(self, tmp_path):
        onnx = pytest.importorskip("onnx")
        model, x = unequal()
        threshold = float(np.median(model.confidence(x)))
        path = tmp_path / "model.onnx"
        answers = in_onnx(
            model, path, x, outputs=("confidence", "label"), threshold=threshold, opset=21
        )
        assert list(answers) == ["confidence", "label"]
        sure = np.abs(np.asarray(model.confidence(x)) - threshold) > 1e-4
        labels = np.asarray(model.predict_with_reject(x, threshold))
        assert (answers["label"][sure] == labels[sure]).all()
        assert {o.version for o in onnx.load(path).opset_import if o.domain == ""} == {21}

    def test_a_part_that_cannot_be_expressed_is_named(self, tmp_path):
        pytest.importorskip("jax2onnx")
        (case,) = [case for case in CASES if str(case) == "RiemannianSRNG"]
        with pytest.raises(
            ValueError, match=r"the metric, .* in SPD\(n=3\): `pz.export.stablehlo`"
        ):
            pz.export.onnx(case.model, tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())


def test_the_page_counts_the_cases():
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    assert f"all {len(CASES)} cases of the test suite" in page
    assert f"of the {len(CASES)} cases" in page
