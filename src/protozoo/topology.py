"""What a map tells: its lattice or graph, how well it keeps neighbourhoods, which of its units
work, what they are called."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._argmin import nearest_column
from ._checks import as_labels, as_weights, of_model, of_values, positive_integer
from ._module import degree
from ._namespace import public
from ._statistics import copies, weighted_mean
from ._types import Array, ArrayLike, Float, Int
from .cooperation import AbstractCompetition, GraphCooperation, Lattice, LatticeCooperation
from .losses import Cooperative
from .metrics import AbstractMetric, AbstractQuadratic, SquaredEuclidean, own_units
from .models import PrototypeModel
from .prototypes import Prototypes


if TYPE_CHECKING:
    from scipy.sparse import csr_array


# Who wins.


@of_values
@of_model
def winners(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> Int[np.ndarray, " n"]:
    """Which prototype wins each sample: the nearest one or, where prototypes compete otherwise (a
    smoothed map, a graph), the one that they compete for; it is what `model.predict` says of a
    map."""
    return _best(model, x)[:, 0]


@of_values
@of_model
def hits(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], sample_weight: ArrayLike | None = None
) -> Float[np.ndarray, " p"]:
    """How many samples each prototype wins; with weights, as many copies of each (where
    no float holds their sum, in units of a power of two)."""
    winner = winners(model, x)
    weight = copies(as_weights(sample_weight, len(winner)))
    return np.bincount(winner, weight, len(model.prototypes))


@of_values
@of_model
def units_in_use(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> int:
    """How many prototypes win at least one sample."""
    return int(np.count_nonzero(hits(model, x)))


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """What the prototypes of a map are called, by the classes of the samples that they win.

    - `counts`: how many samples of each class a prototype wins, `(p, c)`.

    `map.labels[topology.winners(model, x)]` classifies samples.
    """

    counts: Float[np.ndarray, "p c"]

    @property
    def labels(self) -> Int[np.ndarray, " p"]:
        """The class of most samples that a prototype wins, the first of equals; -1 where it wins
        none."""
        return np.where(self.counts.any(axis=1), self.counts.argmax(axis=1), -1)

    @property
    def purity(self) -> Float[np.ndarray, " p"]:
        """The share of this class among the samples that a prototype wins; zero where it wins
        none."""
        total = self.counts.sum(axis=1)
        return self.counts.max(axis=1) / np.where(total > 0, total, 1)

    @property
    def total_purity(self) -> float:
        """The share of samples whose class is that of their winner."""
        return float(self.counts.max(axis=1).sum() / self.counts.sum())


@of_values
@of_model
def label_map(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    y: ArrayLike | Sequence[int],
    sample_weight: ArrayLike | None = None,
) -> LabelMap:
    """Classes for the prototypes of a model that has learned without them: those of most samples
    that they win.

    **Arguments:**

    - `x`, `y`: samples and their classes 0…c-1.
    - `sample_weight`: how many copies of each sample there are, counted in units of a power of two
      where no float holds their sum.
    """
    winner = winners(model, x)
    labels = as_labels(y, len(winner))
    counts = np.zeros((len(model.prototypes), int(labels.max()) + 1))
    np.add.at(counts, (winner, labels), copies(as_weights(sample_weight, len(winner))))
    return LabelMap(counts)


# Which prototypes are neighbours.


@of_model
def lattice_of(model: PrototypeModel) -> Lattice:
    """The lattice on which prototypes cooperate.

    **Raises:** `ValueError` if there is none.
    """
    cooperation = _cooperation(model)
    if not isinstance(cooperation, LatticeCooperation):
        raise ValueError(
            f"`model` has no lattice: its loss is {type(model.loss).__name__}; `pz.zoo.KohonenSOM` "
            f"has one."
        )
    return cooperation.lattice


@of_values
@of_model
def edges(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."] | None = None
) -> Int[np.ndarray, "m 2"]:
    """Which prototypes are neighbours, each pair once: on the model's lattice or graph or, given
    samples, those that are the two nearest of some sample (competitive Hebbian learning).

    **Raises:** `ValueError` for a model that has neither a lattice nor a graph, without samples.

    Source: T. Martinetz, K. Schulten, *Topology representing networks*, Neural Networks 7, 1994.
    """
    if x is not None:
        pairs = np.sort(_best(model, x), axis=1)
        return np.unique(pairs, axis=0) if pairs.shape[1] == 2 else np.zeros((0, 2), int)
    cooperation = _cooperation(model)
    if isinstance(cooperation, GraphCooperation):
        return cooperation.edges
    if isinstance(cooperation, LatticeCooperation):
        return cooperation.lattice.edges
    raise ValueError(
        "`x` is missing: the prototypes of this model have no lattice and no graph, but samples "
        "tell one."
    )


@of_values
@of_model
def graph(model: PrototypeModel, x: Float[ArrayLike, "n ..."] | None = None) -> "csr_array":
    """The same edges as a symmetric matrix `(p, p)` of SciPy: one for each edge or, given samples,
    how many of them say so.

    `scipy.sparse.csgraph` has algorithms for it: connected components, shortest paths.
    """
    from scipy.sparse import coo_array

    if x is None:
        pairs = edges(model)
    else:
        pairs = _best(model, x)
        pairs = pairs if pairs.shape[1] == 2 else np.zeros((0, 2), int)
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    p = len(model.prototypes)
    return coo_array((np.ones(len(rows)), (rows, columns)), (p, p)).tocsr()


@of_values
@of_model
def compacted(model: PrototypeModel) -> PrototypeModel:
    """A model whose graph has grown without the room that it did not use: of the living prototypes
    alone."""
    cooperation = _cooperation(model)
    if not isinstance(cooperation, GraphCooperation):
        return model
    return model.select(np.asarray(cooperation.alive))


# How good it is.


@of_values
@of_model
def quantisation_error(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], sample_weight: ArrayLike | None = None
) -> float:
    """The mean dissimilarity δ between a sample and its winner: for the quadratic metrics, a
    *squared* distance."""
    delta = np.asarray(model.ask(_won, x), float)
    return weighted_mean(delta, as_weights(sample_weight, len(delta)))


@of_values
@of_model
def topographic_error(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], sample_weight: ArrayLike | None = None
) -> float:
    """The share of samples whose two nearest prototypes are no neighbours on the lattice (or in the
    graph): zero where the map keeps neighbourhoods.

    Source: K. Kiviluoto, *Topology preservation in self-organizing maps*, ICNN 1996.
    """
    pairs, p = _best(model, x), len(model.prototypes)
    weight = as_weights(sample_weight, len(pairs))
    if p == 1:
        return 0.0
    known = np.zeros((p, p), bool)
    known[tuple(edges(model).T)] = True
    torn = ~(known | known.T)[tuple(pairs.T)]
    return weighted_mean(torn.astype(float), weight)


@of_values
@of_model
def topographic_product(model: PrototypeModel) -> float:
    """How well the lattice fits where prototypes are: zero where both agree about the neighbours of
    a prototype, below zero where the lattice has too few dimensions and folds, above zero where it
    has too many.

    \\(P = \\frac{1}{p(p-1)} \\sum_j \\sum_{k=1}^{p-1} \\frac{1}{2k} \\sum_{l=1}^{k} \\log
    \\frac{d_V(j, a_l)\\, d_A(j, a_l)}{d_V(j, v_l)\\, d_A(j, v_l)}\\), where \\(a_l\\) is the l-th
    nearest of prototype j on the lattice (of equally near ones, the nearest in space), \\(v_l\\)
    that in space, and \\(d_A\\), \\(d_V\\) are distances there. Prototypes at the same point are as
    far apart as the nearest two others.

    Source: H.-U. Bauer, K. Pawelzik, *Quantifying the neighborhood preservation of self-organizing
    feature maps*, IEEE Trans. Neural Networks 3, 1992.
    """
    on_lattice, in_space = np.sqrt(lattice_of(model).squared_distances), _distances(model)
    p = len(on_lattice)
    if p < 2:
        return 0.0
    apart = ~np.eye(p, dtype=bool)
    positive = in_space[apart & (in_space > 0)]
    in_space = np.maximum(in_space, positive.min() if positive.size else 1.0)
    on_lattice, in_space = (d[apart].reshape(p, p - 1) for d in (on_lattice, in_space))
    by_lattice = np.lexsort((in_space, on_lattice), axis=1)
    by_space = np.lexsort((on_lattice, in_space), axis=1)
    logarithms = np.log(in_space) + np.log(on_lattice)
    ratios = np.take_along_axis(logarithms, by_lattice, axis=1) - np.take_along_axis(
        logarithms, by_space, axis=1
    )
    k = np.arange(1, p)
    return float((np.cumsum(ratios, axis=1) / (2 * k)).sum() / (p * (p - 1)))


@of_values
@of_model
def trustworthiness(
    model: PrototypeModel, x: Float[ArrayLike, "n ..."], neighbours: int = 10
) -> float:
    """Whether samples that are neighbours on the map are neighbours among the data: one where all
    are.

    \\(T = 1 - \\frac{2}{nk(2n - 3k - 1)} \\sum_i \\sum_{j \\in U_i} (r_{ij} - k)\\), where
    \\(r_{ij}\\) is the rank of sample j among the neighbours of i by distance in the data, and
    \\(U_i\\) holds those of the k nearest on the map, by the places of their winners, that are not
    among the k nearest in the data. Of samples in equally near places, all orders are equally
    likely, and their mean is taken; equally near in the data, they have the best rank of them.

    **Arguments:**

    - `neighbours`: k, less than half of the samples.

    Every sample is compared with every other: time grows with n², memory with n.

    **Raises:** `ValueError` for a model without a lattice, and unless 1 ≤ k < n/2.

    Source: J. Venna, S. Kaski, *Neighborhood preservation in nonlinear projection methods: an
    experimental study*, ICANN 2001.
    """
    on_map, winner = lattice_of(model).squared_distances, winners(model, x)
    positive_integer(neighbours, "neighbours")
    n, k = len(winner), int(neighbours)
    if not k < n / 2:
        raise ValueError(f"`neighbours` must be less than half of the {n} samples, got {k}.")
    points = Prototypes(model.ask(_encoded, x), None, model.encoded_prototypes().space)
    units, penalty = own_units(SquaredEuclidean(), points), 0.0
    for i in range(n):
        apart = np.array(_apart(units.metric, units.prototypes, np.asarray(i)))
        steps = on_map[winner[i], winner]
        apart[i] = steps[i] = np.inf
        border = np.partition(steps, k - 1)[k - 1]
        nearer, tied = steps < border, steps == border
        near = nearer + tied * (k - nearer.sum()) / tied.sum()
        rank = 1 + np.searchsorted(np.sort(apart), apart)
        penalty += float(near @ np.maximum(rank - k, 0))
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


@of_values
@of_model
def neighbour_distances(model: PrototypeModel) -> Float[np.ndarray, " p"]:
    """The mean distance between a prototype and its neighbours on the lattice or in the graph, as
    the metric sees them (its *U-matrix*): large between clusters. Zero for one that has no
    neighbour.

    Source: A. Ultsch, H. Siemon, *Kohonen's self organizing feature maps for exploratory data
    analysis*, INNC 1990.
    """
    apart, pairs = _distances(model), edges(model)
    ends = np.concatenate([pairs, pairs[:, ::-1]]).T
    total, count = (np.bincount(ends[0], w, len(apart)) for w in (apart[tuple(ends)], None))
    return total / np.maximum(count, 1)


# What they ask.


def _cooperation(model: PrototypeModel) -> Any:
    return model.loss.cooperation if isinstance(model.loss, Cooperative) else None


def _best(model: PrototypeModel, x: ArrayLike) -> Int[np.ndarray, "n k"]:
    """The winner and the second best (if there are two)."""
    return np.stack(model.ask(_two_best, x), axis=1)


def _compared(seen: Any) -> Float[Array, "n p"]:
    """What prototypes compete by."""
    seen = seen.by_loss()
    delta, loss = seen.dissimilarities(), seen.judge.decision
    if isinstance(loss, Cooperative) and isinstance(loss.cooperation, AbstractCompetition):
        delta = loss.cooperation.compared(delta.T).T
    return jax.lax.optimization_barrier(delta)


def _two_best(seen: Any) -> tuple[Int[Array, " n"], ...]:
    compared = _compared(seen)
    first = nearest_column(compared)
    if compared.shape[1] == 1:
        return (first,)
    others = jnp.arange(compared.shape[1])[None] != first[:, None]
    return first, nearest_column(jnp.where(others, compared, jnp.inf))


def _encoded(seen: Any) -> Float[Array, "n ..."]:
    return seen.points


def _won(seen: Any) -> Float[Array, " n"]:
    winner = nearest_column(_compared(seen))
    return jnp.take_along_axis(seen.distances(), winner[:, None], axis=1)[:, 0]


def _distances(model: PrototypeModel) -> Float[np.ndarray, "p p"]:
    """Distances between prototypes, from both sides alike."""
    units = own_units(model.metric, model.encoded_prototypes())
    apart = np.asarray(_between(units.metric, units.prototypes), float) * float(units.factor)
    squared = isinstance(model.metric, AbstractQuadratic) or degree(model.metric) == 2
    apart = np.sqrt(np.maximum(apart, 0)) if squared else apart
    return 0.5 * (apart + apart.T)


@eqx.filter_jit
def _between(metric: AbstractMetric, prototypes: Prototypes) -> Float[Array, "p p"]:
    if isinstance(metric, AbstractQuadratic):
        return metric.squared(prototypes.points, prototypes)
    return metric(prototypes.points, prototypes)


@eqx.filter_jit
def _apart(metric: AbstractMetric, points: Prototypes, i: ArrayLike) -> Float[Array, " n"]:
    """The squared distances of all points from the i-th."""
    return metric(points.points, points.moved(points.points[i][None]))[:, 0]


__all__ = public(globals())
