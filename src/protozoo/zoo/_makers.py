"""Makers: functions from data, and the parts made before, to the next part.

Their keyword arguments are a row's options, which their docstrings explain, one bullet for each:

    - `name`: what it does. Range: the values it may have. Default: in words, where `None` stands
      for it.

`_options.py` reads them, for `help`, for the documentation and for error messages.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from .._checks import (
    here,
    is_dissimilarity_matrix,
    on_device,
    positive_integer,
    refuse_no_dissimilarities,
    refuse_out_of_range,
)
from .._schedules import AbstractSchedule, Exponential, positive
from .._statistics import mean_and_variance
from .._types import Array, PRNGKeyArray
from ..backbones import CNN, MLP, Curved, TangentSpace
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
    NearestNeighbours,
    RobustStableCBC,
    SoftLVQ,
    StableCBC,
)
from ..manifolds import AbstractManifold, AbstractSpectral, Euclidean
from ..metrics import (
    AbstractAdaptation,
    AbstractMetric,
    Chain,
    ClassOmega,
    ExponentialKernel,
    GaussianKernel,
    LocalOmega,
    Omega,
    Precomputed,
    Relevance,
    SpectralRelevance,
    SquaredEuclidean,
    Subspace,
    Tangent,
    TangentExponentialKernel,
    Wasserstein,
)
from ..metrics.internal import displacements_from, factor_of, measured, outputs_of
from ..models.internal import encode_all
from ..prototypes import Prototypes
from ..prototypes.internal import initialise
from ._options import explained_by, summary, with_options_of
from ._starts import STARTS


@dataclasses.dataclass(frozen=True)
class Context:
    """What a maker of a part knows; a maker is a function of it whose keyword arguments are options
    of the row.

    **Arguments:**

    - `x`: the samples, where they are compared.
    - `y`: their classes, or `None`.
    - `key`: a random key.
    - `space`: where the points live.
    - `lattice`, `prototypes`, `metric`: the parts made so far; prototypes where they are compared.
    """

    x: np.ndarray | Array
    y: Any
    key: PRNGKeyArray
    space: AbstractManifold
    #: How many copies of each sample there are, if they are not equally many: positive, float64.
    weight: np.ndarray | None = None
    # Set before the makers that need them are called.
    lattice: Any = None
    prototypes: Any = None
    metric: Any = None

    @property
    def weighting(self) -> dict[str, Any]:
        """The argument by which initialisers are told of weights."""
        return {} if self.weight is None else {"sample_weight": self.weight}

    def distances(self, sharing: Callable | None = None) -> "Distances":
        """The dissimilarities of a few thousand samples, plenty for a scale, in the model's own
        metric; and the shares that `sharing` makes of them."""
        step = -(-len(self.x) // 4096)
        found = measured(self.metric, on_device(self.x[::step]), self.prototypes, sharing)
        y, weight = (None if a is None else np.asarray(a)[::step] for a in (self.y, self.weight))
        delta = np.asarray(found.delta)
        shares = None if found.shares is None else np.asarray(found.shares)
        weight = np.ones(len(delta)) if weight is None else weight
        return Distances(delta, y, weight, factor_of(self.metric, found), shares)

    def scale(self) -> float:
        """The typical dissimilarity between a sample and its prototype; one where all samples are
        prototypes."""
        delta, y, weight, factor, _ = self.distances()
        if y is not None and self.prototypes.labelled:
            delta = np.where(np.equal.outer(y, self.prototypes.labels), delta, np.inf)
        nearest = delta.min(axis=1).astype(float)
        mean = float(np.average(nearest, weights=weight / weight.max()))
        if not mean > 0:
            return 1.0
        refuse_out_of_range(np.atleast_1d(mean * factor), delta.dtype)
        return mean * factor

    @property
    def classes(self) -> int:
        """The number of classes in the data."""
        return int(np.max(self.y)) + 1

    @property
    def per_class(self) -> int:
        """The size of the largest class of prototypes."""
        return (
            int(np.bincount(self.prototypes.labels).max())
            if self.prototypes.labelled
            else len(self.prototypes)
        )


class Distances(NamedTuple):
    """Dissimilarities of some samples, divided by `factor`, and what is known of the samples."""

    delta: np.ndarray
    y: np.ndarray | None
    weight: np.ndarray
    factor: float
    shares: np.ndarray | None


# Encoders.


def no_encoder(context: Context) -> Callable:
    """Samples are compared as they are."""
    return eqx.nn.Identity()


def mlp(
    context: Context,
    *,
    hidden: tuple[int, ...] = (32,),
    latent_dim: int = 16,
    activation: Callable = jax.nn.tanh,
) -> Callable:
    """A multilayer perceptron (`backbones.MLP`).

    - `hidden`: the widths of the hidden layers. Range: each at least 1; `()` for a linear map.
    - `latent_dim`: how many numbers the network makes of a sample. Range: at least 1.
    - `activation`: the elementwise function between layers. Range: any function of an array.
    """
    for size in hidden:
        positive_integer(size, "hidden")
    positive_integer(latent_dim, "latent_dim")
    return MLP(
        (math.prod(context.space.point_shape), *hidden, latent_dim), activation, key=context.key
    )


def cnn(
    context: Context, *, channels: tuple[int, ...] = (16, 32), latent_dim: int = 32, pool: int = 2
) -> Callable:
    """A convolutional network (`backbones.CNN`).

    - `channels`: how many feature maps each stage has. Range: each at least 1; one stage at
      least.
    - `latent_dim`: how many numbers the network makes of an image. Range: at least 1.
    - `pool`: the width of the maximum pooling after each stage. Range: at least 1, which is none.
    """
    if len(context.space.point_shape) != 3:
        raise ValueError(
            "`x` must hold images (n, height, width, channels), got samples of shape "
            f"{context.space.point_shape}; gray images have one channel: `x[..., None]`."
        )
    return CNN(context.space.point_shape, latent_dim, channels, pool=pool, key=context.key)


# Lattices.


def no_lattice(context: Context) -> None:
    """Prototypes have no places but their points."""


def tangent_space(context: Context) -> Callable:
    """Samples by their coordinates about the Fréchet mean of the data
    (`backbones.TangentSpace`)."""
    return TangentSpace.at_mean(context.space, context.x, context.weight)


def geodesic_filter(context: Context, *, filter_dim: int | None = None) -> Callable:
    """Points of the space that differ from the mean in those directions alone that tell classes
    apart: the discriminant directions of the tangent space at the Fréchet mean
    (`backbones.TangentSpace`), and back (`backbones.Curved`).

    - `filter_dim`: how many directions are kept. Range: from 1 to the number of coordinates.
      Default: one less than the number of classes.
    """
    tangents = TangentSpace.at_mean(context.space, context.x, context.weight)
    count = min(context.classes - 1, context.space.dimension) if filter_dim is None else filter_dim
    if not 1 <= count <= context.space.coordinate_size:
        raise ValueError(
            f"`filter_dim` must lie between 1 and {context.space.coordinate_size}, got {count}."
        )
    coordinates = np.asarray(encode_all(tangents, here(context.x)))
    directions = Omega.from_lda(coordinates, context.y, count, **context.weighting).matrix
    basis = np.linalg.qr(np.asarray(directions, np.float64))[0]
    size = len(basis)
    # Of the layer that would be drawn at random, the shape.
    keep = eqx.filter_eval_shape(eqx.nn.Linear, size, size, use_bias=False, key=context.key)
    weight = on_device(basis @ basis.T, coordinates.dtype)
    keep = eqx.tree_at(lambda layer: layer.weight, keep, weight)
    return Curved(eqx.nn.Sequential([eqx.nn.Lambda(tangents), keep]), context.space, tangents.base)


# Prototypes.


def per_class(
    context: Context,
    *,
    prototypes_per_class: int | Mapping[int, int] = 1,
    initialiser: str | Callable = "kmeans++",
) -> Prototypes:
    """Prototypes for each class.

    - `prototypes_per_class`: how many, for all classes or as a dictionary of classes. Range: from
      1 to the number of samples of the class.
    - `initialiser`: where they start: at samples far from each other (`"kmeans++"`, or with more
      care `"greedy kmeans++"`), at the centres
      of k-means (`"kmeans"`) or fuzzy c-means (`"fcm"`), at the mean and near it (`"means"`, or by
      random shares in all samples, `"responsibilities"`), at any samples (`"samples"`), or where a
      function of samples, number, random key and space says. Range: `"kmeans++"`,
      `"greedy kmeans++"`, `"kmeans"`,
      `"fcm"`, `"means"`, `"responsibilities"`, `"samples"` or a function.
    """
    return _chosen(context, prototypes_per_class, initialiser, "prototypes_per_class")


@explained_by(per_class)
def per_class_means(
    context: Context,
    *,
    prototypes_per_class: int | Mapping[int, int] = 1,
    initialiser: str | Callable = "means",
) -> Prototypes:
    """Prototypes for each class, the first one at its mean."""
    return per_class(context, prototypes_per_class=prototypes_per_class, initialiser=initialiser)


@explained_by(per_class)
def per_class_centres(
    context: Context,
    *,
    prototypes_per_class: int | Mapping[int, int] = 1,
    initialiser: str | Callable = "kmeans",
) -> Prototypes:
    """Prototypes for each class, at the centres of its k-means."""
    return per_class(context, prototypes_per_class=prototypes_per_class, initialiser=initialiser)


@explained_by(per_class)
def clusters(
    context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++"
) -> Prototypes:
    """Prototypes without classes.

    - `prototypes`: how many. Range: from 1 to the number of samples.
    """
    return _chosen(context, prototypes, initialiser, "prototypes", labelled=False)


@explained_by(per_class)
def components(
    context: Context, *, components: int | None = None, initialiser: str | Callable = "kmeans++"
) -> Prototypes:
    """Components that belong to no class, and start at as many samples of each as can be.

    - `components`: how many. Range: from 1 to the number of samples. Default: twice the number of
      classes.
    """
    count = 2 * context.classes if components is None else components
    positive_integer(count, "components")
    if count > len(context.x):
        return _chosen(context, count, initialiser, "components", labelled=False)
    # Drawn from all samples, they would leave out a class now and then, which then has nothing to
    # be told by but what it lacks.
    y = np.asarray(context.y)
    dealt = _dealt(count, np.bincount(y))
    there = np.flatnonzero(dealt)
    inside = np.isin(y, there)
    points, _ = initialise(
        np.asarray(context.x)[inside],
        np.searchsorted(there, y[inside]),
        dict(enumerate(dealt[there].tolist())),
        context.key,
        initialiser,
        context.space,
        None if context.weight is None else context.weight[inside],
        "components",
        STARTS,
    )
    return Prototypes(points, None, context.space)


def _dealt(count: int, sizes: np.ndarray) -> np.ndarray:
    """How many of `count` places each class is given: they are dealt in turn to the classes that
    have samples left."""
    sizes = np.minimum(sizes, count)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    rounds = np.concatenate([np.arange(size) for size in sizes])
    first = np.argsort(rounds, kind="stable")[:count]
    return np.bincount(owners[first], minlength=len(sizes))


def _chosen(
    context: Context,
    count: int | Mapping[int, int],
    initialiser: str | Callable,
    name: str,
    labelled: bool = True,
) -> Prototypes:
    """Prototypes for each class, or for all samples; errors know the option by its `name`."""
    x = np.asarray(context.x)
    y = np.asarray(context.y) if labelled else np.zeros(len(x), np.int8)
    points, labels = initialise(
        x, y, count, context.key, initialiser, context.space, context.weight, name, STARTS
    )
    return Prototypes(points, labels if labelled else None, context.space)


def all_samples(context: Context) -> Prototypes:
    """The samples themselves, with their classes."""
    order = np.argsort(context.y, kind="stable")
    if context.weight is not None:
        copies = context.weight.astype(int)
        if (copies != context.weight).any():
            raise ValueError(
                "`sample_weight` must hold integers: neighbours vote by copies, of which there are "
                "no fractions."
            )
        order = np.repeat(order, copies[order])
    return Prototypes(np.asarray(context.x)[order], np.asarray(context.y)[order], context.space)


# Metrics.


def squared_euclidean(context: Context) -> AbstractAdaptation:
    """Squared distances in the space of the points."""
    return SquaredEuclidean()


def euclidean_or_given(context: Context, *, precomputed: bool | None = None) -> AbstractMetric:
    """Squared Euclidean distances of vectors, or dissimilarities as they are given.

    - `precomputed`: whether rows of `x` hold dissimilarities to all samples instead of features.
      Range: `True` or `False`. Default: no, but an error if `x` looks like a matrix of
      dissimilarities.
    """
    if precomputed is None and is_dissimilarity_matrix(context.x):
        raise ValueError(
            "`x` looks like a matrix of dissimilarities between its own samples: pass "
            "`precomputed=True` to take it for one, or `precomputed=False` to take its rows for "
            "vectors."
        )
    if not precomputed:
        return SquaredEuclidean()
    refuse_no_dissimilarities(context.x, own=True)
    return Precomputed()


def relevance(context: Context) -> AbstractAdaptation:
    """A weight for each feature (`metrics.Relevance`), all equal at first."""
    return Relevance.uniform(context.space.coordinate_size)


def omega(
    context: Context,
    *,
    latent_dim: int | None = None,
    normalised: bool = True,
    omega_initialiser: str = "identity",
    null_space_correction: bool = False,
) -> AbstractAdaptation:
    """One projection Ω for all prototypes (`metrics.Omega`).

    - `latent_dim`: how many columns Ω has. Range: from 1 to the number of features (with
      `null_space_correction`, to the rank of the data). Default: as many as there may be.
    - `normalised`: whether the trace of ΩΩᵀ is held at one. Range: `True` or `False`.
    - `omega_initialiser`: where Ω starts: at the identity, at the directions of largest variance,
      or at those that discriminate best between classes. Range: `"identity"`, `"pca"` or `"lda"`.
    - `null_space_correction`: whether Ω sees only the directions in which the data vary. Range:
      `True` or `False`.
    """
    if not null_space_correction:
        return _first_omega(context, omega_initialiser, latent_dim, normalised)
    if not context.space.displacement_is_difference:
        raise ValueError(
            "`null_space_correction` needs a flat space: in a curved one, data span no subspace."
        )
    data = Subspace.spanned_by(context.x, **context.weighting)
    x = context.x.reshape(len(context.x), -1) @ data.basis
    inside = dataclasses.replace(context, x=x, space=Euclidean(data.rank))
    return Chain(data, _first_omega(inside, omega_initialiser, latent_dim, normalised))


@with_options_of(omega)
def local_omega(context: Context, **options: Any) -> AbstractAdaptation:
    """A projection Ω for each prototype (`metrics.LocalOmega`), all equal at first."""
    return _each(
        omega(context, **options), lambda first: LocalOmega.repeated(first, len(context.prototypes))
    )


@with_options_of(omega)
def class_omega(context: Context, **options: Any) -> AbstractAdaptation:
    """A projection Ω for each class (`metrics.ClassOmega`), all equal at first."""
    return _each(
        omega(context, **options), lambda first: ClassOmega.repeated(first, context.classes)
    )


def _each(
    one: AbstractAdaptation, repeated: Callable[[Any], AbstractAdaptation]
) -> AbstractAdaptation:
    """Projections that start as `one`, behind the same projection on the data if there is one."""
    return Chain(one.first, repeated(one.second)) if isinstance(one, Chain) else repeated(one)


@explained_by(omega)
def projection(
    context: Context,
    *,
    omega_dim: int | None = None,
    normalised: bool = True,
    omega_initialiser: str = "identity",
) -> AbstractAdaptation:
    """One projection Ω of what the encoder makes of samples (`metrics.Omega`).

    - `omega_dim`: how many columns Ω has. Range: from 1 to the number of the encoder's outputs.
      Default: as many as there may be.
    """
    # Behind an encoder, whose output the option `latent_dim` measures already.
    return _first_omega(context, omega_initialiser, omega_dim, normalised, "omega_dim")


def _first_omega(
    context: Context,
    initialiser: str,
    latent_dim: int | None,
    normalised: bool,
    name: str = "latent_dim",
) -> Omega:
    d = context.space.coordinate_size
    if latent_dim is not None and not 1 <= latent_dim <= d:
        raise ValueError(
            f"`{name}` must lie between 1 and the number of features {d}, got {latent_dim}."
        )
    if initialiser == "identity":
        return Omega.identity(context.space.coordinate_size, latent_dim, normalised)
    if initialiser not in ("pca", "lda"):
        raise ValueError(
            f"`omega_initialiser` must be 'identity', 'pca' or 'lda', got {initialiser!r}."
        )
    if not context.space.displacement_is_difference:
        raise ValueError(
            f"`omega_initialiser={initialiser!r}` needs a flat space: in a curved one, data span "
            f"no subspace."
        )
    x = np.asarray(context.x).reshape(len(context.x), -1)
    if initialiser == "pca":
        return Omega.from_pca(x, latent_dim, normalised, **context.weighting)
    return Omega.from_lda(x, context.y, latent_dim, normalised, **context.weighting)


def tangent(context: Context, *, subspace_dim: int | None = None) -> AbstractAdaptation:
    """A subspace through each prototype, along which distance does not count (`metrics.Tangent`).

    - `subspace_dim`: the dimension of the subspaces. Range: from 0 to one less than the number of
      features. Default: 2, or as many as there may be.
    """
    if subspace_dim is None:
        subspace_dim = min(2, context.prototypes.space.coordinate_size - 1)
    return Tangent.from_data(
        context.x, context.prototypes, subspace_dim, context.y, **context.weighting
    )


def gaussian_kernel(inner: Callable) -> Callable:
    """A maker of the Gaussian kernel of another maker's metric."""

    @with_options_of(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        return GaussianKernel.from_data(
            inner(context, **options), context.x, context.prototypes, context.y, context.weight
        )

    make.__name__ = f"gaussian_kernel_of_{inner.__name__}"
    make.__doc__ = f"A Gaussian kernel (`metrics.GaussianKernel`), and in it: {summary(inner)}"
    return make


def tangent_exponential_kernel(inner: Callable) -> Callable:
    """A maker of the exponential kernel of another maker's displacements, with one bandwidth."""

    @with_options_of(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        given = context.x, context.prototypes, context.y, context.weight
        kernel = TangentExponentialKernel.from_data(inner(context, **options), *given)
        shared = np.mean(np.asarray(kernel.log_bandwidths, float))
        return TangentExponentialKernel(kernel.metric, on_device(shared, float))

    make.__name__ = f"tangent_exponential_kernel_of_{inner.__name__}"
    make.__doc__ = (
        f"An exponential kernel (`metrics.TangentExponentialKernel`), and in it: {summary(inner)}"
    )
    return make


def then_relevances(inner: Callable) -> Callable:
    """A maker of another maker's adaptation, whose outputs then have relevances."""

    @with_options_of(inner)
    def make(context: Context, **options: Any) -> AbstractAdaptation:
        first = inner(context, **options)
        return Chain(first, Relevance.uniform(outputs_of(first, context.prototypes)))

    make.__name__ = f"{inner.__name__}_then_relevances"
    made = "Relevances (`metrics.Relevance`) of what comes out of another adaptation"
    make.__doc__ = f"{made}: {summary(inner)}"
    return make


def then_projection(inner: Callable) -> Callable:
    """A maker of another maker's adaptation, whose outputs are then projected."""

    def make(
        context: Context, *, kernel_latent_dim: int | None = None, **options: Any
    ) -> AbstractAdaptation:
        first = inner(context, **options)
        size = outputs_of(first, context.prototypes)
        if kernel_latent_dim is not None and not 1 <= kernel_latent_dim <= size:
            raise ValueError(
                f"`kernel_latent_dim` must lie between 1 and {size}, got {kernel_latent_dim}."
            )
        return Chain(first, Omega.identity(size, kernel_latent_dim))

    make.__name__ = f"{inner.__name__}_then_projection"
    made = "A projection (`metrics.Omega`) of what comes out of another adaptation"
    make.__doc__ = f"""{made}: {summary(inner)}

    - `kernel_latent_dim`: how many columns the projection has. Range: from 1 to the number of
      outputs. Default: as many as there may be.
    """
    return with_options_of(inner)(make)


def spectral_relevance(context: Context) -> AbstractMetric:
    """Relevances of principal angles, or of what else no isometry changes
    (`metrics.SpectralRelevance`)."""
    space = context.space
    if not isinstance(space, AbstractSpectral):
        raise ValueError(
            f"`space`: of two points of {space}, there is no number but their distance."
        )
    return SpectralRelevance.uniform(space.rank)


def exponential_kernel(context: Context, *, latent_dim: int | None = None) -> AbstractMetric:
    """The kernel exp(xΛw) with a learned Λ (`metrics.ExponentialKernel`); in a curved space, of
    tangents.

    - `latent_dim`: how many columns its projection has. Range: from 1 to the number of features.
      Default: as many as there may be.
    """
    if not context.space.displacement_is_difference:
        return tangent_exponential_kernel(omega)(context, latent_dim=latent_dim)
    return ExponentialKernel.from_data(context.x, latent_dim, context.weight)


def wasserstein(inner: Callable) -> Callable:
    """A maker of distances between distributions; variances start as those of the classes."""

    @with_options_of(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        x, y, prototypes = np.asarray(context.x), np.asarray(context.y), context.prototypes
        of_each, most = [], int(np.bincount(y).max())
        for j, label in enumerate(prototypes.labels):
            mine = y == label
            weight = None if context.weight is None else context.weight[mine]
            seen = displacements_from(prototypes, j, x[mine], most)
            of_each.append(mean_and_variance(seen, weight)[1])
        variances = np.stack(of_each)
        # A class of equal samples has no scale of its own; it borrows one from others, or from
        # other features.
        largest = variances.max(axis=0, initial=0)
        floor = 1e-6 * np.where(largest > 0, largest, largest.max() or 1.0)
        logarithms = on_device(np.log(np.maximum(variances, floor)), float)
        return Wasserstein(inner(context, **options), logarithms)

    make.__name__ = f"wasserstein_of_{inner.__name__}"
    make.__doc__ = (
        f"Prototypes that have variances (`metrics.Wasserstein`), compared by: {summary(inner)}"
    )
    return make


# Losses.


def glvq(
    context: Context,
    *,
    transfer: str | Callable = "identity",
    margin: float = 0.0,
    steepness: float | None = None,
) -> AbstractLoss:
    """Generalised LVQ (`losses.GLVQ`): a function f of the relative difference of two distances.

    - `transfer`: the function f that makes a loss of the difference. Range: `"identity"`,
      `"sigmoid"`, `"swish"` or a function of difference and steepness.
    - `margin`: what is added to the difference before f. Range: any number; only 0 with the
      identity.
    - `steepness`: how steep f is, unless it is the identity. Range: above 0. Default: 10.
    """
    return GLVQ(transfer, margin, steepness)


@explained_by(glvq)
def supervised_neural_gas(
    context: Context,
    *,
    transfer: str | Callable = "identity",
    margin: float = 0.0,
    steepness: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    """Generalised LVQ (`losses.GLVQ`) of all prototypes of a class, by rank.

    - `neighbourhood`: the range of cooperation in ranks, when training begins. Range: above 0.
      Default: half the number of prototypes that cooperate.
    - `final_neighbourhood`: the range when training ends; near 0, the nearest prototype learns
      alone. Range: above 0.
    """
    return GLVQ(transfer, margin, steepness, _annealed(context, neighbourhood, final_neighbourhood))


def lvq1(context: Context) -> AbstractLoss:
    """Kohonen's first rule (`losses.LVQ1`): the nearest prototype comes nearer or goes away."""
    return LVQ1()


def lvq21(context: Context, *, window: float = 0.3) -> AbstractLoss:
    """Kohonen's rule for two prototypes on both sides of a border (`losses.LVQ21`).

    - `window`: the relative width of the window about the border in which samples count. Range:
      above 0 and at most 1, where all of them count.
    """
    return LVQ21(window)


def soft_lvq(context: Context, *, variance: float | AbstractSchedule | None = None) -> AbstractLoss:
    """Soft LVQ (`losses.SoftLVQ`): the likelihood ratio of right and wrong classes.

    - `variance`: that of the Gaussian about each prototype in squared units of the data, a number
      or a schedule of training progress. Range: above 0. Default: the mean dissimilarity between
      a sample and its prototype, divided by the number of features.
    """
    return SoftLVQ(_variance(context) if variance is None else variance)


@explained_by(soft_lvq)
def rslvq(context: Context, *, variance: float | AbstractSchedule | None = None) -> AbstractLoss:
    """Robust soft LVQ (`losses.RSLVQ`): the posterior of the right class."""
    return RSLVQ(_variance(context) if variance is None else variance)


@explained_by(rslvq)
def rslvq_neural_gas(
    context: Context,
    *,
    variance: float | AbstractSchedule | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float | None = None,
) -> AbstractLoss:
    """Robust soft LVQ (`losses.RSLVQ`) with all prototypes cooperating by rank.

    - `neighbourhood`: the range of cooperation in ranks, when training begins. Range: above 0.
      Default: half the number of prototypes.
    - `final_neighbourhood`: the range when training ends; it grows until all count alike. Range:
      above 0. Default: a hundred times the number of prototypes.
    """
    # Ranks among all prototypes: a range near zero would leave the nearest one alone, with a
    # posterior of zero or one and no gradient. So the range grows, from a few prototypes to all of
    # them, where the loss is RSLVQ's.
    count = len(context.prototypes)
    start = count / 2 if neighbourhood is None else neighbourhood
    end = 100.0 * count if final_neighbourhood is None else final_neighbourhood
    positive(start, "neighbourhood")
    positive(end, "final_neighbourhood")
    variance = _variance(context) if variance is None else variance
    return RSLVQ(variance, cooperation=RankCooperation(Exponential(start, end)))


def cross_entropy(context: Context, *, temperature: float | None = None) -> AbstractLoss:
    """Cross-entropy of the classes' nearest prototypes (`losses.CrossEntropy`).

    - `temperature`: what dissimilarities are divided by. Range: above 0. Default: the mean
      dissimilarity between a sample and its prototype.
    """
    return CrossEntropy(context.scale() if temperature is None else temperature)


@explained_by(cross_entropy, supervised_neural_gas)
def cross_entropy_neural_gas(
    context: Context,
    *,
    temperature: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    """Cross-entropy (`losses.CrossEntropy`) of all prototypes of a class, by rank."""
    cooperation = _annealed(context, neighbourhood, final_neighbourhood)
    return CrossEntropy(context.scale() if temperature is None else temperature, cooperation)


def cbc(context: Context, *, margin: float = 0.3, variance: float | None = None) -> AbstractLoss:
    """Classification by components (`losses.CBC`).

    - `margin`: by how much the right class should be more probable than others. Range: from 0 to
      1.
    - `variance`: of the Gaussian by which a component is detected, in the units of
      dissimilarities. Range: above 0. Default: the mean dissimilarity between a sample and its
      nearest component.
    """
    variance = context.scale() if variance is None else variance
    positive(variance, "variance")
    return CBC(_reasons(context, CBC, margin, variance).reasoning, margin, variance)


def stable_cbc(
    context: Context, *, margin: float = 0.3, bandwidth: float | None = None
) -> AbstractLoss:
    """Classification by components with stable reasons (`losses.StableCBC`).

    - `margin`: by how much the right class should be more probable than others. Range: from 0 to
      1.
    - `bandwidth`: at which distance a component is detected with probability 1/e, in the units of
      distances. Range: above 0. Default: the root of the mean dissimilarity between a sample and
      its nearest component.
    """
    return _stable(context, StableCBC, margin, bandwidth)


@explained_by(stable_cbc)
def robust_stable_cbc(
    context: Context, *, margin: float | None = None, bandwidth: float | None = None
) -> AbstractLoss:
    """Classification by components with large radii (`losses.RobustStableCBC`).

    - `margin`: the radius within which no change of a sample should change its class, in the units
      of distances. Range: above 0. Default: half the root of the mean dissimilarity between a
      sample and its nearest component.
    """
    margin = 0.5 * math.sqrt(context.scale()) if margin is None else margin
    return _stable(context, RobustStableCBC, margin, bandwidth)


def _stable(context: Context, loss: Any, margin: float, bandwidth: float | None) -> AbstractLoss:
    bandwidth = math.sqrt(context.scale()) if bandwidth is None else bandwidth
    positive(bandwidth, "bandwidth")
    reasons = _reasons(context, loss, margin, bandwidth, 0.5).log_reasoning
    return loss(reasons, margin, bandwidth)


def _reasons(context: Context, loss: Any, margin: float, width: float, power: float = 1.0) -> Any:
    """What classes make of components at first, which has no unit: found in units of which numbers
    are neither large nor small, as `width` is in their `power`."""
    delta, y, weight, factor, _ = context.distances()
    assert y is not None
    share = None if weight is None else weight / weight.max()
    given = on_device(delta), on_device(y), context.classes, margin, width / factor**power, share
    return eqx.filter_jit(loss.from_data)(*given)


def nearest_neighbours(context: Context, *, neighbours: int = 5) -> AbstractLoss:
    """A vote of neighbours (`losses.NearestNeighbours`).

    - `neighbours`: how many vote. Range: from 1 to the number of samples.
    """
    positive_integer(neighbours, "neighbours")
    if neighbours > len(context.prototypes):
        raise ValueError(
            f"`neighbours` is {neighbours}, but there are only {len(context.prototypes)} samples."
        )
    return NearestNeighbours(neighbours)


def classwise_clustering(context: Context) -> AbstractLoss:
    """The distance to the nearest prototype of the own class (`losses.ClasswiseClustering`)."""
    return ClasswiseClustering()


@explained_by(supervised_neural_gas)
def neural_gas(
    context: Context, *, neighbourhood: float | None = None, final_neighbourhood: float = 0.01
) -> AbstractLoss:
    """Neural gas (`losses.Cooperative`)."""
    return Cooperative(_annealed(context, neighbourhood, final_neighbourhood))


def _range(context: Context, start: float | None, end: float) -> Exponential:
    """The neighbourhood range, from half the number of rivals to (almost) the winner alone."""
    positive(end, "final_neighbourhood")
    if start is not None:
        positive(start, "neighbourhood")
    return Exponential(max(context.per_class / 2, end) if start is None else start, end)


def _annealed(context: Context, start: float | None, end: float) -> AbstractCooperation:
    return RankCooperation(_range(context, start, end))


def _variance(context: Context) -> float:
    """The variance of a spherical component, by the dissimilarities between samples and their
    prototypes."""
    return context.scale() / context.space.dimension
