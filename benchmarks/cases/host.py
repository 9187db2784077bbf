"""Data from the host

1,000,000 samples with 64 features, 100 prototypes (with `--quick`, far fewer): predictions, and a
fit of GLVQ (five epochs with all samples in one batch; one epoch in batches of 1,024), on a NumPy
array and on a memory map, against the same on an array that is already on the device. Memory is
what the process holds more on its way than before, pages of files left out, in copies of the data:
looked at every millisecond, once everything is compiled.
"""

import statistics
import tempfile
from pathlib import Path

import numpy as np

from ._measure import gaussian_classes, most_memory, seconds


COLUMNS = ("ms", "copies of the data")
COMPARED = ("ms",)

TASKS = ("predict", "fit", "fit in batches")
PLACES = ("NumPy array", "memory map")


def rows(quick: bool) -> dict:
    size = (
        {"n": 20_000, "features": 8, "classes": 5, "per_class": 10}
        if quick
        else {"n": 1_000_000, "features": 64, "classes": 10, "per_class": 10}
    )
    return {
        f"{task}, {place}": {
            "from the host": {"task": task, "place": place, **size},
            "on the device": {"task": task, "place": None, **size},
        }
        for task in TASKS
        for place in PLACES
    }


def measure(
    task: str, place: str | None, n: int, features: int, classes: int, per_class: int
) -> dict[str, float | None]:
    import jax

    import protozoo as pz

    x, y = gaussian_classes(n, features, classes)
    points = np.concatenate([x[k::classes][:per_class] for k in range(classes)])
    labels, size = np.repeat(np.arange(classes), per_class), x.nbytes
    model = pz.PrototypeModel(
        pz.Prototypes(points, labels), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    epochs, batch_size = (1, 1024) if task == "fit in batches" else (5, None)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.01), epochs, batch_size=batch_size)
    with tempfile.TemporaryDirectory() as folder:
        if place is None:
            x = jax.block_until_ready(jax.device_put(x))
        elif place == "memory map":
            np.save(Path(folder) / "x.npy", x)
            x = np.load(Path(folder) / "x.npy", mmap_mode="r")

        def ask() -> object:
            if task == "predict":
                return jax.block_until_ready(model.predict(x))
            return jax.block_until_ready(trainer.fit(model, x, y, key=0).model.prototypes.points)

        ask()  # compiles
        copies = most_memory(ask) / size
        times = [seconds(ask) for _ in range(5)]
        del x
    return {"ms": 1e3 * statistics.median(times), "copies of the data": copies}
