"""Sets of classes that hold the true one as often as was wished, whatever the model is worth."""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import as_labels, of_kind, of_values, truth
from .._module import buffer, hyper, part, static
from .._reports import aligned, estimate, plain
from .._schedules import as_scalar
from .._types import Array, ArrayLike, Bool, Classes, Float, Int, Scalar
from ..losses.internal import refuse_no_share
from ..models import AbstractTrainable, PrototypeModel
from ..models.internal import (
    carded_classes,
    known_rows,
    refuse_no_classifier,
    transformable,
    where_known,
)


#: How unlike a class a sample is, by what.
By = Literal["distance", "probability"]

#: Below every nonconformity: what fills up the rows of classes with fewer samples.
_NONE = -1e30


class ConformalClassifier(eqx.Module):
    """A classifier that answers with sets of classes, which hold the true class of a new sample
    with the probability that was wished.

    A class is in the set of x unless x is less like it than nearly all samples \\(i = 1 \\dots m\\)
    that were held out and are of it: its p-value

    \\[p_k(x) = \\frac{1 + |\\{i : a(x_i, y_i) \\ge a(x, k)\\}|}{m + 1}\\]

    exceeds \\(\\alpha = 1 - \\mathrm{coverage}\\). For samples as like those to come as they are
    like each other (exchangeable), \\(P(p_y \\le \\alpha) \\le \\alpha\\) whatever the model is,
    and without ties the coverage is less than 1/(m + 1) above the wished one. The better the
    model, the smaller the sets. An empty set says that x is like no class.

    **Arguments:**

    - `model`: a classifier with `predict_proba`: prototypes with classes, a network, a model of one
      class or one that knows none of these.
    - `x_cal`, `y_cal`: samples that it was not trained with, and their classes, all of them known
      classes. Of a model of one class, `y_cal` may be left out.
    - `coverage`: the wished probability, in (0, 1).
    - `class_conditional`: whether it is to hold for each class by itself (Mondrian sets): a is then
      compared with that of held-out samples of class k alone.
    - `by`: the nonconformity a(x, k). `"distance"`: the relative distance
      \\(\\mu_k = (d_k - d_r)/(d_k + d_r)\\) of GLVQ, r being the nearest other class: with
      probabilities, \\((p_r - p_k)/(p_r + p_k)\\). `"probability"`: \\(1 - p_k\\), whose sets are
      the smallest on average where the probabilities are the true ones.

    A model that can say "none of these" has this answer as one more rival, and in no set: of one
    class, `p_values(x)[:, 0]` are conformal p-values of novelty, and the set of what is new is
    empty.

    The coverage is an average over what may have been held out: with m samples, that of this
    classifier is beta distributed, and differs by about \\(\\sqrt{\\alpha(1-\\alpha)/m}\\).

    With fewer than 1/α - 1 samples (of a class) nothing can be excluded: the class is in every set,
    and a warning says how many are needed.

    **Raises:** `ValueError` for a coverage outside (0, 1), a model without classes, and labels that
    are no known classes.

    Source: V. Vovk, A. Gammerman, G. Shafer, *Algorithmic learning in a random world*, Springer,
    2005; M. Sadinle, J. Lei, L. Wasserman, *Least ambiguous set-valued classifiers with bounded
    error levels*, J. American Statistical Association 114, 2019.
    """

    model: AbstractTrainable = part()
    #: As it was wished.
    coverage: Scalar = hyper()
    #: The nonconformities of held-out samples, ascending: a row for each class, or one for all.
    nonconformities: Float[Array, "g m"] = buffer()
    #: How many there are in each row.
    counts: Int[Array, " g"] = buffer()
    #: How many of them must be as large for a class to be in a set.
    needed: Int[Array, " g"] = buffer()
    by: By = static()

    @of_values
    def __init__(
        self,
        model: AbstractTrainable,
        x_cal: Float[ArrayLike, "m ..."],
        y_cal: Int[ArrayLike, " m"] | Sequence[int] | None = None,
        coverage: float = 0.9,
        class_conditional: bool = False,
        by: By = "distance",
    ):
        self.model = of_kind(model, AbstractTrainable, "model")
        refuse_no_classifier(model, "cluster labels are no classes that could be covered")
        self.by = of_kind(by, By, "by")
        self.coverage = coverage
        refuse_no_share(as_scalar(coverage, "coverage"), "coverage")
        x, y = _known_samples(model, x_cal, y_cal, "_cal")
        own = np.asarray(self._nonconformity(x))[np.arange(len(y)), y]
        conditional, classes = truth(class_conditional, "class_conditional"), _known(model)
        groups = [own[y == k] for k in range(classes)] if conditional else [own]
        counts = np.array([len(group) for group in groups])
        rows = np.full((len(groups), counts.max()), _NONE, own.dtype)
        for row, group in zip(rows, groups, strict=True):
            row[len(row) - len(group) :] = np.sort(group)
        self.nonconformities, self.counts = jnp.asarray(rows), jnp.asarray(counts)
        # Ranks are whole numbers: 0.1 · 10 is one, also in binary.
        alpha = 1 - float(coverage)
        self.needed = jnp.asarray(np.floor(alpha * (counts + 1) + 1e-9).astype(int))
        _warn_of_few(counts, alpha, conditional)

    @property
    def classes(self) -> int:
        """The number of known classes, c."""
        return _known(self.model)

    @transformable
    def predict(self, x: Float[ArrayLike, "n ..."]) -> Int[Array, " n"]:
        """The model's answer, a single class."""
        return _asked(self.model).predict(x)

    @transformable
    def predict_proba(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n k"]:
        """The model's probabilities."""
        return _asked(self.model).predict_proba(x)

    @transformable
    def predict_set(self, x: Float[ArrayLike, "n ..."]) -> Bool[Array, "n c"]:
        """Which classes the set of each sample holds: those with a p-value above
        1 - coverage.

        In a program of your own, where nothing is refused, a sample that is NaN or infinite has all
        of them: of what is not known, nothing can be excluded.
        """
        count, known = self._as_large(x)
        return (count >= self.needed[None]) | ~known[:, None]

    @transformable
    def p_values(self, x: Float[ArrayLike, "n ..."]) -> Float[Array, "n c"]:
        """The p-value of each class: how likely it is that one of its samples is so unlike it.

        In a program of your own, where nothing is refused, NaN of a sample that is NaN or infinite.
        """
        count, known = self._as_large(x)
        return where_known(known, (1 + count) / (1 + self.counts[None]))

    def _as_large(self, x: ArrayLike) -> tuple[Int[Array, "n c"], Bool[Array, " n"]]:
        """How many held-out samples are as unlike their class as each of x is unlike each class,
        and for which of x that is known."""
        a = self._nonconformity(x)
        rows = jnp.broadcast_to(self.nonconformities, (a.shape[1], self.nonconformities.shape[1]))
        below = [jnp.searchsorted(row, column) for row, column in zip(rows, a.T, strict=True)]
        return rows.shape[1] - jnp.stack(below, axis=1), known_rows(a)

    def _nonconformity(self, x: ArrayLike) -> Float[Array, "n c"]:
        """a(x, k), or a function of it that rises with it."""
        p = _asked(self.model).predict_proba(x)
        top = jnp.max(p, axis=1, keepdims=True)
        best = jnp.argmax(p, axis=1)[:, None] == jnp.arange(p.shape[1])[None]
        reduce = jnp.max if self.by == "distance" else jnp.sum
        rest = reduce(jnp.where(best, 0, p), axis=1, keepdims=True)
        # log p_r/p_k in place of its hyperbolic tangent, and log (1 - p_k)/p_k in place of 1 - p_k,
        # which are one long before these are infinite.
        rivals = jnp.where(best, rest, top if self.by == "distance" else top + rest - p)
        least = jnp.finfo(p.dtype).tiny
        a = jnp.log(jnp.maximum(rivals, least)) - jnp.log(jnp.maximum(p, least))
        return a[:, : _known(self.model)]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SetEvaluation:
    """How sets of classes do on some samples; printed as a table.

    - `classes`: the names of the c known classes.
    - `support`: how many samples there are of each, `(c,)`.
    - `coverage`: the share of samples whose set holds their class.
    - `size`: the mean number of classes in a set.
    - `sizes`: the share of sets with 0, 1, …, c classes, `(c + 1,)`.
    - `class_coverage`, `class_size`: coverage and size of the samples of each class, `(c,)`; NaN
      without samples.
    - `standard_error`: of the coverage, \\(\\sqrt{q(1-q)/n}\\).
    """

    classes: tuple[str, ...]
    support: np.ndarray
    coverage: float
    size: float
    sizes: np.ndarray
    class_coverage: np.ndarray
    class_size: np.ndarray
    standard_error: float

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON; what is not known (NaN) is `None`."""
        return plain({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def __repr__(self) -> str:
        return f"SetEvaluation(coverage={self.coverage:.4g}, size={self.size:.4g})"

    def __str__(self) -> str:
        n = self.support.sum()
        lines = [
            f"{n:g} samples of {len(self.classes)} classes",
            f"coverage           {estimate(self.coverage, self.standard_error)}",
            f"mean size          {self.size:.4f}",
            f"empty, single sets {self.sizes[0]:.4f}, {self.sizes[1]:.4f}",
        ]
        rows = [("class", "coverage", "mean size", "samples")]
        for name, *numbers in zip(
            self.classes, self.class_coverage, self.class_size, self.support, strict=True
        ):
            q, size, count = numbers
            error = math.sqrt(q * (1 - q) / count) if count else math.nan
            rows.append(
                (name, estimate(q, error), "–" if not count else f"{size:.3f}", f"{count:g}")
            )
        return "\n".join(lines) + "\n\n" + aligned(rows)


@of_values
def evaluate_sets(
    classifier: ConformalClassifier,
    x: Float[ArrayLike, "n ..."],
    y: Classes | None = None,
) -> SetEvaluation:
    """Coverage and size of the sets of a conformal classifier, altogether and class by class.

    **Arguments:**

    - `classifier`: a `ConformalClassifier`.
    - `x`, `y`: samples with which it was neither trained nor calibrated, and their classes, all of
      them known. Of a model of one class, `y` may be left out.

    **Raises:** `ValueError` for labels that are no known classes.
    """
    of_kind(classifier, ConformalClassifier, "classifier")
    model, classes = classifier.model, classifier.classes
    x, y = _known_samples(model, x, y, "")
    sets = np.asarray(classifier.predict_set(x))
    covered, size = sets[np.arange(len(y)), y], sets.sum(axis=1)
    support = np.bincount(y, minlength=classes)

    def of_classes(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(y, values, classes)
        return np.where(support, sums / np.maximum(support, 1), np.nan)

    coverage = float(covered.mean())
    names = carded_classes(model) or range(classes)
    return SetEvaluation(
        classes=tuple(map(str, names[:classes])),
        support=support,
        coverage=coverage,
        size=float(size.mean()),
        sizes=np.bincount(size, minlength=classes + 1) / len(y),
        class_coverage=of_classes(covered),
        class_size=of_classes(size),
        standard_error=math.sqrt(coverage * (1 - coverage) / len(y)),
    )


def _asked(model: AbstractTrainable) -> Any:
    """The model as what has answers, which `refuse_no_classifier` has seen."""
    return model


def _known(model: AbstractTrainable) -> int:
    """How many classes a model has been shown."""
    none = isinstance(model, PrototypeModel) and model.decides.open_set
    return model.classes - none


def _known_samples(model: AbstractTrainable, x: Any, y: Any, suffix: str) -> tuple[Any, np.ndarray]:
    """Samples and their classes, all of which the model has been shown."""
    x, classes = model.check_values(x, f"x{suffix}"), _known(model)
    if y is None and classes == 1:
        return x, np.zeros(len(x), int)
    y = as_labels(y, len(x), f"y{suffix}", carded_classes(model))
    if y.max() >= classes:
        raise ValueError(
            f"`y{suffix}` has class {y.max()}, but the model has been shown classes "
            f"0…{classes - 1} only: nothing can be promised of others, so leave them out."
        )
    return x, y


def _warn_of_few(counts: np.ndarray, alpha: float, conditional: bool) -> None:
    """Say which classes are in every set, and how many samples would change that."""
    enough = math.ceil(1 / alpha - 1 - 1e-9)
    for k, count in enumerate(counts):
        if count < enough:
            of, sets = (
                (f" of class {k}", "holds that class") if conditional else ("", "is everything")
            )
            warnings.warn(
                f"`x_cal` has {count} samples{of}, too few for a coverage of {1 - alpha:g}: every "
                f"set {sets}. Hold out {enough} at least, or wish for less.",
                UserWarning,
                stacklevel=4,
            )
