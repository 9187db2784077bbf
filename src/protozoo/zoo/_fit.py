"""The first minute."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import numpy as np

from .._checks import (
    as_key,
    as_names,
    as_samples,
    as_words,
    counted,
    of_values,
    places_of,
    positive_integer,
    refuse_call,
    refuse_single_class,
    truth,
)
from .._keys import split
from .._types import ArrayLike, PRNGKeyArray
from ..models import AbstractTrainable, PrototypeModel
from ..models.internal import Names
from ..training import Fit, Trainer, fit_many
from ..training.internal import ClassWeight, Validation, refuse_for_one_model
from ._origin import Scaling, carded, scale_of
from ._recipe import Recipe, refuse_stream


#: Composes a model from samples, their classes and a random key.
Maker = Callable[..., Any]


@of_values
def fit(
    model: str | Recipe | Maker,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    key: PRNGKeyArray | int | None = None,
    validation: Validation = None,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight = None,
    restarts: int | None = None,
    standardise: Scaling = False,
    class_names: Names = None,
    feature_names: Names = None,
    resume: bool = False,
    **options: Any,
) -> Fit[PrototypeModel]:
    """Build a model and train it by its defaults; what it was made of is written on its card
    (`model.card`).

    **Arguments:**

    - `model`: a name of the table (`pz.zoo.names()`), a row of your own (`Recipe`), or a function
      `(x, y, *, key, **options)` that composes a model (or another `AbstractTrainable`, such as a
      network); what trains it is then among the options, `rule` and `epochs` at least.
    - `x`, `y`: samples and, for supervised models, their classes: numbers 0…c-1, or words (or
      truth values), which become the names of the classes, in their order; for models of one class
      0 for targets and 1 for others, and without labels all are targets.
    - `key`: a random key; `jax.random.key(0)` by default.
    - `validation`: held-out data; see `Trainer.fit`.
    - `sample_weight`: how many copies of each sample there are, `(n,)`, when the model is built and
      when it is trained: a sample of weight zero is not there.
    - `class_weight`: how much each class counts in training; see `Trainer.fit`.
    - `restarts`: how many models are built from other random numbers and trained by one
      program; the one with the lowest monitored loss is returned. By default what the row says:
      1, mostly.
    - `standardise`: whether the scale of the data belongs to the model, which then takes raw data:
      `True` for mean zero and variance one (`backbones.Standardise`), `"minmax"`, `"robust"`,
      `"whitening"`, or a scale that was found elsewhere. It is that of the samples here, by their
      weights. `model.in_data_units()` are the prototypes in the units of the data.
    - `class_names`: the names of the classes 0…c-1; if `y` holds words, these in their order by
      default. `model.predict(x, names=True)` answers with them, and `model.predict(x)` with
      numbers. (Numbers with gaps are no names, so that a number always means the same:
      `y.astype(str)` are some.)
    - `feature_names`: the names of the features; of a data frame, its columns by default. A model
      that knows them takes data frames of these columns alone.
    - `resume`: continue from the latest of `checkpoints`, an option of the trainer, or begin where
      there is none; see `Trainer.fit`.
    - `options`: the row's options (`prototypes_per_class`, `latent_dim` …) and the trainer's
      (`epochs`, `batch_size` …).

    **Raises:** `ValueError` for an unknown name or option, for data or names that do not fit, and
    for `standardise` where samples have no units.
    """
    recipe = look_up(model)
    y, class_names = by_numbers(recipe, y, class_names)
    key = 0 if key is None else key
    options.update(restarts=restarts, standardise=standardise)
    names = class_names, feature_names
    trainer, models, fit_key = prepared(recipe, x, y, key, sample_weight, options, *names)
    count = len(models)
    if count == 1:
        weights: Any = {"sample_weight": sample_weight, "class_weight": class_weight}
        return trainer.fit(
            models[0], x, y, key=fit_key, validation=validation, resume=resume, **weights
        )
    if class_weight is not None:
        raise ValueError(
            "`class_weight` does not go with `restarts`: multiply `sample_weight` by it."
        )
    given = (*trainer.for_one_model, *(("resume",) if truth(resume, "resume") else ()))
    why = f"{recipe.name} has {count} starts: leave it out, or pass `restarts=1`"
    refuse_for_one_model(given, why)
    best, *_ = fit_many(
        trainer,
        models,
        x,
        y,
        key=fit_key,
        sample_weight=sample_weight,
        validation=cast(Any, validation),
    )
    return best


def by_numbers(
    recipe: "Recipe | Composition", y: Any, class_names: Names = None
) -> tuple[Any, Any]:
    """The numbers of classes that are called by words, and the names that these are.

    **Raises:** `ValueError` for words that are not among the names, and of targets.
    """
    class_names = None if class_names is None else as_names(class_names, "class_names")
    words = as_words(y) if recipe.supervised else None
    if words is None:
        return y, class_names
    if isinstance(recipe, Recipe) and recipe.one_class:
        raise ValueError(
            f"`y` must be 0 for targets and 1 for all others, got {words.dtype}: choose the "
            "target, such as `(y != 'normal').astype(int)`."
        )
    if class_names is not None:
        return places_of(words, class_names), class_names
    refuse_single_class(words)
    names = np.unique(words).tolist()
    return places_of(words, names), names


def prepared(
    recipe: "Recipe | Composition",
    x: ArrayLike,
    y: ArrayLike | None,
    key: PRNGKeyArray | int,
    sample_weight: ArrayLike | None,
    options: Mapping[str, Any],
    class_names: Names = None,
    feature_names: Names = None,
) -> tuple[Trainer, list[Any], PRNGKeyArray]:
    """What `fit` begins with: a trainer, a model for each start, and the key of their training."""
    options = dict(options)
    restarts, scale = options.pop("restarts", None), options.pop("standardise", False)
    trainer = recipe.trainer(**trainer_settings(options))
    count = recipe.restarts if restarts is None else restarts
    positive_integer(count, "restarts")
    build_key, fit_key = split(as_key(key))
    keys = split(build_key, count) if count > 1 else [build_key]
    models = []
    for k in keys:
        one = recipe(x, y, key=k, sample_weight=sample_weight, standardise=scale, **options)
        told = options, class_names, feature_names, sample_weight
        models.append(carded(one, recipe, trainer, x, *told))
        # Found once, and shared.
        scale = getattr(one, "scale", None) or scale
    return trainer, models, fit_key


class Composition:
    """A function that composes models, asked like a row of the table."""

    supervised = True
    restarts = 1

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
        standardise: Scaling = False,
        **options: Any,
    ) -> Any:
        """Build the untrained model, from the samples that have a weight. A function that has an
        argument `sample_weight` is told how much."""
        refuse_stream(x)
        weight = None
        if sample_weight is not None:
            x, y, weight = counted(x, y, sample_weight)
            if "sample_weight" in inspect.signature(self.make).parameters:
                options = {**options, "sample_weight": weight}
        scale = None
        if standardise is not False:
            samples = as_samples(x)
            scale = scale_of(standardise, samples, weight)
            x = samples if scale is None else jax.vmap(scale)(samples)
        told = {"key": key, **options}
        how = f"`(x, y, *, {', '.join(told)})`"
        refuse_call(self.make, "model", how, x, y, **told)
        model = self.make(x, y, **told)
        if not isinstance(model, AbstractTrainable):
            raise TypeError(
                f"`model` must return a `PrototypeModel`, and {self.name} returned {model!r}."
            )
        if scale is None:
            return model
        if not isinstance(model, PrototypeModel) or model.scale is not None:
            what = "has one already" if isinstance(model, PrototypeModel) else "has no scale"
            raise ValueError(f"`standardise`: what {self.name} returned {what}.")
        return dataclasses.replace(model, scale=scale)

    def trainer(self, **settings: Any) -> Trainer:
        """A trainer of these settings: a function has no defaults."""
        if missing := [name for name in ("rule", "epochs") if name not in settings]:
            raise ValueError(
                f"{self.name} is a function, which does not say how its models are trained: give "
                f"{' and '.join(f'`{name}`' for name in missing)}, such as "
                f"`rule=pz.GradientDescent('adam', 1e-2), epochs=100`."
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
    # A model is a function, too, and not of data and a key.
    if callable(model) and not isinstance(model, AbstractTrainable):
        return Composition(model)
    given = (
        "a model, which `Trainer.fit` trains"
        if isinstance(model, AbstractTrainable)
        else repr(model)
    )
    raise TypeError(
        f"`model` must be a name of the table, a `Recipe`, or a function that composes a model, "
        f"got {given}."
    )


def trainer_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the trainer, taken out of others."""
    return {k: options.pop(k) for k in inspect.signature(Trainer).parameters if k in options}
