"""What all estimators have in common: parameters, data, training."""

import inspect
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._checks import as_key, as_weights, truth, unmasked
from ..models import PrototypeModel
from ..training import Fit, Reason, Trainer, TrainState
from ..zoo import Recipe, fit
from ..zoo.internal import (
    Composition,
    cnn,
    look_up,
    mixture,
    no_lattice,
    prepared,
    relational,
    trainer_settings,
)


#: Arguments of `pz.fit` that are no parameters of an estimator: it gives them itself.
_OWN = {
    *("self", "model", "x", "y", "key", "sample_weight", "class_weight", "validation", "options"),
    *("class_names", "feature_names"),
}

#: Those of them that no option may have the name of.
_GIVEN = {"x", "y", "key", "sample_weight"}

#: Options of `pz.fit` that are about one call of it.
_OF_FIT = ("validation", "resume")

#: What the next fits return, if they are known already (`CompiledGridSearchCV`).
_KNOWN: ContextVar[Iterator[Fit | None] | None] = ContextVar("known", default=None)


@contextmanager
def known_fits(fits: Iterable[Fit | None]) -> Iterator[None]:
    """Inside, the first calls of `fit` return these, and train where there is none."""
    token = _KNOWN.set(iter(fits))
    try:
        yield
    finally:
        _KNOWN.reset(token)


class PrototypeEstimator(BaseEstimator):
    """A row of the table, trained by `pz.fit`, with the manners of scikit-learn.

    - `model_`: the trained `PrototypeModel`, with all that it can answer.
    - `history_`: the losses of all epochs, by name.
    - `n_iter_`: how many epochs (of `partial_fit`: updates) there were.
    """

    #: Training as `partial_fit` goes on with it.
    _state: TrainState | None = None
    #: What the model was built by, and what its steps are made by; not known of earlier versions.
    _built_by: dict[str, str] | None = None
    _stepped_by: str | None = None

    def __init__(self, model: Any, *, random_state: Any, warm_start: Any, **options: Any):
        self.model = model
        self.random_state = random_state
        self.warm_start = warm_start
        self._options = options

    # Parameters.

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name: those of the constructor, and the options that were given."""
        return {**BaseEstimator.get_params(self, deep), **self._options}

    def set_params(self, **params: Any) -> Any:
        """Change parameters by name: also options that were not given so far.

        **Raises:** `ValueError` for a name that neither the row nor the trainer knows.
        """
        own = {name: params[name] for name in self._get_param_names() if name in params}
        BaseEstimator.set_params(self, **own)
        options = {name: value for name, value in params.items() if name not in own}
        settings = self._settings()
        if settings is not None and (unknown := sorted(set(options) - settings)):
            raise ValueError(
                f"{self.model} has no option {', '.join(map(repr, unknown))}; it has "
                f"{', '.join(sorted(settings))}."
            )
        self._options = {**self._options, **options}
        return self

    def _settings(self) -> set[str] | None:
        """The options that the row and its trainer have; `None`: nobody knows."""
        row = self._known_row()
        if row is None:
            return None
        functions = (fit, Recipe.__call__, Trainer)
        named = {name for function in functions for name in inspect.signature(function).parameters}
        return {*row.options, *named} - _OWN

    def _known_row(self) -> Recipe | None:
        """The row; `None` for a function, and for what `fit` will refuse."""
        try:
            row = look_up(self.model)
        except (TypeError, ValueError):
            return None
        return row if isinstance(row, Recipe) else None

    def _row(self) -> Recipe | Composition:
        row = look_up(self.model)
        if isinstance(row, Recipe) and task(row) != type(self).__name__:
            raise ValueError(f"{row.name} is a model for `{task(row)}`: use that class.")
        for name in _GIVEN & set(self._options):
            raise ValueError(
                f"`{name}` is no option of an estimator, which gives it to `pz.fit` itself: seed "
                "it by `random_state`, and pass data and weights to `fit`."
            )
        return row

    def __sklearn_tags__(self) -> Tags:
        tags, row = BaseEstimator.__sklearn_tags__(self), self._known_row()
        tags.input_tags.two_d_array = row is None or takes_vectors(row)
        tags.input_tags.three_d_array = True
        # So that scikit-learn cuts folds out of both axes of a matrix of dissimilarities.
        tags.input_tags.pairwise = row is not None and takes_pairs(row, self._options)
        return tags

    # Data.

    def _samples(self, X: Any, **checks: Any) -> Any:
        # What is not finite is found, or taken for a gap, by the model.
        taken = {"dtype": [np.float64, np.float32], "allow_nd": True, "ensure_all_finite": False}
        # What a mask hides would be a number to scikit-learn.
        given = {name: unmasked(one, name) for name, one in {"X": X, **checks}.items()}
        return validate_data(self, **given, **taken)

    def _asked(self, X: Any) -> tuple[PrototypeModel, np.ndarray]:
        """The trained model, and samples for it."""
        check_is_fitted(self)
        return self.model_, self._samples(X, reset=False)

    def _read(
        self, X: Any, y: Any, sample_weight: Any, reset: bool = True, known: bool = False
    ) -> tuple[Any, Any, Any]:
        """Samples, their classes as the row takes them, and weights; of features (`reset`) and
        classes (`known`) that are found now, or were found before."""
        x = self._samples(X, reset=reset)
        weight = None if sample_weight is None else as_weights(sample_weight, len(x))
        return x, None, weight

    # Training.

    def _train(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Train from the start or, with `warm_start`, from where the last fit ended."""
        known = _KNOWN.get()
        found = None if known is None else next(known, None)
        row = self._row()
        on = truth(self.warm_start, "warm_start") and self._trained
        x, labels, weight = self._read(X, y, sample_weight, known=on)
        settings, once, built_by = self._parted()
        if found is None and on:
            self._refuse_rebuilt(built_by)
            told = {"key": self._seed(), "sample_weight": weight, **once}
            found = row.trainer(**settings).fit(self.model_, x, labels, **told)
        elif found is None:
            key = self._seed()
            told = {"sample_weight": weight, **self._names(), **self._options}
            found = fit(self.model, x, labels, key=key, **told)
        if not isinstance(found.model, PrototypeModel):
            raise TypeError(f"`model` must compose a `PrototypeModel`, got {found.model!r}.")
        if found.reason is Reason.DIVERGED:
            warnings.warn(found.reason.remedy, ConvergenceWarning, stacklevel=3)
        self.model_, self.history_, self.n_iter_ = found.model, found.history, found.epochs
        self._state = None
        if not on:
            self._built_by = built_by
        return self

    def _update(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """One update on some samples."""
        row, first = self._row(), not self._trained
        x, labels, weight = self._read(X, y, sample_weight, reset=first, known=True)
        settings, once, built_by = self._parted()
        for name in (*once, "restarts"):
            if self._options.get(name) not in (None, False):
                raise ValueError(f"`{name}` belongs to `fit`: `partial_fit` makes one update.")
        if not first:
            self._refuse_rebuilt(built_by)
        trainer, said = row.trainer(**settings), _said(settings)
        if self._state is None or said != (self._stepped_by or said):
            key = self._seed()
            self._stepped_by = said
            if first:
                self._built_by = built_by
                given = row, x, labels, key, weight, self._options
                _, (model, *_), key = prepared(*given, **self._names())
            else:
                model = self.model_
            trainer.mask(model, streamed=True)
            self._state = trainer.init(model, as_key(key))
        if first:
            self.history_, self.n_iter_ = {"loss": np.zeros(0)}, 0
        self._state, loss = trainer.step(self._state, x, labels, weight)
        self.model_, self.n_iter_ = self._state.model, self.n_iter_ + 1
        self.history_ = {"loss": np.append(self.history_["loss"], float(loss))}
        return self

    def _parted(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
        """The options of the trainer, those of one call of `fit`, and in words what a model is
        built by."""
        options = {"model": self.model, **self._options}
        settings = trainer_settings(options)
        once = {name: options.pop(name) for name in _OF_FIT if name in options}
        return settings, once, {name: _said(value) for name, value in options.items()}

    def _refuse_rebuilt(self, built_by: dict[str, str]) -> None:
        """Refuse other options than those that a model was built by, which goes on learning."""
        if self._built_by is None:
            return
        for name, said in built_by.items():
            if said != self._built_by.get(name):
                raise ValueError(
                    f"`{name}` is another one than the model was built by, which goes on learning: "
                    "fit anew without `warm_start`, or set it back."
                )

    def _names(self) -> dict[str, Any]:
        """What classes and features are called, for the card of the model, which holds plain
        JSON."""
        classes = getattr(self, "classes_", None)
        if classes is not None:
            classes = [c if isinstance(c, str | int | float) else str(c) for c in classes.tolist()]
        return {
            "class_names": classes,
            "feature_names": getattr(self, "feature_names_in_", None),
        }

    @property
    def _trained(self) -> bool:
        return "model_" in vars(self)

    def _seed(self) -> int:
        """The integer that was given, as `pz.fit` takes it, or a random one."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))


def _said(value: Any) -> str:
    """A value in words, which are the same in another process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def task(row: Recipe) -> str:
    """The name of the class that a row belongs to."""
    if row.one_class:
        return "NoveltyDetector"
    if row.supervised:
        return "PrototypeClassifier"
    if row.lattice is not no_lattice:
        return "PrototypeMap"
    return "PrototypeMixture" if row.loss is mixture else "PrototypeClusterer"


def takes_vectors(row: Recipe) -> bool:
    """Whether samples of a row may be vectors, rather than matrices or images."""
    try:
        row.space((2,))
    except ValueError:
        return False
    return row.encoder is not cnn


def takes_pairs(row: Recipe, options: dict[str, Any]) -> bool:
    """Whether a sample is its row of dissimilarities, or of values of a kernel, to those of
    `fit`."""
    return row.metric is relational or bool(options.get("precomputed", False))
