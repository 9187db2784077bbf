"""The first result: a fresh process imports, fits and predicts

Wall time of the whole process, as a newcomer meets it: imports, compilation, 100 epochs of Adam
(learning rate 0.01, all samples in one batch, one prototype for each class, starting at the class
means), predictions for the training data.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ._measure import seconds


COLUMNS = ("seconds", "accuracy")
COMPARED = ("seconds",)

SCRIPTS = {
    "protozoo": """
import sys, jax, numpy as np, optax, protozoo as pz
data = np.load(sys.argv[1])
x, y, key = data["x"], data["y"], jax.random.key(0)
model = pz.zoo.{model}(x, y, key=key, initialiser="means")
fit = pz.Trainer(pz.GradientDescent(optax.adam(0.01)), epochs=100).fit(model, x, y, key=key)
print(float((np.asarray(fit.model.predict(x)) == y).mean()))
""",
    "prosemble": """
import sys, numpy as np
from prosemble.models import {model}
data = np.load(sys.argv[1])
x, y = data["x"], data["y"]
model = {model}(max_iter=100, lr=0.01, epsilon=0.0, prototypes_initializer="class_mean").fit(x, y)
print(float((np.asarray(model.predict(x)) == y).mean()))
""",
}


def rows(quick: bool) -> dict:
    pairs = (("GLVQ", "iris"), ("GMLVQ", "digits"))
    return {
        f"{m}, {d}": {library: {"library": library, "model": m, "data": d} for library in SCRIPTS}
        for m, d in pairs
    }


def measure(library: str, model: str, data: str) -> dict[str, float]:
    import numpy as np
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, x=(x / x.max()).astype(np.float32), y=y)
        command = [sys.executable, "-c", SCRIPTS[library].format(model=model), str(path)]
        printed = []
        took = seconds(
            lambda: printed.append(
                subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            )
        )
    return {"seconds": took, "accuracy": json.loads(printed[0].splitlines()[-1])}
