"""Accuracy

Per cent of unseen samples that are classified correctly, with the standard error over five
stratified folds. Every contender learns from the same samples, standardised by what it learns from.
One table of settings serves all models and all data sets: two prototypes for each class (NPC: one),
and otherwise each library's own defaults; prosemble trains for as many epochs as our trainer of
that row, and sklvq with L-BFGS, its best. Where training folds differ by a sample they are cut to
the smallest, so that one compiled program serves all of them. Rows that compare images see digits
only. An arrow marks where ours is worse by more than one standard error of the difference, fold by
fold; the last column is the mean difference over the data sets.
"""

import inspect
import os
import statistics
import traceback
from collections.abc import Callable, Iterator

import numpy as np

from ._measure import cache_compilations


REPEATS = 1  # folds are the repetitions, and nothing here is a matter of luck
WORKERS = os.cpu_count() or 1  # nor of time

DATA = ("iris", "wine", "breast_cancer", "digits")
PER_CLASS = 2
SINGLE = ("NPC",)  # one prototype for each class by definition
#: What stands beside a row besides prosemble.
OTHERS = {
    "GLVQ": "sklvq",
    "GMLVQ": "sklvq",
    "LGMLVQ": "sklvq",
    "KNN": "scikit-learn",
    "NPC": "scikit-learn",
}

Fit = Callable[[np.ndarray, np.ndarray], Callable]  # from samples and their classes to `predict`


def rows(quick: bool) -> dict:
    import protozoo as pz

    recipes = {name: getattr(pz.zoo, name) for name in pz.zoo.names()}
    flat = {
        name: recipe for name, recipe in recipes.items() if recipe.space is pz.manifolds.Euclidean
    }
    names = [name for name, recipe in flat.items() if recipe.supervised and not recipe.one_class]
    data, folds = (DATA[:1], 2) if quick else (DATA, 5)
    return {
        name: {
            library: {
                "library": library,
                "model": name,
                "epochs": recipes[name].training().epochs,
                "data": DATA[-1:] if name.startswith("Image") else data,
                "folds": folds,
            }
            for library in ("protozoo", "prosemble", *([OTHERS[name]] if name in OTHERS else []))
        }
        for name in (["GLVQ", "GMLVQ"] if quick else names)
    }


def measure(
    library: str, model: str, epochs: int, data: list[str], folds: int
) -> dict[str, list[float] | None]:
    """The accuracies on the folds of each data set; nothing where another library cannot learn from
    it."""
    cache_compilations()
    make = {
        "protozoo": protozoo,
        "prosemble": prosemble,
        "sklvq": sklvq,
        "scikit-learn": scikit_learn,
    }[library]
    accuracies = {}
    for name in data:
        try:
            fit = make(model, epochs)
            accuracies[name] = [
                float(np.mean(np.asarray(fit(*train)(x)) == y))
                for train, (x, y) in splits(name, folds)
            ]
        except Exception:
            if library == "protozoo":
                raise
            traceback.print_exc()
            accuracies[name] = None
    return accuracies


def splits(name: str, folds: int) -> Iterator[tuple[tuple, tuple]]:
    from sklearn import datasets
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    pairs = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y))
    size = min(len(train) for train, _ in pairs)
    for train, test in pairs:
        train = train[:size]
        scaler = StandardScaler().fit(x[train])
        yield (
            (np.float32(scaler.transform(x[train])), y[train]),
            (np.float32(scaler.transform(x[test])), y[test]),
        )


def protozoo(name: str, epochs: int) -> Fit:
    import jax

    import protozoo as pz

    recipe, key = getattr(pz.zoo, name), jax.random.key(0)
    trainer = recipe.trainer()
    options = (
        {}
        if name in SINGLE or "prototypes_per_class" not in recipe.options
        else {"prototypes_per_class": PER_CLASS}
    )

    def shaped(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, 8, 8, 1) if name.startswith("Image") else x

    def fit(x: np.ndarray, y: np.ndarray) -> Callable:
        model = trainer.fit(recipe(shaped(x), y, key=key, **options), shaped(x), y, key=key).model
        return lambda x: model.predict(shaped(x))

    return fit


def prosemble(name: str, epochs: int) -> Fit:
    from prosemble import models

    model = getattr(models, name)
    known = inspect.signature(model).parameters

    def fit(x: np.ndarray, y: np.ndarray) -> Callable:
        classes = int(y.max()) + 1
        settings = {
            "n_prototypes_per_class": PER_CLASS,
            "n_components": PER_CLASS * classes,
            "n_classes": classes,
            "input_shape": (8, 8, 1),
            "max_iter": epochs,
        }
        return model(**{k: v for k, v in settings.items() if k in known}).fit(x, y).predict

    return fit


def sklvq(name: str, epochs: int) -> Fit:
    import sklvq
    from sklearn.utils.validation import validate_data
    from sklvq.models import _base as base

    # Not released since 2021: it asks its libraries for names that they no longer have.
    np.int = int
    base.check_array = lambda x, **_: x
    base.LVQBaseClass._validate_data = lambda model, x, y, **_: validate_data(model, x, y)
    settings = {
        "prototype_n_per_class": PER_CLASS,
        "solver_type": "limited-memory-bfgs",
        "random_state": 0,
    }
    return lambda x, y: getattr(sklvq, name)(**settings).fit(x, y).predict


def scikit_learn(name: str, epochs: int) -> Fit:
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    model = {"KNN": KNeighborsClassifier, "NPC": NearestCentroid}[name]
    return lambda x, y: model().fit(x, y).predict


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each row and library beside it."""
    header = [
        "",
        "beside",
        *(title for name in DATA for title in (f"{name}: ours", "theirs")),
        "ours - theirs",
    ]
    lines = []
    for row, taken in samples.items():
        (_, (ours,)), *others = taken.items()
        for library, (theirs,) in others:
            if theirs is None:  # not installed
                continue
            pairs = [((ours or {}).get(name, []), theirs.get(name, [])) for name in DATA]
            both = [difference(*pair) for pair in pairs if all(pair)]
            total = ""
            if both:
                mean, error = (
                    sum(m for m, _ in both) / len(both),
                    sum(e**2 for _, e in both) ** 0.5 / len(both),
                )
                total = f"{mean:+.2f} ± {error:.2f}{mark(mean, error)}"
            lines.append([row, library, *(cell for pair in pairs for cell in cells(*pair)), total])
    return header, lines


def cells(ours: list[float] | None, theirs: list[float] | None) -> tuple[str, str]:
    return text(ours) + (mark(*difference(ours, theirs)) if ours and theirs else ""), text(theirs)


def difference(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    return summary([a - b for a, b in zip(ours, theirs, strict=True)])


def mark(mean: float, error: float) -> str:
    return (
        " ↓" if -mean > 1.001 * error else ""
    )  # one sample on one fold is exactly one error, and no difference


def text(accuracies: list[float] | None) -> str:
    if not accuracies:
        return "failed" if accuracies is None else ""
    return "{:.1f} ± {:.1f}".format(*summary(accuracies))


def summary(values: list[float]) -> tuple[float, float]:
    """Mean and standard error, in per cent."""
    return 100 * statistics.mean(values), 100 * statistics.stdev(values) / len(values) ** 0.5
