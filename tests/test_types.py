"""What checkers know of the library: the stub of the zoo's rows, public shapes, shapes that are
checked while a program runs. (`tests/typing/check.py` asks the checkers themselves.)"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import protozoo as pz
from protozoo import _types, types


def test_the_stub_says_what_rows_take():
    path = Path(__file__).parent.parent / "docs" / "zoo_stub.py"
    spec = importlib.util.spec_from_file_location("zoo_stub", path)
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    found = generator.PATH.read_text(encoding="utf-8")
    assert found == generator.stub(), "run `python docs/zoo_stub.py`"
    assert set(pz.zoo.names()) <= set(pz.zoo.__all__)


def test_all_shapes_are_public_and_explained():
    for name in _types.__all__:
        assert getattr(types, name) is getattr(_types, name)
        assert f"`{name}`" in types.__doc__


HOOKED = """
from jaxtyping import TypeCheckError, install_import_hook

with install_import_hook("protozoo", "beartype.beartype"):
    import protozoo as pz

import numpy as np

x, y = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3
for name in ("GLVQ", "HCM", "SVDD"):
    fit = pz.fit(name, x, *([y] if name == "GLVQ" else []), epochs=1)
    fit.model.predict(x)
proba, labels = fit.model.predict_proba(x), fit.model.predict(x)
try:
    pz.evaluation.accuracy(proba[:, 0], labels, proba[:, 1])
except TypeCheckError as error:
    print(" ".join(str(error).split()))
"""


def test_a_user_has_shapes_checked():
    run = subprocess.run([sys.executable, "-c", HOOKED], capture_output=True, text=True, check=True)
    assert "protozoo.evaluation.accuracy" in run.stdout
    assert "parameter 'scores'. Actual value: f32[60]" in run.stdout
    assert "'n c'" in run.stdout.split("Expected type: ")[1]
