"""Estimators of scikit-learn: every row of the table where people already work.

`import protozoo.sklearn` needs scikit-learn (`pip install "protozoo[sklearn]"`). There is one class
for each task, and `model` names the row:

| class | rows | what it answers |
| --- | --- | --- |
| `PrototypeClassifier` | that learn from labels | `predict`, `predict_proba`, `decision_function` |
| `PrototypeClusterer` | that learn without | `labels_`, `predict`, distances (`transform`) |
| `PrototypeMap` | on a lattice | places on the map (`transform`) |
| `PrototypeMixture` | that are densities | `score_samples`, `predict_proba`, `sample` |
| `NoveltyDetector` | of one class | `predict` (+1 or -1), `decision_function` |

The row's options and the trainer's settings are parameters by their own names, so that
`GridSearchCV(PrototypeClassifier("GMLVQ"), {"latent_dim": [1, 2], "epochs": [50, 100]})` searches
through both. A parameter that was not given has the row's default.
"""

from .._namespace import public as _public


try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        '`protozoo.sklearn` needs scikit-learn: pip install "protozoo[sklearn]"'
    ) from error

from ._estimators import (
    NoveltyDetector as NoveltyDetector,
    PrototypeClassifier as PrototypeClassifier,
    PrototypeClusterer as PrototypeClusterer,
    PrototypeMap as PrototypeMap,
    PrototypeMixture as PrototypeMixture,
)
from ._search import CompiledGridSearchCV as CompiledGridSearchCV


__all__ = _public(globals())
