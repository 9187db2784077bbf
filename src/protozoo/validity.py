"""How good is a clustering, and how many clusters are there?"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from ._checks import as_key, as_labels, as_numbers, of_kinds, of_model, of_values, positive_integer
from ._namespace import public
from ._schedules import within
from ._types import ArrayLike, Float, Int, PRNGKeyArray
from .metrics import own_units
from .models import PrototypeModel
from .models.internal import in_own_units, of_densities
from .training import Fit
from .zoo import Recipe, fit


@of_values
@of_model
def partition_coefficient(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> float:
    """\\(\\frac1n\\sum_{ij} u_{ij}^2\\) of the memberships, from 1/p (all alike) to 1 (crisp): the
    larger the better.

    Source: J. Bezdek, *Pattern recognition with fuzzy objective function algorithms*, Plenum Press,
    1981.
    """
    u = np.asarray(model.memberships(x), float)
    return float(np.mean(np.sum(u * u, axis=1)))


@of_values
@of_model
def partition_entropy(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> float:
    """\\(-\\frac1n\\sum_{ij} u_{ij}\\log u_{ij}\\) of the memberships, from 0 (crisp) to log p: the
    smaller the better.

    Source: J. Bezdek, *Pattern recognition with fuzzy objective function algorithms*, Plenum Press,
    1981.
    """
    u = np.asarray(model.memberships(x), float)
    return float(-np.mean(np.sum(u * np.log(np.where(u > 0, u, 1)), axis=1)))


@of_values
@of_kinds
def xie_beni(model: PrototypeModel, x: Float[ArrayLike, "n ..."], fuzzifier: float = 2.0) -> float:
    """\\(\\sum_{ij} u_{ij}^m \\delta_{ij} / (n \\min_{j\\ne k} \\delta(w_j, w_k))\\): compactness
    by separation, the smaller the better; infinite where two prototypes coincide.

    **Arguments:**

    - `fuzzifier`: m, at least 1.

    **Raises:** `ValueError` for a single prototype, a fuzzifier below 1, and a metric of densities,
    of which ratios depend on the unit.

    Source: X. Xie, G. Beni, *A validity measure for fuzzy clustering*, IEEE Trans. Pattern Analysis
    and Machine Intelligence 13, 1991.
    """
    if len(model.prototypes) < 2:
        raise ValueError("`xie_beni` compares prototypes, and there is one.")
    if of_densities(model.metric):
        raise ValueError(
            "`xie_beni` divides dissimilarities, and those of densities have no zero: choose "
            "another index, such as `partition_coefficient`."
        )
    within(fuzzifier, "fuzzifier", "[1, inf)")
    # Of their ratio no unit is left: both are in those in which squares neither vanish nor
    # overflow.
    u = np.asarray(model.memberships(x), float)
    delta = np.asarray(model.ask(in_own_units, x), float)
    units = own_units(model.metric, model.encoded_prototypes())
    between = np.asarray(units.metric(units.prototypes.points, units.prototypes), float)
    apart = between[~np.eye(len(between), dtype=bool)].min()
    compact = float(np.mean(np.sum(u**fuzzifier * delta, axis=1)))
    return compact / apart if apart > 0 else math.inf


@of_values
@of_model
def davies_bouldin(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> float:
    """The index of Davies and Bouldin of the predicted clusters, by scikit-learn: the smaller the
    better.

    **Raises:** `ValueError` if all samples are in one cluster.
    """
    return float(_by_sklearn("davies_bouldin_score", model, x))


@of_values
@of_kinds
def silhouette(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    sample_size: int | None = None,
    key: PRNGKeyArray | int = 0,
) -> float:
    """The mean silhouette of the predicted clusters, from -1 to 1, by scikit-learn: the larger the
    better.

    **Arguments:**

    - `sample_size`: of how many samples, drawn by `key`; all pairs of them are compared. `None`: of
      all.

    **Raises:** `ValueError` if all samples (that are drawn) are in one cluster, or each in a
    cluster of its own.
    """
    if sample_size is not None:
        positive_integer(sample_size, "sample_size")
    seed = int(jax.random.randint(as_key(key), (), 0, 2**31 - 1))
    return float(_by_sklearn("silhouette_score", model, x, sample_size, seed))


def _by_sklearn(
    name: str, model: PrototypeModel, x: ArrayLike, drawn: int | None = None, seed: int = 0
) -> float:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise ImportError(
            f'`{name}` needs scikit-learn: pip install "protozoo[sklearn]"'
        ) from error
    labels = np.asarray(model.predict(x))
    points = np.asarray(model.encode(model.check_samples(x)), float).reshape(len(labels), -1)
    if drawn is not None:
        some = np.random.RandomState(seed).permutation(len(labels))[:drawn]
        labels, points = labels[some], points[some]
    clusters = len(np.unique(labels))
    if not 1 < clusters < len(labels):
        where = "one" if clusters == 1 else "clusters of their own"
        hint = "" if drawn is None else ": draw more of them, `sample_size`"
        raise ValueError(f"`{name}` compares clusters, and all samples are in {where}{hint}.")
    # Neither index knows of an origin or a unit, but scikit-learn takes distances of 1e-8 for
    # zero.
    points = points - points.mean(axis=0)
    points = np.ldexp(points, -np.frexp(np.abs(points).max())[1])
    return getattr(metrics, name)(points, labels)


class Matching(NamedTuple):
    """Clusters matched to classes.

    - `accuracy`: the share of samples whose cluster is matched to their class.
    - `classes`: for each cluster the class, -1 for one that is left over.
    """

    accuracy: float
    classes: Int[np.ndarray, " p"]


@of_values
def matched(clusters: Int[ArrayLike, " n"], y: Int[ArrayLike, " n"]) -> Matching:
    """The one-to-one matching of clusters to classes that agrees with most samples, by linear
    assignment.

    **Arguments:**

    - `clusters`: the cluster of each sample, such as `model.predict(x)`.
    - `y`: its class.

    Source: H. Kuhn, *The Hungarian method for the assignment problem*, Naval Research Logistics
    Quarterly 2, 1955.
    """
    from scipy.optimize import linear_sum_assignment

    found = as_labels(clusters, len(np.atleast_1d(as_numbers(clusters, "clusters"))), "clusters")
    known = np.asarray(as_labels(y, len(found)))
    counts = np.zeros((found.max() + 1, known.max() + 1), int)
    np.add.at(counts, (found, known), 1)
    rows, columns = linear_sum_assignment(-counts)
    classes = np.full(len(counts), -1)
    classes[rows] = columns
    return Matching(float(counts[rows, columns].sum() / len(found)), classes)


class Range(NamedTuple):
    """What a range of cluster numbers comes to.

    - `fits`: the trained models, by number.
    - `indices`: for each index its value, by number.
    - `best`: for each index the number that it prefers.
    """

    fits: Mapping[int, Fit[PrototypeModel]]
    indices: Mapping[str, Mapping[int, float]]
    best: Mapping[str, int]


#: The indices by their names, and whether larger is better.
_INDICES: dict[str, tuple[Callable, bool]] = {
    "partition coefficient": (partition_coefficient, True),
    "partition entropy": (partition_entropy, False),
    "Xie–Beni": (xie_beni, False),
    "Davies–Bouldin": (davies_bouldin, False),
    "silhouette": (silhouette, True),
}


@of_values
def number_of_clusters(
    model: str | Recipe,
    x: Float[ArrayLike, "n ..."],
    numbers: Iterable[int],
    *,
    key: PRNGKeyArray | int = 0,
    **options: Any,
) -> Range:
    """Train a row for each number of clusters, and ask all indices which of them is best.

    **Arguments:**

    - `model`: a row of clusters, such as `"KMeans"` or `"FCM"`.
    - `x`: samples.
    - `numbers`: how many prototypes to try, a list or a range; each at least 2.
    - `key`: a random key.
    - `options`: of the row, and of `pz.zoo.fit` (`restarts`).

    Coefficient and entropy of a partition prefer few clusters by themselves; the others look at
    distances.

    **Raises:** `ValueError` for numbers below 2, `TypeError` for anything but several of them.
    """
    if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
        raise TypeError(f"`numbers` must be a list or a range of integers, got {numbers!r}.")
    fits = {}
    for number in numbers:
        positive_integer(number, "numbers")
        if number < 2:
            raise ValueError(f"`numbers` must be at least 2, got {number}.")
        fits[int(number)] = fit(model, x, key=key, prototypes=int(number), **options)
    if not fits:
        raise ValueError("`numbers` is empty.")
    indices = {
        name: {number: index(one.model, x) for number, one in fits.items()}
        for name, (index, _) in _INDICES.items()
    }
    best = {
        name: (max if _INDICES[name][1] else min)(values, key=values.__getitem__)
        for name, values in indices.items()
    }
    return Range(fits, indices, best)


__all__ = public(globals())
