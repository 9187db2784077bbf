"""A grid search of which all candidates, on all folds, share compiled programs."""

import time
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import _safe_indexing, get_tags, indexable

from .._module import replaced
from ..models import PrototypeModel
from ..training import Fit, fit_many
from ..training.internal import by_structure
from ..zoo.internal import prepared
from ._base import PrototypeEstimator, known_fits


Search = TypeVar("Search", bound="CompiledGridSearchCV")


class CompiledGridSearchCV(GridSearchCV):
    """`GridSearchCV` for an estimator of this module: all candidates are trained on all folds by
    one compiled program, or by one for each structure (number of prototypes, dimensions, rule).

    Arguments and results are those of scikit-learn's. A fold is a matter of weights: samples that
    are held out weigh nothing, so that rounding differs from that of training without them, and
    with mini-batches their order. What cannot be trained so (callbacks and checkpoints, folds
    without some of the classes, dissimilarities) is trained by itself. The program's time is shared
    among its fits in `mean_fit_time`; `n_jobs` has no meaning.

    **Attributes:** as those of `GridSearchCV`, and `programs_`, how many structures there were.

    **Raises:** `TypeError` if `estimator` is none of this module. A pipeline is `GridSearchCV`'s
    affair.
    """

    def fit(self: Search, X: Any, y: Any = None, **params: Any) -> Search:
        """Search, and train the best candidate on all samples.

        **Arguments:**

        - `X`, `y`: samples and labels.
        - `params`: `sample_weight`, and `groups` for the folds.
        """
        if not isinstance(self.estimator, PrototypeEstimator):
            raise TypeError(
                f"`estimator` must be one of `protozoo.sklearn`, got {self.estimator!r}: search "
                "with `GridSearchCV`."
            )
        X, y = indexable(X, y)
        groups = params.pop("groups", None)
        splitter: Any = check_cv(cast(Any, self.cv), y, classifier=is_classifier(self.estimator))
        folds = list(splitter.split(X, y, groups))
        began = time.perf_counter()
        fits, programs = _fits(
            self, X, y, params.get("sample_weight"), [train for train, _ in folds]
        )
        share = (time.perf_counter() - began) / max(len(fits), 1)
        plain = GridSearchCV(**{**self.get_params(deep=False), "cv": folds, "n_jobs": 1})
        with known_fits(fits):
            plain.fit(X, y, **params)
        plain.cv_results_["mean_fit_time"] += share
        own = self.get_params(deep=False)
        vars(self).update({name: value for name, value in vars(plain).items() if name not in own})
        self.programs_ = programs
        return self


def _fits(
    search: GridSearchCV, X: Any, y: Any, sample_weight: Any, folds: Sequence[np.ndarray]
) -> tuple[list[Fit | None], int]:
    """The fit of each candidate on each fold, in this order, where they can be trained together;
    and how many programs that takes."""
    whole: Any = clone(search.estimator)
    x, labels, _ = whole._read(X, y, sample_weight)
    members, fits = [], []
    candidates: Any = ParameterGrid(search.param_grid)
    for settings in candidates:
        candidate: Any = clone(search.estimator)
        candidate.set_params(**cast(Any, clone(settings, safe=False)))
        for fold in folds:
            rows = np.arange(len(x))[fold]
            some = [None if a is None else _safe_indexing(a, rows) for a in (X, y, sample_weight)]
            for trainer, model, weight, key in _members(candidate, some, whole):
                weights = np.zeros(len(x))
                np.add.at(weights, rows, weight)
                members.append((trainer, model, weights, key, len(fits)))
            fits.append(None)
    trainers, models, weights, keys, owners = zip(*members, strict=True) if members else [()] * 5
    programs = by_structure(trainers, models, len(x))
    for program in programs:
        trained = fit_many(
            [trainers[i] for i in program],
            [models[i] for i in program],
            x,
            labels,
            key=keys[program[0]],
            sample_weight=np.stack([weights[i] for i in program]),
        )
        for one in trained:  # of several starts, the best one comes first
            owner = owners[program[one.member]]
            fits[owner] = one if fits[owner] is None else fits[owner]
    return fits, len(programs)


def _members(
    candidate: PrototypeEstimator, some: Sequence[Any], whole: PrototypeEstimator
) -> list[tuple]:
    """What a candidate trains on some samples, for each start: trainer, model, weights, key."""
    if get_tags(candidate).input_tags.pairwise:  # each fold has reference samples of its own
        return []
    try:
        x, labels, weight = candidate._read(*some)
        trainer, models, key = prepared(
            candidate._row(), x, labels, candidate._seed(), weight, candidate._options
        )
    except Exception:  # the search meets it again, and says so
        return []
    classes, of_all = (getattr(one, "classes_", ()) for one in (candidate, whole))
    if trainer.for_one_model or not np.array_equal(classes, of_all):
        return []
    # Programs know no cards: what candidates are made of must not tell them apart.
    models = [replaced(m, card=None) if isinstance(m, PrototypeModel) else m for m in models]
    return [(trainer, model, 1.0 if weight is None else weight, key) for model in models]
