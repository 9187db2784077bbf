"""Novelty

Area under the ROC curve, in per cent, of targets against everything else among unseen samples, with
the standard error over five stratified folds: benign as the target on breast cancer, and one digit
against all others (the mean over ten digits). Samples are standardised by the targets that are
learned from; where a feature does not vary among them, it keeps its unit. Rows of learning vector
quantisation also learn from outliers; SVDD, OCKMeans and scikit-learn's models see targets alone.
One table of settings serves all models: three prototypes, and otherwise each library's own
defaults; prosemble trains for as many epochs as our trainer of that row. An arrow marks where ours
is worse by more than two standard errors of the difference, corrected for training sets that
overlap (see `tables.py`).
"""

import inspect
import os
import statistics
import traceback
from collections.abc import Iterator

import numpy as np

from ._measure import cache_compilations
from .tables import difference


REPEATS = 1  # folds are the repetitions, and nothing here is a matter of luck
WORKERS = os.cpu_count() or 1  # nor of time

DATA = ("breast_cancer", "digits")
PROTOTYPES = 3
SCIKIT_LEARN = ("OneClassSVM", "IsolationForest", "LocalOutlierFactor")
ALONE = ("SVDD", "OCKMeans")  # which prosemble does not have


def rows(quick: bool) -> dict:
    import protozoo as pz

    recipes = {
        name: getattr(pz.zoo, name) for name in pz.zoo.names() if getattr(pz.zoo, name).one_class
    }
    settings = {"data": DATA[:1] if quick else DATA, "folds": 2 if quick else 5}
    table = {
        name: {
            library: {
                "library": library,
                "model": name,
                "epochs": recipe.training().epochs,
                **settings,
            }
            for library in (("protozoo",) if name in ALONE else ("protozoo", "prosemble"))
        }
        for name, recipe in recipes.items()
        if not quick or name in ("OCGLVQ", "SVDD")
    }
    of_others = {
        name: {"scikit-learn": {"library": "scikit-learn", "model": name, "epochs": 0, **settings}}
        for name in SCIKIT_LEARN
    }
    return table | of_others


def measure(
    library: str, model: str, epochs: int, data: list[str], folds: int
) -> dict[str, list[float] | None]:
    """The areas on the folds of each data set; nothing where another library cannot learn from
    it."""
    cache_compilations()
    score = {"protozoo": protozoo, "prosemble": prosemble, "scikit-learn": scikit_learn}[library]
    areas = {}
    for name in data:
        try:
            areas[name] = [
                float(np.mean([area(score, model, epochs, *one) for one in fold]))
                for fold in splits(name, folds)
            ]
        except Exception:
            if library == "protozoo":
                raise
            traceback.print_exc()
            areas[name] = None
    return areas


def area(score, model: str, epochs: int, train: tuple, test: tuple) -> float:
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(test[1] == 0, np.asarray(score(model, epochs, *train, test[0]), float))


def splits(name: str, folds: int) -> Iterator[list[tuple]]:
    """For each fold, a problem for each target: samples to learn from and others, 0 for targets and
    1 for the rest."""
    from sklearn import datasets
    from sklearn.model_selection import StratifiedKFold

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    targets = [1] if name == "breast_cancer" else range(10)  # benign is class 1
    pairs = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y))
    size = min(len(train) for train, _ in pairs)
    for train, test in pairs:
        train, problems = train[:size], []
        for target in targets:
            label = (y != target).astype(int)
            of_target = x[train][label[train] == 0]
            deviation = of_target.std(axis=0)
            scaled = np.float32(
                (x - of_target.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
            )
            problems.append(((scaled[train], label[train]), (scaled[test], label[test])))
        yield problems


def protozoo(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    import protozoo as pz

    given = {"x": x[y == 0]} if name in ALONE else {"x": x, "y": y}
    fit = pz.fit(name, **given, key=0, prototypes=PROTOTYPES)
    return np.asarray(fit.model.decision_function(unseen))


def prosemble(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    from prosemble import models

    model = getattr(models, name)
    settings = {"n_prototypes": PROTOTYPES, "max_iter": epochs, "target_label": 1}
    known = inspect.signature(model).parameters
    fit = model(**{k: v for k, v in settings.items() if k in known}).fit(x, 1 - y)
    return np.asarray(fit.predict_proba(unseen))


def scikit_learn(
    name: str, epochs: int, x: np.ndarray, y: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.svm import OneClassSVM

    make = {
        "OneClassSVM": OneClassSVM,
        "IsolationForest": lambda: IsolationForest(random_state=0),
        "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
    }[name]
    return make().fit(x[y == 0]).score_samples(unseen)


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each row, and for each model of scikit-learn."""
    header = ["", "beside", *(title for name in DATA for title in (f"{name}: ours", "theirs"))]
    lines = []
    for row, taken in samples.items():
        found = {library: areas for library, (areas,) in taken.items()}
        ours = found.pop("protozoo", None) or {}
        for library, theirs in (found or {"": {}}).items():
            pairs = [(ours.get(name, []), (theirs or {}).get(name, [])) for name in DATA]
            lines.append([row, library, *(cell for pair in pairs for cell in cells(*pair))])
    return header, lines


def cells(ours: list[float] | None, theirs: list[float] | None) -> tuple[str, str]:
    worse = ""
    if ours and theirs:
        mean, error, _ = difference(ours, theirs)
        worse = " ↓" if -mean > 2 * error else ""
    return text(ours) + worse, text(theirs)


def text(areas: list[float] | None) -> str:
    """Mean and standard error, in per cent."""
    if not areas:
        return "failed" if areas is None else ""
    error = statistics.stdev(areas) / len(areas) ** 0.5
    return f"{100 * statistics.mean(areas):.1f} ± {100 * error:.1f}"
