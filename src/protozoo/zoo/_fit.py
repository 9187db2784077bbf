"""The first minute."""

import inspect
from collections.abc import Callable
from typing import Any

import jax

from .._checks import as_key, counted
from .._types import ArrayLike, PRNGKeyArray
from ..models import PrototypeModel
from ..training import Fit, Trainer
from ..training._data import ClassWeight
from ..training._trainer import Validation
from ._recipe import Recipe


#: Composes a model from samples, their classes and a random key.
Maker = Callable[..., PrototypeModel]


def fit(
    model: str | Recipe | Maker,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    key: PRNGKeyArray | int | None = None,
    validation: Validation = None,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight = None,
    **options: Any,
) -> Fit[PrototypeModel]:
    """Build a model and train it by its defaults.

    **Arguments:**

    - `model`: a name of the table (`pz.zoo.names()`), a row of your own (`Recipe`), or a function `(x, y, *, key, **options)`
      that composes a model; what trains it is then among the options, `rule` and `epochs` at least.
    - `x`, `y`: samples and, for supervised models, their classes 0…c-1.
    - `key`: a random key; `jax.random.key(0)` by default.
    - `validation`: held-out data; see `Trainer.fit`.
    - `sample_weight`: how many copies of each sample there are, `(n,)`, when the model is built and when it is trained: a
      sample of weight zero is not there.
    - `class_weight`: how much each class counts in training; see `Trainer.fit`.
    - `options`: the row's options (`prototypes_per_class`, `latent_dim` …) and the trainer's (`epochs`, `batch_size` …).

    **Raises:** `ValueError` for an unknown name or option, and for data that do not fit.
    """
    recipe = look_up(model)
    settings = trainer_settings(options)
    build_key, fit_key = jax.random.split(as_key(0 if key is None else key))
    untrained = recipe(x, y, key=build_key, sample_weight=sample_weight, **options)
    weights: Any = {"sample_weight": sample_weight, "class_weight": class_weight}
    return recipe.trainer(**settings).fit(untrained, x, y, key=fit_key, validation=validation, **weights)


class Composition:
    """A function that composes models, asked like a row of the table."""

    supervised = True

    def __init__(self, make: Maker):
        self.make = make
        self.name = getattr(make, "__name__", type(make).__name__)

    def __call__(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        key: PRNGKeyArray,
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> PrototypeModel:
        """Build the untrained model, from the samples that have a weight. A function that has an argument `sample_weight` is
        told how much."""
        if sample_weight is not None:
            x, y, weight = counted(x, y, sample_weight)
            if "sample_weight" in inspect.signature(self.make).parameters:
                options = {**options, "sample_weight": weight}
        model = self.make(x, y, key=key, **options)
        if not isinstance(model, PrototypeModel):
            raise TypeError(f"`model` must return a `PrototypeModel`, and {self.name} returned {model!r}.")
        return model

    def trainer(self, **settings: Any) -> Trainer:
        """A trainer of these settings: a function has no defaults."""
        if missing := [name for name in ("rule", "epochs") if name not in settings]:
            raise ValueError(
                f"{self.name} is a function, which does not say how its models are trained: give "
                f"{' and '.join(f'`{name}`' for name in missing)}, such as `rule=pz.GradientDescent('adam', 1e-2), epochs=100`."
            )
        return Trainer(**settings)


def look_up(model: str | Recipe | Maker) -> Recipe | Composition:
    """What builds and trains: a row of the table by its name, another row, or a function."""
    from . import _TABLE

    if isinstance(model, str):
        if model not in _TABLE:
            raise ValueError(f"the zoo has no model {model!r}; it has {', '.join(_TABLE)}.")
        return _TABLE[model]
    if isinstance(model, Recipe):
        return model
    if callable(model) and not isinstance(model, PrototypeModel):  # a model is a function, too, and not of data and a key
        return Composition(model)
    given = "a model, which `Trainer.fit` trains" if isinstance(model, PrototypeModel) else repr(model)
    raise TypeError(f"`model` must be a name of the table, a `Recipe`, or a function that composes a model, got {given}.")


def trainer_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the trainer, taken out of others."""
    return {k: options.pop(k) for k in inspect.signature(Trainer).parameters if k in options}
