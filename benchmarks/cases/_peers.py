"""Other libraries: what their models answer after they have learned."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


PER_CLASS = 2


class Answers(NamedTuple):
    """Of a trained model to all samples, `(n,)`, and its centres if it has any."""

    of_samples: np.ndarray
    centres: np.ndarray | None = None


#: From the samples to learn from, their classes, and the samples to ask about.
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Answers]


def prosemble(name: str, epochs: int) -> Fit:
    from prosemble import models

    model = getattr(models, {"KMeans": "KMeansPlusPlus"}.get(name, name))
    known = inspect.signature(model).parameters

    def fit(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> Answers:
        classes = int(y.max()) + 1
        settings = {
            "n_prototypes_per_class": PER_CLASS,
            "n_components": PER_CLASS * classes,
            "n_classes": classes,
            "n_clusters": classes,
            "n_prototypes": classes,
            "input_shape": (8, 8, 1),
            "max_iter": epochs,
        }
        if "random_seed" in known and known["random_seed"].default is None:
            settings["random_seed"] = 0  # it does not begin without
        one = model(**{k: v for k, v in settings.items() if k in known})
        one.fit(*((x, y) if "y" in inspect.signature(one.fit).parameters else (x,)))
        centres = getattr(one, "prototypes_", None)
        if centres is None and hasattr(one, "final_centroids"):
            centres = one.final_centroids()
        # Neighbours have none.
        said = np.asarray(one.predict(asked))
        return Answers(said, None if centres is None else np.asarray(centres))

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
    model = getattr(sklvq, name)
    return lambda x, y, asked: Answers(model(**settings).fit(x, y).predict(asked))


def scikit_learn(name: str, epochs: int) -> Fit:
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    make = {
        "KNN": lambda classes: KNeighborsClassifier(),
        "NPC": lambda classes: NearestCentroid(),
        "KMeans": lambda classes: KMeans(classes, random_state=0),
        "GaussianMixture": lambda classes: GaussianMixture(classes, random_state=0),
    }[name]

    def fit(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> Answers:
        model = make(int(y.max()) + 1).fit(x, y)
        return Answers(model.predict(asked), getattr(model, "cluster_centers_", None))

    return fit


PEERS = {"prosemble": prosemble, "sklvq": sklvq, "scikit-learn": scikit_learn}
