"""Grid search

Handwritten digits of scikit-learn: a grid of numbers alone (learning rates, epochs), of one
structure, and one that has several (prototypes of a class), on three folds each. `together` is
`CompiledGridSearchCV`, `one by one` scikit-learn's `GridSearchCV` over the same estimator. Seconds
of a first search in a fresh process, compilation included, and of a second one with other learning
rates; the best accuracy tells that both find the same.
"""

import time

import numpy as np


COLUMNS = ("first s", "second s", "best accuracy in %")
COMPARED = COLUMNS[:2]


def rows(quick: bool) -> dict:
    size = {"n": 200 if quick else 1797, "epochs": 5 if quick else 100, "rates": 2 if quick else 6}
    grids = {"one structure": [1], "three structures": [1, 2, 3]}
    return {
        f"{model}, {grid}": {
            who: {"model": model, "who": who, "per_class": per_class, **size}
            for who in ("together", "one by one")
        }
        for model in ("GLVQ", "GMLVQ")
        for grid, per_class in grids.items()
        if not quick or (model, grid) == ("GLVQ", "three structures")
    }


def measure(
    model: str, who: str, per_class: list[int], n: int, epochs: int, rates: int
) -> dict[str, float]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    import protozoo as pz
    import protozoo.sklearn as ps

    x, y = load_digits(return_X_y=True)
    x, y = np.float32(x[:n] / 16), y[:n]
    search = ps.CompiledGridSearchCV if who == "together" else GridSearchCV

    def seconds(largest: float) -> tuple[float, float]:
        rules = [pz.GradientDescent("adam", r) for r in np.geomspace(1e-3, largest, rates)]
        grid = {"rule": rules, "prototypes_per_class": per_class, "epochs": [epochs // 2, epochs]}
        estimator = ps.PrototypeClassifier(model, random_state=0)
        began = time.perf_counter()
        found = search(estimator, grid, cv=3, refit=False).fit(x, y)
        return time.perf_counter() - began, float(found.best_score_)

    (first, score), (second, _) = seconds(0.05), seconds(0.04)
    return dict(zip(COLUMNS, (first, second, 100 * score), strict=True))
