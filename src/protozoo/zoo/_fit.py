"""The first minute."""

import inspect
from typing import Any

import jax

from .._types import ArrayLike, PRNGKeyArray
from ..training import Fit, Trainer
from ._recipe import Recipe


def fit(
    name: str,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    key: PRNGKeyArray | None = None,
    validation: tuple[ArrayLike, ArrayLike] | ArrayLike | None = None,
    **options: Any,
) -> Fit:
    """Build the model of this name and train it by its defaults.

    **Arguments:**

    - `name`: a name of the table (`pz.zoo.names()`).
    - `x`, `y`: samples and, for supervised models, their classes 0…c-1.
    - `key`: a random key; `jax.random.key(0)` by default.
    - `validation`: held-out data; see `Trainer.fit`.
    - `options`: the row's options (`prototypes_per_class`, `latent_dim` …) and the trainer's (`epochs`, `batch_size` …).

    **Raises:** `ValueError` for an unknown name or option, and for data that do not fit.
    """
    recipe = look_up(name)
    settings = trainer_settings(options)
    build_key, fit_key = jax.random.split(jax.random.key(0) if key is None else key)
    model = recipe(x, y, key=build_key, **options)
    return recipe.trainer(**settings).fit(model, x, y, key=fit_key, validation=validation)


def look_up(name: str) -> Recipe:
    """The row of this name."""
    from . import _TABLE

    if name not in _TABLE:
        raise ValueError(f"the zoo has no model {name!r}; it has {', '.join(_TABLE)}.")
    return _TABLE[name]


def trainer_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the trainer, taken out of others."""
    return {k: options.pop(k) for k in inspect.signature(Trainer).parameters if k in options}
