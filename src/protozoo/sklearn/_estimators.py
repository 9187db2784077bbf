"""An estimator for each task."""

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    DensityMixin,
    OutlierMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .. import mixtures, topology
from .._checks import as_weights, unmasked
from .._statistics import weighted_mean
from .._types import Array
from ..models import PrototypeModel
from ..training.internal import by_class, mean_loss, of_classes
from ._base import PrototypeEstimator


# Not `Self`, which checkers of types at run time know in classes alone that they decorate whole.
Estimator = TypeVar("Estimator", bound=PrototypeEstimator)


class _Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """What has a space that samples are mapped into, in which JAX computes."""

    def __sklearn_tags__(self) -> Tags:
        tags = TransformerMixin.__sklearn_tags__(self)
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class PrototypeClassifier(_Transformer, ClassifierMixin, PrototypeEstimator):
    """A classifier: any row that learns from labels, such as GMLVQ, RSLVQ or MDM.

    **Arguments:**

    - `model`: the row's name, a row of your own, or a function that composes a model (`pz.fit`).
    - `class_weight`: how many copies of each sample of a class there are, a dictionary from labels
      (one for those that it does not have), or `"balanced"`. Multiplies `sample_weight`.
    - `random_state`: an integer is the key of `pz.fit`, which trains the same model.
    - `warm_start`: whether `fit` goes on with the model of the last fit.
    - `options`: those of the row (`pz.zoo.GMLVQ.options`) and of the trainer (`epochs`, `rule` …);
      `restarts`, `encoder`, `space`.

    Rows on matrices and images take arrays `(n, k, k)` and `(n, height, width, channels)`.

    **Attributes:** `classes_`, any labels, in order; `model_`, the `PrototypeModel`, which knows
    classes by their places in `classes_`; `history_`; `n_iter_`; `n_features_in_` and, of data
    frames, `feature_names_in_`.
    """

    def __init__(
        self,
        model: Any = "GMLVQ",
        *,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: Any = False,
        **options: Any,
    ):
        PrototypeEstimator.__init__(
            self, model, random_state=random_state, warm_start=warm_start, **options
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PrototypeClassifier":
        """Train on samples, their labels, and how many copies of each there are.

        A sample without weight is not there, nor is a class that has no other.

        **Raises:** `ValueError` for a single class, and for data and options that do not fit.
        """
        return self._train(X, y, sample_weight)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "PrototypeClassifier":
        """One update of the trainer's rule on some samples; it remembers what the rule does (the
        moments of Adam). The first call makes the model, unless `fit` has.

        **Arguments:**

        - `classes`: all labels that there will be; the first call needs it, and samples of each of
          them, which prototypes start from.

        Annealed numbers go by the number of calls, up to `epochs`. A closed form that goes all the
        way (`AlternatingOptimization()`) forgets earlier samples: give it a smaller `step`.

        **Raises:** `ValueError` for a first call without classes, or without samples of some of
        them, for other labels, a `class_weight` that would balance each call by itself, and a rule
        that must see all samples.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"`class_weight={self.class_weight!r}` needs all samples at once: give "
                "`partial_fit` a dictionary, or `sample_weight`."
            )
        if not self._trained:
            if classes is None:
                raise ValueError("`classes` must be given in the first call of `partial_fit`.")
            self.classes_ = np.unique(unmasked(classes, "classes"))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"`classes` is {classes}, and was {self.classes_} in the first call of "
                "`partial_fit`."
            )
        return self._update(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each sample."""
        model, x = self._asked(X)
        return self.classes_[np.asarray(model.predict(x))]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, `(n, c)`, in the order of `classes_`."""
        model, x = self._asked(X)
        return np.asarray(model.predict_proba(x))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities, also of those that are too small for a float."""
        logarithms = self._logarithms(X)
        return np.where(logarithms > np.finfo(logarithms.dtype).min, logarithms, -np.inf)

    def decision_function(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities, `(n, c)`; of two classes the log-odds of the second,
        `(n,)`."""
        scores = self._logarithms(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def _logarithms(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities; of zero, the least number."""
        model, x = self._asked(X)
        return np.asarray(model.ask(_log_probabilities, x))

    def transform(self, X: Any) -> np.ndarray:
        """Samples in the adapted space of the metric (`PrototypeModel.transform`).

        **Raises:** `ValueError` if the metric has none.
        """
        model, x = self._asked(X)
        return np.asarray(model.transform(x))

    @property
    def _n_features_out(self) -> int:
        model = _fitted(self)
        sample = jax.ShapeDtypeStruct((1, *(model.sample_shape or (0,))), np.float32)
        return eqx.filter_eval_shape(lambda x: model.transform(x), sample).shape[1]

    def _read(
        self, X: Any, y: Any, sample_weight: Any, reset: bool = True, known: bool = False
    ) -> tuple[Any, Any, Any]:
        X, y = self._samples(X, y=y, reset=reset)
        check_classification_targets(y)
        weight = as_weights(sample_weight, len(X))
        there = weight > 0
        found = np.unique(y[there])
        if not known:
            if len(found) == 1:
                raise ValueError(
                    f"`y` has the single class {found.tolist()[0]!r}; a classifier needs two. "
                    "`NoveltyDetector` describes one class."
                )
            self.classes_ = found
        elif unknown := np.setdiff1d(found, self.classes_).tolist():
            raise ValueError(f"`y` has labels {unknown}, and classes are {self.classes_.tolist()}.")
        elif not self._trained and len(found) < len(self.classes_):
            raise ValueError(
                f"`y` has samples of {found.tolist()} only: prototypes start from samples, and the "
                f"first call of `partial_fit` needs some of each class, {self.classes_.tolist()}."
            )
        labels = np.zeros(len(y), np.int32)
        labels[there] = np.searchsorted(self.classes_, y[there])
        if self.class_weight is not None:
            given = by_class(self.class_weight)
            if isinstance(given, Mapping):
                if unknown := [c for c in given if c not in self.classes_.tolist()]:
                    raise ValueError(
                        f"`class_weight` has {unknown[0]!r}, and classes are "
                        f"{self.classes_.tolist()}."
                    )
                given = {k: given.get(c, 1.0) for k, c in enumerate(self.classes_.tolist())}
            weight = weight * of_classes(labels, len(self.classes_), given, weight)[labels]
        elif sample_weight is None:
            return X, labels, None
        return X, labels, weight


class _Unlabelled(PrototypeEstimator):
    """What learns without labels."""

    def fit(self: Estimator, X: Any, y: Any = None, sample_weight: Any = None) -> Estimator:
        """Train on samples, and how many copies of each there are; `y` is ignored."""
        return self._train(X, None, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The prototype (the component) that is the most probable one for each sample."""
        model, x = self._asked(X)
        return np.asarray(model.predict(x))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability (the responsibility) of each prototype, `(n, p)`."""
        model, x = self._asked(X)
        return np.asarray(model.predict_proba(x))


class _Clusters(_Transformer, _Unlabelled):
    """What has prototypes that samples belong to."""

    def partial_fit(self: Estimator, X: Any, y: Any = None, sample_weight: Any = None) -> Estimator:
        """One update of the trainer's rule on some samples (`PrototypeClassifier.partial_fit`); `y`
        is ignored. The first call makes the model, unless `fit` has.

        A closed form that goes all the way, such as that of k-means, forgets earlier samples:
        `rule=pz.AlternatingOptimization(step=0.1)` does not.
        """
        return self._update(X, None, sample_weight)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the mean loss, as training has it at its end: the larger the better."""
        model, given = self._asked(X)
        x = np.asarray(model.check_values(given))
        weight = as_weights(sample_weight, len(x))
        return -mean_loss(model, x, weight)


class PrototypeClusterer(ClusterMixin, _Clusters):
    """Clusters: any row that learns without labels, such as KMeans, FCM or NeuralGas.

    **Arguments:** as those of `PrototypeClassifier`, without `class_weight`; the number of clusters
    is the option `prototypes`.

    **Attributes:** `labels_`, the cluster of each sample of `fit`; `model_`, `history_`,
    `n_iter_`, `n_features_in_`, `feature_names_in_`. Memberships and typicalities are asked of
    `model_`.
    """

    def __init__(
        self,
        model: Any = "KMeans",
        *,
        random_state: Any = None,
        warm_start: Any = False,
        **options: Any,
    ):
        PrototypeEstimator.__init__(
            self, model, random_state=random_state, warm_start=warm_start, **options
        )

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PrototypeClusterer":
        """Train on samples, and how many copies of each there are; `y` is ignored."""
        self._train(X, None, sample_weight)
        self.labels_ = self.predict(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The dissimilarity of each sample to each prototype, `(n, p)`."""
        model, x = self._asked(X)
        return np.asarray(model.distances(x))

    @property
    def _n_features_out(self) -> int:
        return len(_fitted(self).prototypes)


class PrototypeMap(_Clusters):
    """A self-organising map: any row on a lattice, such as KohonenSOM or HeskesSOM.

    **Arguments:** as those of `PrototypeClassifier`, without `class_weight`; `grid` and `topology`
    are options.

    **Attributes:** `model_`, which `protozoo.topology` and `protozoo.plots` look at, `history_`,
    `n_iter_`, `n_features_in_`, `feature_names_in_`.
    """

    def __init__(
        self,
        model: Any = "KohonenSOM",
        *,
        random_state: Any = None,
        warm_start: Any = False,
        **options: Any,
    ):
        PrototypeEstimator.__init__(
            self, model, random_state=random_state, warm_start=warm_start, **options
        )

    def transform(self, X: Any) -> np.ndarray:
        """The place on the map of the prototype that wins each sample, `(n, axes)`."""
        return self._places()[self.predict(X)]

    def _places(self) -> np.ndarray:
        return np.asarray(topology.lattice_of(_fitted(self)).coordinates, np.float32)

    @property
    def _n_features_out(self) -> int:
        return self._places().shape[1]


class PrototypeMixture(DensityMixin, _Unlabelled):
    """A density: GaussianMixture, with covariances of any kind.

    **Arguments:** as those of `PrototypeClassifier`, without `class_weight`; the number of
    components is the option `prototypes`, their kind `covariance`.

    **Attributes:** `model_`, `history_`, `n_iter_`, `n_features_in_`, `feature_names_in_`;
    `protozoo.mixtures.to_sklearn(model_)` is a mixture of scikit-learn.
    """

    def __init__(
        self,
        model: Any = "GaussianMixture",
        *,
        random_state: Any = None,
        warm_start: Any = False,
        **options: Any,
    ):
        PrototypeEstimator.__init__(
            self, model, random_state=random_state, warm_start=warm_start, **options
        )

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """The component of each sample of `fit`."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """The log-density of each sample."""
        model, x = self._asked(X)
        return np.asarray(mixtures.log_prob(model, x))

    # The `score` of scikit-learn's mixin is a placeholder that returns nothing.
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # pyright: ignore
        """The mean log-density."""
        values = self.score_samples(X)
        return weighted_mean(values, as_weights(sample_weight, len(values)))

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draw points, and the components that they come from."""
        points, components = mixtures.sample(_fitted(self), self._seed(), n_samples)
        return np.asarray(points), np.asarray(components)

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion: the lower the better."""
        return mixtures.bic(*self._asked(X))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion: the lower the better."""
        return mixtures.aic(*self._asked(X))


class NoveltyDetector(OutlierMixin, PrototypeEstimator):
    """What describes one class: any row of one class, such as SVDD, OCGMLVQ or SVQOCC.

    **Arguments:** as those of `PrototypeClassifier`, without `class_weight`.

    **Attributes:** `offset_`, zero: where `score_samples` has its border; `model_`, which knows
    targets as class 0, `history_`, `n_iter_`, `n_features_in_`, `feature_names_in_`.
    """

    def __init__(
        self,
        model: Any = "SVDD",
        *,
        random_state: Any = None,
        warm_start: Any = False,
        **options: Any,
    ):
        PrototypeEstimator.__init__(
            self, model, random_state=random_state, warm_start=warm_start, **options
        )

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "NoveltyDetector":
        """Train on targets, and on others if there are labels as `predict` returns them.

        **Arguments:**

        - `y`: +1 for targets and -1 for all others. Without labels all samples are targets, and so
          they are with labels of another kind, as for other detectors of scikit-learn; a warning
          says so.
        """
        self._train(X, y, sample_weight)
        self.offset_ = 0.0
        return self

    def predict(self, X: Any) -> np.ndarray:
        """+1 for targets, -1 for all others."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def decision_function(self, X: Any) -> np.ndarray:
        """\\(\\log v/(1-v)\\), v being the probability that the model sees the sample: negative
        beyond the border of the targets."""
        return self.score_samples(X) - self.offset_

    def score_samples(self, X: Any) -> np.ndarray:
        """The same: the larger, the more like the targets."""
        model, x = self._asked(X)
        return np.asarray(model.decision_function(x), float)

    def _read(
        self, X: Any, y: Any, sample_weight: Any, reset: bool = True, known: bool = False
    ) -> tuple[Any, Any, Any]:
        x, _, weight = PrototypeEstimator._read(self, X, None, sample_weight, reset)
        if y is None:
            return x, None, weight
        y = column_or_1d(unmasked(y, "y"), warn=True)
        if y.dtype.kind not in "iuf" or not np.isin(y, (1, -1)).all():
            warnings.warn(
                "`y` is ignored: labels for a detector are +1 for targets and -1 for all others.",
                UserWarning,
                stacklevel=4,
            )
            return x, None, weight
        return x, (y < 0).astype(np.int32), weight


def _fitted(estimator: PrototypeEstimator) -> PrototypeModel:
    check_is_fitted(estimator)
    return estimator.model_


def _log_probabilities(seen: Any) -> Array:
    # Of a sample at a prototype, the other classes have probability zero.
    logarithms = jax.nn.log_softmax(seen.scores(), axis=1)
    return jnp.maximum(logarithms, jnp.finfo(logarithms.dtype).min)
