"""What the trainer's options cost

GMLVQ on 50,000 samples with 64 features, 10 classes with 10 prototypes each, in batches of 256
(with `--quick`, far fewer samples): an epoch with the option against one without any. Ω is
normalised; the frozen network makes 64 numbers of an image of 64 pixels; the stream reads a file in
another order in every epoch, block by block.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ._measure import gaussian_classes, milliseconds_per_epoch


COLUMNS = COMPARED = ("ms per epoch",)

OPTIONS = (
    "validation (a tenth of the samples)",
    "restore_best",
    "stopping",
    "freeze the metric",
    "class_weight",
    "checkpoints every 10",
    "a callback every 1",
    "progress",
    "a history file",
    "a schedule over the run",
    "gradient clipping",
    "learning rates for each part",
    "accumulate=4",
    "Averaged",
    "Lookahead",
    "SelfPaced",
    "OmegaLogDet",
    "precision='bfloat16'",
    "precision='float16'",
    "sharding over one device",
    "a frozen CNN",
    "a stream of Slices",
)


def rows(quick: bool) -> dict:
    if quick:
        size = {"n": 1000, "features": 8, "classes": 3, "per_class": 2, "pairs": 1}
    else:
        size = {"n": 50_000, "features": 64, "classes": 10, "per_class": 10, "pairs": 2}
    return {
        option: {"with": {"option": option, **size}, "without": {"option": None, **size}}
        for option in OPTIONS
    }


def measure(
    option: str | None, n: int, features: int, classes: int, per_class: int, pairs: int
) -> dict[str, float]:
    import jax
    import optax

    import protozoo as pz

    class Listener(pz.training.AbstractCallback):
        every = 1

        def on_fit_start(self, view: pz.training.View) -> None:
            pass

        on_chunk_end = on_fit_end = on_fit_start

    x, y = gaussian_classes(n, features, classes)
    key = jax.random.key(0)
    model = pz.zoo.GMLVQ(x, y, key=key, prototypes_per_class=per_class, initialiser="samples")

    if option == "a frozen CNN":
        # Its prototypes live where it maps samples to: from there on, the model is the one without
        # an encoder.
        x = x.reshape(n, -1, 8, 1)
        encoder = pz.backbones.CNN(x.shape[1:], features, channels=(16,), pool=1, key=key)
        model = pz.PrototypeModel(model.prototypes, model.metric, model.loss, encoder)

    def settings(stack: ExitStack) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of the trainer, and of its `fit`."""
        match option:
            case None:
                return {}, {}
            case "validation (a tenth of the samples)":
                return {}, {"validation": (x[: n // 10], y[: n // 10])}
            case "restore_best":
                return {"restore_best": True}, {}
            case "stopping":
                return {"stopping": pz.Stopping(patience=1000, min_delta=1e-6, tolerance=0.0)}, {}
            case "freeze the metric":
                return {"freeze": "metric"}, {}
            case "class_weight":
                return {}, {"class_weight": "balanced"}
            case "checkpoints every 10":
                return {
                    "checkpoints": pz.Checkpoints(
                        stack.enter_context(tempfile.TemporaryDirectory()), every=10
                    )
                }, {}
            case "a callback every 1":
                return {"callbacks": [Listener()]}, {}
            case "progress":
                return {"progress": True}, {}
            case "a history file":
                path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "history.csv"
                return {"callbacks": [pz.training.HistoryFile(path)]}, {}
            case "a schedule over the run":
                return {"rule": pz.GradientDescent("adam", pz.WarmUp(pz.Cosine(0.01)))}, {}
            case "gradient clipping":
                return {
                    "rule": pz.GradientDescent(
                        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01))
                    )
                }, {}
            case "learning rates for each part":
                return {"rule": pz.GradientDescent("adam", {"metric": 0.003, "rest": 0.01})}, {}
            case "accumulate=4":
                return {"rule": pz.GradientDescent("adam", 0.01, accumulate=4)}, {}
            case "Averaged":
                return {"rule": pz.Averaged(rule)}, {}
            case "Lookahead":
                return {"rule": pz.Lookahead(rule)}, {}
            case "SelfPaced":
                return {"curriculum": pz.SelfPaced(pz.Linear(0.5, 1.0))}, {}
            case "OmegaLogDet":
                return {"regularisers": [pz.training.OmegaLogDet(0.01)]}, {}
            case "precision='bfloat16'":
                return {"precision": "bfloat16"}, {}
            case "precision='float16'":
                return {"precision": "float16"}, {}
            case "sharding over one device":
                return {
                    "sharding": jax.sharding.Mesh(np.array(jax.devices()[:1]), ("samples",))
                }, {}
            case "a frozen CNN":
                return {"freeze": "encoder"}, {}
            case "a stream of Slices":
                path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "x.npy"
                np.save(path, x)
                stream = pz.training.Slices(np.load(path, mmap_mode="r"), y, batch_size=256)
                return {"batch_size": None}, {"x": stream, "y": None}
        raise ValueError(f"no such option: {option}")

    rule = pz.GradientDescent(optax.adam(0.01))

    def fit(epochs: int) -> None:
        with ExitStack() as stack:
            of_trainer, of_fit = settings(stack)
            trainer = pz.Trainer(
                **{"rule": rule, "epochs": epochs, "batch_size": 256, **of_trainer}
            )
            result = trainer.fit(model, **{"x": x, "y": y, "key": key, **of_fit})
            jax.block_until_ready(result.model.prototypes.points)
        assert result.epochs == epochs, result.reason

    return {"ms per epoch": milliseconds_per_epoch(fit, 10, 30, pairs)}
