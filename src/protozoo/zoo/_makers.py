"""Makers: functions from data, and the parts made before, to the next part. Their keyword arguments are a row's options."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import is_dissimilarity_matrix, positive_integer
from .._schedules import AbstractSchedule, Exponential, positive
from .._statistics import mean_and_variance
from .._types import Array, PRNGKeyArray
from ..backbones import CNN, MLP
from ..cooperation import AbstractCooperation, RankCooperation
from ..losses import (
    CBC,
    GLVQ,
    LVQ1,
    LVQ21,
    RSLVQ,
    AbstractLoss,
    ClasswiseClustering,
    Cooperative,
    CrossEntropy,
    Fuzzy,
    HardClustering,
    Mixture,
    NearestNeighbours,
    SoftLVQ,
    winners,
)
from ..manifolds import AbstractManifold, Euclidean
from ..metrics import (
    AbstractAdaptation,
    AbstractMetric,
    AbstractQuadratic,
    Chain,
    ClassOmega,
    ExponentialKernel,
    GaussianKernel,
    LocalOmega,
    Mahalanobis,
    Omega,
    Precomputed,
    Relevance,
    SquaredEuclidean,
    Subspace,
    Tangent,
    Wasserstein,
    own_units,
)
from ..prototypes import Prototypes
from ..prototypes._initialisers import initialise, kmeans_plus_plus


@dataclasses.dataclass(frozen=True)
class Context:
    """What a maker of a part knows; a maker is a function of it whose keyword arguments are options of the row.

    **Arguments:**

    - `x`: the samples, where they are compared.
    - `y`: their classes, or `None`.
    - `key`: a random key.
    - `space`: where the points live.
    - `prototypes`, `metric`: the parts made so far; prototypes where they are compared.
    """

    x: Array
    y: Any
    key: PRNGKeyArray
    space: AbstractManifold
    #: How many copies of each sample there are, if they are not equally many: positive, float64.
    weight: np.ndarray | None = None
    # Set before the makers that need them are called.
    prototypes: Any = None
    metric: Any = None

    @property
    def weighting(self) -> dict[str, Any]:
        """The argument by which initialisers are told of weights."""
        return {} if self.weight is None else {"sample_weight": self.weight}

    def distances(self) -> "Distances":
        """The dissimilarities of a few thousand samples, plenty for a scale, in the model's own metric."""
        step = -(-len(self.x) // 4096)
        units = own_units(self.metric, self.prototypes)
        delta = _distances(units.metric, units.of(jnp.asarray(self.x[::step])), units.prototypes)
        y, weight = (None if a is None else np.asarray(a)[::step] for a in (self.y, self.weight))
        return Distances(delta, y, np.ones(len(delta)) if weight is None else weight, float(units.factor))

    def scale(self) -> float:
        """The typical dissimilarity between a sample and its prototype; one where all samples are prototypes."""
        delta, y, weight, factor = self.distances()
        if y is None or not self.prototypes.labelled:
            nearest = jnp.min(delta, axis=1)
        else:
            nearest = winners(delta, self.prototypes.labels, jnp.asarray(y))[0]
        mean = float(np.average(np.asarray(nearest, float), weights=weight / weight.max()))
        if not mean > 0:
            return 1.0
        limits = np.finfo(np.asarray(delta).dtype)
        if not limits.tiny <= mean * factor <= limits.max:
            raise ValueError(
                f"`x` is of an order of magnitude whose dissimilarities, of {mean * factor:.3g}, are beyond the range of "
                f"{limits.dtype}: rescale it, or compute in 64 bits (`jax.config.update('jax_enable_x64', True)`)."
            )
        return mean * factor

    @property
    def classes(self) -> int:
        """The number of classes in the data."""
        return int(np.max(self.y)) + 1

    @property
    def per_class(self) -> int:
        """The size of the largest class of prototypes."""
        return int(np.bincount(self.prototypes.labels).max()) if self.prototypes.labelled else len(self.prototypes)


class Distances(NamedTuple):
    """Dissimilarities of some samples, divided by `factor`, and what is known of the samples."""

    delta: Array
    y: np.ndarray | None
    weight: np.ndarray
    factor: float


@eqx.filter_jit
def _distances(metric: AbstractMetric, x: Array, prototypes: Prototypes) -> Array:
    return metric(x, prototypes)


# Encoders.


def no_encoder(context: Context) -> Callable:
    return eqx.nn.Identity()


def mlp(
    context: Context, *, hidden: tuple[int, ...] = (32,), latent_dim: int = 16, activation: Callable = jax.nn.tanh
) -> Callable:
    return MLP((context.space.dimension, *hidden, latent_dim), activation, key=context.key)


def cnn(context: Context, *, channels: tuple[int, ...] = (16, 32), latent_dim: int = 32, pool: int = 2) -> Callable:
    if len(context.space.point_shape) != 3:
        raise ValueError(
            f"`x` must hold images (n, height, width, channels), got samples of shape {context.space.point_shape}; gray "
            "images have one channel: `x[..., None]`."
        )
    return CNN(context.space.point_shape, latent_dim, channels, pool=pool, key=context.key)


# Prototypes.


def per_class(
    context: Context, *, prototypes_per_class: int | Mapping[int, int] = 1, initialiser: str | Callable = "kmeans++"
) -> Prototypes:
    return _chosen(context, prototypes_per_class, initialiser, "prototypes_per_class")


def per_class_means(
    context: Context, *, prototypes_per_class: int | Mapping[int, int] = 1, initialiser: str | Callable = "means"
) -> Prototypes:
    return per_class(context, prototypes_per_class=prototypes_per_class, initialiser=initialiser)


def clusters(context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++") -> Prototypes:
    return _chosen(context, prototypes, initialiser, "prototypes", labelled=False)


def gaussian_components(context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++") -> Prototypes:
    if initialiser == "kmeans++" and context.space.flat:
        # Features count alike, as they do for components: in units of their own.
        deviations = np.sqrt(mean_and_variance(np.asarray(context.x), context.weight)[1])
        initialiser = functools.partial(kmeans_plus_plus, units=np.where(deviations > 0, deviations, 1))
    return clusters(context, prototypes=prototypes, initialiser=initialiser)


def components(context: Context, *, components: int | None = None, initialiser: str | Callable = "kmeans++") -> Prototypes:
    count = 2 * context.classes if components is None else components
    return _chosen(context, count, initialiser, "components", labelled=False)


def _chosen(
    context: Context, count: int | Mapping[int, int], initialiser: str | Callable, name: str, labelled: bool = True
) -> Prototypes:
    """Prototypes for each class, or for all samples; errors know the option by its `name`."""
    x = np.asarray(context.x)
    y = np.asarray(context.y) if labelled else np.zeros(len(x), np.int8)
    points, labels = initialise(x, y, count, context.key, initialiser, context.space, context.weight, name)
    return Prototypes(points, labels if labelled else None, context.space)


def all_samples(context: Context) -> Prototypes:
    order = np.argsort(context.y, kind="stable")
    if context.weight is not None:
        copies = context.weight.astype(int)
        if (copies != context.weight).any():
            raise ValueError("`sample_weight` must hold integers: neighbours vote by copies, of which there are no fractions.")
        order = np.repeat(order, copies[order])
    return Prototypes(np.asarray(context.x)[order], np.asarray(context.y)[order], context.space)


# Metrics.


def squared_euclidean(context: Context) -> AbstractAdaptation:
    return SquaredEuclidean()


def euclidean_or_given(context: Context, *, precomputed: bool | None = None) -> AbstractMetric:
    """Squared Euclidean distances of vectors, or with `precomputed` the dissimilarities that rows of x hold."""
    if precomputed is None and is_dissimilarity_matrix(context.x):
        raise ValueError(
            "`x` looks like a matrix of dissimilarities between its own samples: pass `precomputed=True` to take it for one, "
            "or `precomputed=False` to take its rows for vectors."
        )
    return Precomputed() if precomputed else SquaredEuclidean()


def relevance(context: Context) -> AbstractAdaptation:
    return Relevance.uniform(context.space.dimension)


def linear_maps(share: Callable[[Context, Omega], AbstractAdaptation]) -> Callable:
    """Projections of the features, or of the directions in which the data vary, that all start from the same one."""

    def make(
        context: Context,
        *,
        latent_dim: int | None = None,
        normalised: bool = True,
        omega_initialiser: str = "identity",
        null_space_correction: bool = False,
    ) -> AbstractAdaptation:
        if not null_space_correction:
            return share(context, _first_omega(context, omega_initialiser, latent_dim, normalised))
        if not context.space.flat:
            raise ValueError("`null_space_correction` needs a flat space: in a curved one, data span no subspace.")
        data = Subspace.spanned_by(context.x, **context.weighting)
        x = context.x.reshape(len(context.x), -1) @ data.basis
        inside = dataclasses.replace(context, x=x, space=Euclidean(data.rank))
        return Chain(data, share(context, _first_omega(inside, omega_initialiser, latent_dim, normalised)))

    return make


omega = linear_maps(lambda context, first: first)
local_omega = linear_maps(lambda context, first: LocalOmega.repeated(first, len(context.prototypes)))
class_omega = linear_maps(lambda context, first: ClassOmega.repeated(first, context.classes))


def projection(
    context: Context, *, omega_dim: int | None = None, normalised: bool = True, omega_initialiser: str = "identity"
) -> AbstractAdaptation:
    # Behind an encoder, whose output the option `latent_dim` measures already.
    return _first_omega(context, omega_initialiser, omega_dim, normalised, "omega_dim")


def _first_omega(
    context: Context, initialiser: str, latent_dim: int | None, normalised: bool, name: str = "latent_dim"
) -> Omega:
    d = context.space.dimension
    if latent_dim is not None and not 1 <= latent_dim <= d:
        raise ValueError(f"`{name}` must lie between 1 and the number of features {d}, got {latent_dim}.")
    if initialiser == "identity":
        return Omega.identity(context.space.dimension, latent_dim, normalised)
    if initialiser not in ("pca", "lda"):
        raise ValueError(f"`omega_initialiser` must be 'identity', 'pca' or 'lda', got {initialiser!r}.")
    if not context.space.flat:
        raise ValueError(f"`omega_initialiser={initialiser!r}` needs a flat space: in a curved one, data span no subspace.")
    x = np.asarray(context.x).reshape(len(context.x), -1)
    if initialiser == "pca":
        return Omega.from_pca(x, latent_dim, normalised, **context.weighting)
    return Omega.from_lda(x, context.y, latent_dim, normalised, **context.weighting)


def tangent(context: Context, *, subspace_dim: int = 2) -> AbstractAdaptation:
    return Tangent.from_data(context.x, context.prototypes, subspace_dim, context.y, **context.weighting)


def gaussian_kernel(inner: Callable) -> Callable:
    """The kernel of another maker's metric; the options are those of that maker."""

    @functools.wraps(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        return GaussianKernel.from_data(inner(context, **options), context.x, context.prototypes, context.y, context.weight)

    return make


def exponential_kernel(context: Context, *, latent_dim: int | None = None) -> AbstractMetric:
    return ExponentialKernel.from_data(context.x, latent_dim, context.weight)


def wasserstein(inner: Callable) -> Callable:
    """Prototypes with variances, which start as those of the classes; the options are those of the inner maker."""

    @functools.wraps(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        x, labels = np.asarray(context.x), context.prototypes.labels
        x = x.reshape(len(x), -1)
        of_class = []
        for k in range(context.classes):
            mine = np.asarray(context.y) == k
            of_class.append(mean_and_variance(x[mine], None if context.weight is None else context.weight[mine])[1])
        variances = np.stack(of_class)[labels]
        # A class of equal samples has no scale of its own; it borrows one from others, or from other features.
        most = variances.max(axis=0, initial=0)
        floor = 1e-6 * np.where(most > 0, most, most.max() or 1.0)
        return Wasserstein(inner(context, **options), jnp.log(np.maximum(variances, floor)))

    return make


def mahalanobis(context: Context, *, covariance: str = "full", regularisation: float | None = None) -> AbstractQuadratic:
    return Mahalanobis.from_data(context.x, context.prototypes, covariance, regularisation, context.weight)


# Losses.


def glvq(
    context: Context, *, transfer: str | Callable = "identity", margin: float = 0.0, steepness: float | None = None
) -> AbstractLoss:
    return GLVQ(transfer, margin, steepness)


def supervised_neural_gas(
    context: Context,
    *,
    transfer: str | Callable = "identity",
    margin: float = 0.0,
    steepness: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    return GLVQ(transfer, margin, steepness, _annealed(context, neighbourhood, final_neighbourhood))


def lvq1(context: Context) -> AbstractLoss:
    return LVQ1()


def lvq21(context: Context, *, window: float = 0.3) -> AbstractLoss:
    return LVQ21(window)


def soft_lvq(context: Context, *, variance: float | AbstractSchedule | None = None) -> AbstractLoss:
    return SoftLVQ(_variance(context) if variance is None else variance)


def rslvq(context: Context, *, variance: float | AbstractSchedule | None = None) -> AbstractLoss:
    return RSLVQ(_variance(context) if variance is None else variance)


def rslvq_neural_gas(
    context: Context,
    *,
    variance: float | AbstractSchedule | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float | None = None,
) -> AbstractLoss:
    # Ranks among all prototypes: a range near zero would leave the nearest one alone, with a posterior of zero or one and
    # no gradient. So the range grows, from a few prototypes to all of them, where the loss is RSLVQ's.
    count = len(context.prototypes)
    start = count / 2 if neighbourhood is None else neighbourhood
    end = 100.0 * count if final_neighbourhood is None else final_neighbourhood
    positive(start, "neighbourhood")
    positive(end, "final_neighbourhood")
    variance = _variance(context) if variance is None else variance
    return RSLVQ(variance, cooperation=RankCooperation(Exponential(start, end)))


def cross_entropy(context: Context, *, temperature: float | None = None) -> AbstractLoss:
    return CrossEntropy(context.scale() if temperature is None else temperature)


def cross_entropy_neural_gas(
    context: Context,
    *,
    temperature: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    cooperation = _annealed(context, neighbourhood, final_neighbourhood)
    return CrossEntropy(context.scale() if temperature is None else temperature, cooperation)


def cbc(context: Context, *, margin: float = 0.3, variance: float | None = None) -> AbstractLoss:
    variance = context.scale() if variance is None else variance
    positive(variance, "variance")
    delta, y, weight, factor = context.distances()
    assert y is not None
    started = CBC.from_data(delta, jnp.asarray(y), context.classes, margin, variance / factor, weight)
    return CBC(started.reasoning, margin, variance)


def nearest_neighbours(context: Context, *, neighbours: int = 5) -> AbstractLoss:
    positive_integer(neighbours, "neighbours")
    if neighbours > len(context.prototypes):
        raise ValueError(f"`neighbours` is {neighbours}, but there are only {len(context.prototypes)} samples.")
    return NearestNeighbours(neighbours)


def classwise_clustering(context: Context) -> AbstractLoss:
    return ClasswiseClustering()


def hard_clustering(context: Context) -> AbstractLoss:
    return HardClustering()


def fuzzy(context: Context, *, fuzzifier: float = 2.0) -> AbstractLoss:
    return Fuzzy(fuzzifier)


def neural_gas(context: Context, *, neighbourhood: float | None = None, final_neighbourhood: float = 0.01) -> AbstractLoss:
    return Cooperative(_annealed(context, neighbourhood, final_neighbourhood))


def mixture(context: Context) -> AbstractLoss:
    return Mixture.uniform(len(context.prototypes))


def _range(context: Context, start: float | None, end: float) -> Exponential:
    """The neighbourhood range, from half the number of rivals to (almost) the winner alone."""
    positive(end, "final_neighbourhood")
    if start is not None:
        positive(start, "neighbourhood")
    return Exponential(max(context.per_class / 2, end) if start is None else start, end)


def _annealed(context: Context, start: float | None, end: float) -> AbstractCooperation:
    return RankCooperation(_range(context, start, end))


def _variance(context: Context) -> float:
    """The variance of a spherical component, by the dissimilarities between samples and their prototypes."""
    return context.scale() / context.space.dimension
