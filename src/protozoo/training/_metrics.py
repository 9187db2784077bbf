"""Metrics of a fit: whether they can be computed of a model's answers."""

import jax
import jax.numpy as jnp

from ..evaluation import Metric
from ..models import AbstractTrainable


def check_metrics(metrics: tuple[tuple[str, Metric], ...], model: AbstractTrainable) -> None:
    """Raise `ValueError` unless the model says scores of classes that it learns from, and each
    metric makes one number of them; nothing is computed."""
    if not metrics:
        return
    if not model.supervised:
        raise ValueError(
            f"`metrics` compare answers with classes, and {model.loss_name} learns without labels."
        )
    if not callable(model):
        raise ValueError(
            f"`metrics` read the scores of classes, `model(x)`, and {type(model).__name__} cannot "
            "be called."
        )
    n, floats = 2, jnp.result_type(float)
    scores = jax.ShapeDtypeStruct((n, model.classes), floats)
    y, weight = jax.ShapeDtypeStruct((n,), jnp.int32), jax.ShapeDtypeStruct((n,), floats)
    for name, metric in metrics:
        said = f"`metrics`: {name!r} of scores {scores.shape}, classes ({n},) and weights ({n},)"
        try:
            shape = jnp.shape(jax.eval_shape(metric, scores, y, weight))
        except Exception as error:  # of many kinds, from a function of the user's
            raise ValueError(f"{said} failed: {error}") from error
        if shape != ():
            raise ValueError(f"{said} must be one number, got an array of shape {shape}.")
