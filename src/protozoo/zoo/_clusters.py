"""Makers of what clusters and mixtures are made of."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks import as_finite, on_device, refuse_out_of_range
from .._schedules import Exponential, positive, within
from .._statistics import mean_and_variance, weighted_median
from .._types import Array, ArrayLike, Float
from ..cooperation import GradedShares
from ..losses import (
    AbstractLoss,
    AbstractRadial,
    Cauchy,
    Columnwise,
    Cooperative,
    Fuzzy,
    HardClustering,
    Mixture,
    Possibilistic,
    Saturated,
    Sum,
    Welsch,
)
from ..metrics import (
    AbstractMetric,
    AbstractQuadratic,
    GaussianKernel,
    Mahalanobis,
    SquaredEuclidean,
)
from ..metrics.internal import Cells
from ..prototypes import Prototypes
from ._makers import Context, clusters
from ._options import explained_by
from ._starts import STARTS


#: Starts that may be told the units of features.
_IN_UNITS = ("kmeans++", "greedy kmeans++", "kmeans")


# Prototypes.


@explained_by(clusters)
def centres_of_fcm(
    context: Context, *, prototypes: int = 3, initialiser: str | Callable = "fcm"
) -> Prototypes:
    """Prototypes without classes, first where fuzzy c-means leaves them."""
    return clusters(context, prototypes=prototypes, initialiser=initialiser)


@explained_by(clusters)
def well_separated(
    context: Context, *, prototypes: int = 3, initialiser: str | Callable = "greedy kmeans++"
) -> Prototypes:
    """Prototypes without classes, far from each other."""
    return clusters(context, prototypes=prototypes, initialiser=initialiser)


@explained_by(clusters)
def gaussian_components(
    context: Context,
    *,
    prototypes: int | None = None,
    initialiser: str | Callable | None = None,
    means: ArrayLike | None = None,
) -> Prototypes:
    """Means of the components.

    - `prototypes`: how many. Range: from 1 to the number of samples. Default: 3, or as many as
      `means`.
    - `initialiser`: where they start, as for other rows. Range: `"kmeans"`, `"kmeans++"`,
      `"greedy kmeans++"`, `"fcm"`, `"means"`, `"responsibilities"`, `"samples"` or a function.
      Default: the centres of k-means, if there are no `means`.
    - `means`: where they start, `(p, d)`, in place of the two options before. Range: any points.
      Default: where `initialiser` says.
    """
    if means is not None:
        if prototypes is not None or initialiser is not None:
            raise ValueError(
                "`means` says how many components there are, and where: leave out `prototypes` and "
                "`initialiser`."
            )
        points = np.asarray(as_finite(means, Any, "means"))
        if points.shape[1:] != context.space.point_shape:
            raise ValueError(
                f"`means` must have shape (p, *{context.space.point_shape}), got {points.shape}."
            )
        return Prototypes(points, None, context.space)
    start = "kmeans" if initialiser is None else initialiser
    if isinstance(start, str) and start in _IN_UNITS and context.space.displacement_is_difference:
        # Features count alike, as they do for components.
        start = functools.partial(STARTS[start], units=_units(context))
    return clusters(context, prototypes=3 if prototypes is None else prototypes, initialiser=start)


def _units(context: Context) -> Float[np.ndarray, "..."]:
    """A unit for each feature: its standard deviation, one if it does not vary."""
    deviations = np.sqrt(mean_and_variance(np.asarray(context.x), context.weight)[1])
    return np.where(deviations > 0, deviations, 1)


# Metrics.


def kernel(context: Context, *, bandwidth: float | None = None) -> AbstractMetric:
    """Squared distances in the feature space of a Gaussian kernel (`metrics.GaussianKernel`).

    - `bandwidth`: σ of the kernel, in units of the data. Range: above 0. Default: the median
      distance between samples and prototypes.
    """
    if bandwidth is None:
        bandwidth = _median_distance(context)
    return GaussianKernel.with_bandwidths(SquaredEuclidean(), bandwidth)


def _median_distance(context: Context) -> float:
    found = dataclasses.replace(context, metric=SquaredEuclidean()).distances()
    roots, columns = np.sqrt(np.asarray(found.delta, float)).ravel(), found.delta.shape[1]
    median = weighted_median(roots, np.repeat(found.weight, columns)) * np.sqrt(found.factor)
    return float(median) if median > 0 else 1.0


def mahalanobis(
    context: Context,
    *,
    covariance: str = "full",
    regularisation: float | None = None,
    covariances: ArrayLike | None = None,
) -> AbstractQuadratic:
    """A Gaussian density about each prototype (`metrics.Mahalanobis`).

    - `covariance`: whether features covary, by a matrix of each component or of all of them, or
      only vary, each feature by itself or all alike. Range: `"full"`, `"tied"`, `"diagonal"` or
      `"spherical"`.
    - `regularisation`: what is added to every variance, in squared units of the data. Range: not
      negative. Default: a millionth of each feature's variance near a prototype.
    - `covariances`: where the covariances start, in the form of `covariance`: `(p, d, d)`,
      `(d, d)`, `(p, d)` or `(p,)`. Range: positive definite. Default: those of the samples that are
      nearest to a mean.
    """
    started = _of_data(context, covariance, regularisation, "density")
    if covariances is None:
        return started
    given = np.asarray(as_finite(covariances, Any, "covariances"))
    wanted = started.covariances.shape
    if given.shape != wanted:
        raise ValueError(
            f"`covariances` must have shape {wanted} for {covariance!r} covariances, got "
            f"{given.shape}."
        )
    return Mahalanobis.from_covariances(given, started.regularisation, tied=covariance == "tied")


def volumes(
    context: Context, *, covariance: str = "full", regularisation: float | None = None
) -> AbstractQuadratic:
    """A covariance of each cluster, of which only the shape counts (`metrics.Mahalanobis`).

    - `covariance`: whether features covary, or only vary. Range: `"full"` or `"diagonal"`.
    - `regularisation`: what is added to every variance, in squared units of the data. Range: not
      negative. Default: a millionth of each feature's variance near a prototype.
    """
    if covariance not in ("full", "diagonal"):
        raise ValueError(f"`covariance` must be 'full' or 'diagonal', got {covariance!r}.")
    return _of_data(context, covariance, regularisation, "volume")


def _of_data(
    context: Context, covariance: str, regularisation: Any, normalisation: str
) -> Mahalanobis:
    return Mahalanobis.from_data(
        context.x,
        context.prototypes,
        covariance,
        regularisation,
        context.weight,
        of_nearest=True,
        normalisation=normalisation,
    )


# Losses.


def hard_clustering(context: Context) -> AbstractLoss:
    """k-means (`losses.HardClustering`)."""
    return HardClustering()


def fuzzy(context: Context, *, fuzzifier: float = 2.0) -> AbstractLoss:
    """Fuzzy c-means (`losses.Fuzzy`).

    - `fuzzifier`: how much clusters overlap; near 1, hardly. Range: above 1.
    """
    return Fuzzy(fuzzifier)


def possibilistic(
    context: Context, *, exponent: float = 2.0, bandwidth_factor: float = 1.0
) -> AbstractLoss:
    """Possibilistic c-means (`losses.Possibilistic`): prototypes that do not compete.

    - `exponent`: how slowly typicality falls; near 1, samples are typical or not. Range: above 1.
    - `bandwidth_factor`: the dissimilarity at which a sample is half typical, in mean
      dissimilarities of a cluster's samples, found by fuzzy memberships. Range: above 0.
    """
    bandwidths = _bandwidths(context, 2.0, bandwidth_factor)
    return Possibilistic(Cauchy(bandwidths, exponent, bandwidth_factor))


@explained_by(fuzzy)
def fuzzy_columnwise(
    context: Context,
    *,
    fuzzifier: float = 2.0,
    exponent: float = 2.0,
    typicality_weight: float | None = None,
) -> AbstractLoss:
    """Memberships, and typicalities for which samples compete (`losses.Fuzzy` and
    `losses.Columnwise`).

    - `exponent`: how much samples share a prototype. Range: above 1.
    - `typicality_weight`: how much typicalities count that have a mean of one. Range: not negative.
      Default: as published, where they sum to one over n samples: n to the power of minus
      `exponent`, which is next to nothing.
    """
    within(0.0 if typicality_weight is None else typicality_weight, "typicality_weight", "[0, inf)")
    typicalities = Columnwise(exponent)
    n = len(context.x) if context.weight is None else context.weight.sum()
    # In floats, where no power takes forever.
    published = float(n) ** -float(typicalities.exponent)
    weight = published if typicality_weight is None else typicality_weight
    return Sum((1.0, Fuzzy(fuzzifier)), (weight, typicalities))


@explained_by(fuzzy, possibilistic)
def fuzzy_possibilistic(
    context: Context,
    *,
    fuzzifier: float = 2.0,
    exponent: float = 2.0,
    membership_weight: float = 1.0,
    typicality_weight: float = 1.0,
    bandwidth_factor: float = 1.0,
) -> AbstractLoss:
    """Memberships and typicalities (`losses.Fuzzy` and `losses.Possibilistic`).

    - `membership_weight`: how much memberships count. Range: not negative.
    - `typicality_weight`: how much typicalities count. Range: above 0.
    """
    gamma, factor = _shared_bandwidths(
        context, fuzzifier, membership_weight, typicality_weight, bandwidth_factor
    )
    return _both(fuzzifier, membership_weight, typicality_weight, Cauchy(gamma, exponent, factor))


@explained_by(fuzzy_possibilistic)
def fuzzy_exponential(
    context: Context,
    *,
    fuzzifier: float = 2.0,
    membership_weight: float = 1.0,
    typicality_weight: float = 1.0,
    bandwidth_factor: float = 1.0,
) -> AbstractLoss:
    """Memberships, and typicalities that fall exponentially (`losses.Fuzzy` and
    `losses.Possibilistic`)."""
    gamma, factor = _shared_bandwidths(
        context, fuzzifier, membership_weight, typicality_weight, bandwidth_factor
    )
    return _both(fuzzifier, membership_weight, typicality_weight, Welsch(gamma, factor))


def _shared_bandwidths(
    context: Context, fuzzifier: float, of_memberships: float, of_typicalities: float, factor: float
) -> tuple[Float[Array, " p"], float]:
    """Bandwidths, and their factor, of typicalities that are multiplied by b: published ones have b
    inside, as \\(\\rho(b\\delta; \\gamma) = b\\,\\rho(\\delta; \\gamma/b)\\)."""
    within(of_memberships, "membership_weight", "[0, inf)")
    positive(of_typicalities, "typicality_weight")
    gamma = np.asarray(_bandwidths(context, fuzzifier, factor)) / of_typicalities
    return on_device(gamma), factor / of_typicalities


def _both(
    fuzzifier: float, of_memberships: float, of_typicalities: float, radial: AbstractRadial
) -> AbstractLoss:
    return Sum((of_memberships, Fuzzy(fuzzifier)), (of_typicalities, Possibilistic(radial)))


@explained_by(fuzzy, possibilistic)
def improved_possibilistic(
    context: Context,
    *,
    fuzzifier: float = 2.0,
    exponent: float = 2.0,
    bandwidth_factor: float = 1.0,
) -> AbstractLoss:
    """Memberships by dissimilarities that saturate (`losses.Saturated`), like those of Cauchy."""
    bandwidths = _bandwidths(context, fuzzifier, bandwidth_factor)
    return Saturated(Cauchy(bandwidths, exponent, bandwidth_factor), Fuzzy(fuzzifier))


@explained_by(fuzzy, possibilistic)
def improved_exponential(
    context: Context, *, fuzzifier: float = 2.0, bandwidth_factor: float = 1.0
) -> AbstractLoss:
    """Memberships by dissimilarities that saturate (`losses.Saturated`) exponentially."""
    bandwidths = _bandwidths(context, fuzzifier, bandwidth_factor)
    return Saturated(Welsch(bandwidths, bandwidth_factor), Fuzzy(fuzzifier))


def graded(
    context: Context,
    *,
    width: float | None = None,
    final_width: float | None = None,
    final_grade: float = 0.5,
) -> AbstractLoss:
    """Prototypes that compete at first, and hardly in the end (`losses.Cooperative` by
    `GradedShares`).

    - `width`: the dissimilarity at which a share falls to 1/e, when training begins. Range: above
      0. Default: four times the mean dissimilarity between a sample and its prototype.
    - `final_width`: the same when training ends. Range: above 0. Default: that mean dissimilarity.
    - `final_grade`: how much prototypes compete when training ends: 1 for all, near 0 for not at
      all. Range: above 0 and at most 1.
    """
    for name, value in (("width", width), ("final_width", final_width)):
        if value is not None:
            positive(value, name)
    within(final_grade, "final_grade", "(0, 1]")
    scale = context.scale() if width is None or final_width is None else 1.0
    widths = Exponential(
        4 * scale if width is None else width, scale if final_width is None else final_width
    )
    return Cooperative(GradedShares(Exponential(1.0, final_grade), widths))


def mixture(context: Context, *, weights: ArrayLike | None = None) -> AbstractLoss:
    """A mixture of components (`losses.Mixture`).

    - `weights`: where the mixing weights start, `(p,)`. Range: not negative, and not all zero.
      Default: the shares of the samples that are nearest to each mean.
    """
    return _mixture(context, weights, None)


@explained_by(mixture)
def fuzzy_mixture(
    context: Context, *, fuzzifier: float = 2.0, weights: ArrayLike | None = None
) -> AbstractLoss:
    """Fuzzy maximum likelihood estimates (`losses.Mixture`).

    - `fuzzifier`: how much clusters overlap; near 1, hardly. Range: above 1.
    """
    return _mixture(context, weights, fuzzifier)


def _mixture(context: Context, weights: ArrayLike | None, fuzzifier: float | None) -> AbstractLoss:
    count = len(context.prototypes)
    given = _shares(context) if weights is None else np.asarray(as_finite(weights, Any, "weights"))
    if given.shape != (count,):
        raise ValueError(f"`weights` must have shape ({count},), got {given.shape}.")
    return Mixture.from_weights(given, fuzzifier)


def _shares(context: Context) -> Float[np.ndarray, " p"]:
    """The shares of the samples that are nearest to each prototype, features counting alike; none
    of them zero."""
    x = np.asarray(context.x).reshape(len(context.x), -1)
    points = np.asarray(context.prototypes.points, float).reshape(len(context.prototypes), -1)
    share = Cells.of(x, points, _units(context).ravel(), context.weight, matrices=False).share
    return np.maximum(share, 1e-3 / len(points))


def _bandwidths(context: Context, fuzzifier: float, factor: float) -> Float[Array, " p"]:
    """The mean dissimilarity of each prototype's samples by fuzzy memberships, times `factor`."""
    positive(fuzzifier, "fuzzifier", above=1.0)
    positive(factor, "bandwidth_factor")
    delta, _, weight, unit, shares = context.distances(Fuzzy(fuzzifier).memberships)
    share = np.asarray(shares, float) ** fuzzifier * weight[:, None]
    mean = (share * np.asarray(delta, float)).sum(axis=0) / np.maximum(
        share.sum(axis=0), np.finfo(float).tiny
    )
    # A prototype on which all of its samples lie borrows the typical extent; where none has any, it
    # is one.
    typical = mean.max() if mean.max() > 0 else 1.0
    found = np.where(mean > 1e-6 * typical, mean, typical) * unit
    refuse_out_of_range(found, delta.dtype)
    return on_device(factor * found, float)
