"""Conformal sets

Mean size of sets that hold the true class nine times in ten, and how often they do, beside mapie's
of the same model, samples and scores: 1 - p of the class (`by="probability"`; mapie's "lac"). Both
mean the same sets. The relative distance (`by="distance"`) and other scores of mapie's, "top_k" and
"aps" (no set is empty), are there to compare with. GLVQ with two prototypes for each class learns
from a third of the samples; means over twenty random splits of the rest in halves, with the
standard deviation of the size.
"""

import numpy as np

from ._measure import cache_compilations


REPEATS = 1  # splits are the repetitions

DATA = ("digits", "wine", "breast_cancer")
SCORES = {
    "probability": {"protozoo": "probability", "mapie": "lac"},
    "distance": {"protozoo": "distance"},
    "top_k": {"mapie": "top_k"},
    "aps": {"mapie": "aps"},
}


def rows(quick: bool) -> dict:
    return {
        f"{data}, {score}": {
            library: {
                "library": library,
                "score": name,
                "data": data,
                "splits": 2 if quick else 20,
                "epochs": 2 if quick else 60,
            }
            for library, name in contenders.items()
        }
        for data in (DATA[1:2] if quick else DATA)
        for score, contenders in SCORES.items()
    }


def measure(
    library: str, score: str, data: str, splits: int, epochs: int
) -> dict[str, float | list[float]]:
    """The sizes and coverages of all splits."""
    from sklearn import datasets

    from protozoo.sklearn import PrototypeClassifier

    cache_compilations()
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    learned, rest = np.split(order, [len(x) // 3])
    model = PrototypeClassifier(
        "GLVQ", prototypes_per_class=2, epochs=epochs, standardise=True, random_state=0
    ).fit(x[learned], y[learned])
    found = []
    for seed in range(splits):
        halves = np.array_split(np.random.default_rng(seed).permutation(rest), 2)
        (hold, of_hold), (unseen, of_unseen) = ((x[half], y[half]) for half in halves)
        sets = SETS[library](model, hold, of_hold, unseen, score)
        found.append((sets.sum(axis=1).mean(), sets[np.arange(len(unseen)), of_unseen].mean()))
    sizes, coverages = np.transpose(found)
    return {"sizes": sizes.tolist(), "coverages": coverages.tolist()}


def of_protozoo(model, hold, labels, unseen, score: str) -> np.ndarray:
    from protozoo.trust import ConformalClassifier

    return np.asarray(
        ConformalClassifier(model.model_, hold, labels, 0.9, by=score).predict_set(unseen)
    )


def of_mapie(model, hold, labels, unseen, score: str) -> np.ndarray:
    from mapie.classification import SplitConformalClassifier

    method = SplitConformalClassifier(
        model, confidence_level=0.9, conformity_score=score, prefit=True, random_state=0
    )
    _, sets = method.conformalize(hold, labels).predict_set(unseen)
    return np.asarray(sets)[:, :, 0]


SETS = {"protozoo": of_protozoo, "mapie": of_mapie}


def report(samples: dict) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each row."""
    libraries = ("protozoo", "mapie")
    header = ["", *(f"{library}: {what}" for library in libraries for what in ("size", "coverage"))]
    lines = []
    for row, taken in samples.items():
        cells = []
        for library in libraries:
            (found,) = taken.get(library, [None])
            if found is None:
                cells += ["failed" if library in taken else "", ""]
                continue
            sizes, coverages = np.array(found["sizes"]), np.array(found["coverages"])
            cells += [f"{sizes.mean():.3f} ± {sizes.std():.3f}", f"{coverages.mean():.3f}"]
        lines.append([row, *cells])
    return header, lines
