"""Makers: functions from data, and the parts made before, to the next part. Their keyword arguments are a row's options."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._schedules import AbstractSchedule, Exponential
from .._types import Array, ArrayLike, PRNGKeyArray
from ..backbones import CNN, MLP
from ..cooperation import AbstractCooperation, RankCooperation
from ..losses import (
    GLVQ,
    LVQ1,
    LVQ21,
    RSLVQ,
    AbstractLoss,
    CrossEntropy,
    Fuzzy,
    HardClustering,
    Mixture,
    NeuralGas,
    SoftLVQ,
    winners,
)
from ..manifolds import AbstractManifold
from ..metrics import (
    AbstractAdaptation,
    AbstractMetric,
    AbstractQuadratic,
    ClassOmega,
    ExponentialKernel,
    GaussianKernel,
    LocalOmega,
    Mahalanobis,
    Omega,
    Relevance,
    SquaredEuclidean,
    Tangent,
    Wasserstein,
)
from ..prototypes import Prototypes


@dataclasses.dataclass(frozen=True)
class Context:
    """What a maker knows: the samples (where they are compared), their classes, a random key, and the parts made so far."""

    x: Array
    y: Any
    key: PRNGKeyArray
    space: AbstractManifold
    # Set before the makers that need them are called.
    prototypes: Any = None
    metric: Any = None

    def nearest(self) -> Array:
        """The dissimilarity of each sample to the nearest prototype (of its class), in the model's own metric."""
        # A few thousand samples are plenty for a scale.
        step = -(-len(self.x) // 4096)
        x, y = self.x[::step], None if self.y is None else self.y[::step]
        return _nearest(self.metric, self.prototypes, x, y)

    @property
    def per_class(self) -> int:
        """The size of the largest class of prototypes."""
        return int(np.bincount(self.prototypes.labels).max()) if self.prototypes.labelled else len(self.prototypes)


@eqx.filter_jit
def _nearest(metric: AbstractMetric, prototypes: Prototypes, x: Array, y: ArrayLike | None) -> Array:
    delta = metric(x, prototypes)
    return jnp.min(delta, axis=1) if y is None else winners(delta, prototypes.labels, jnp.asarray(y))[0]


# Encoders.


def no_encoder(context: Context) -> Callable:
    return eqx.nn.Identity()


def mlp(
    context: Context, *, hidden: tuple[int, ...] = (32,), latent_dim: int = 2, activation: Callable = jax.nn.tanh
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
    return Prototypes.from_classes(
        context.x, context.y, prototypes_per_class, key=context.key, initialiser=initialiser, space=context.space
    )


def clusters(context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++") -> Prototypes:
    return Prototypes.from_samples(context.x, prototypes, key=context.key, initialiser=initialiser, space=context.space)


# Metrics.


def squared_euclidean(context: Context) -> AbstractAdaptation:
    return SquaredEuclidean()


def relevance(context: Context) -> AbstractAdaptation:
    return Relevance.uniform(context.space.dimension)


def omega(context: Context, *, latent_dim: int | None = None, normalised: bool = True) -> AbstractAdaptation:
    return Omega.identity(context.space.dimension, latent_dim, normalised)


def projection(context: Context, *, omega_dim: int | None = None, normalised: bool = True) -> AbstractAdaptation:
    # Behind an encoder, whose output the option `latent_dim` measures already.
    return Omega.identity(context.space.dimension, omega_dim, normalised)


def local_omega(context: Context, *, latent_dim: int | None = None, normalised: bool = True) -> AbstractAdaptation:
    return LocalOmega.identity(len(context.prototypes), context.space.dimension, latent_dim, normalised)


def class_omega(context: Context, *, latent_dim: int | None = None, normalised: bool = True) -> AbstractAdaptation:
    return ClassOmega.identity(context.prototypes.classes, context.space.dimension, latent_dim, normalised)


def tangent(context: Context, *, subspace_dim: int = 2) -> AbstractAdaptation:
    return Tangent.from_data(context.x, context.prototypes, subspace_dim, context.y)


def gaussian_kernel(inner: Callable) -> Callable:
    """The kernel of another maker's metric; the options are those of that maker."""

    @functools.wraps(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        y = None if context.y is None else jnp.asarray(context.y)
        return GaussianKernel.from_data(inner(context, **options), context.x, context.prototypes, y)

    return make


def exponential_kernel(context: Context, *, latent_dim: int | None = None) -> AbstractMetric:
    return ExponentialKernel.from_data(context.x, latent_dim)


def wasserstein(inner: Callable) -> Callable:
    """Prototypes with variances, which start as those of the classes; the options are those of the inner maker."""

    @functools.wraps(inner)
    def make(context: Context, **options: Any) -> AbstractMetric:
        x, prototypes = np.asarray(context.x), context.prototypes
        variances = np.stack([x[context.y == k].reshape(-1, prototypes.space.dimension).var(0) for k in prototypes.labels])
        floor = 1e-6 * (variances.max() or 1.0)
        return Wasserstein(inner(context, **options), jnp.log(jnp.maximum(variances, floor)))

    return make


def mahalanobis(context: Context, *, covariance: str = "full", regularisation: float | None = None) -> AbstractQuadratic:
    # By default relative to the data, and to the precision in which a covariance will be factorised.
    variance = float(jnp.mean(jnp.var(context.x, axis=0))) or 1.0
    relative = float(jnp.finfo(context.x.dtype).eps) ** 0.5 * variance
    return Mahalanobis.from_data(
        context.x, context.prototypes, covariance, relative if regularisation is None else regularisation
    )


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
    variance = _variance(context) if variance is None else variance
    return RSLVQ(variance, cooperation=RankCooperation(Exponential(start, end)))


def cross_entropy(context: Context, *, temperature: float | None = None) -> AbstractLoss:
    return CrossEntropy(_scale(context) if temperature is None else temperature)


def cross_entropy_neural_gas(
    context: Context,
    *,
    temperature: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    cooperation = _annealed(context, neighbourhood, final_neighbourhood)
    return CrossEntropy(_scale(context) if temperature is None else temperature, cooperation)


def hard_clustering(context: Context) -> AbstractLoss:
    return HardClustering()


def fuzzy(context: Context, *, fuzzifier: float = 2.0) -> AbstractLoss:
    return Fuzzy(fuzzifier)


def neural_gas(context: Context, *, neighbourhood: float | None = None, final_neighbourhood: float = 0.01) -> AbstractLoss:
    return NeuralGas(_range(context, neighbourhood, final_neighbourhood))


def mixture(context: Context) -> AbstractLoss:
    return Mixture.uniform(len(context.prototypes))


def _range(context: Context, start: float | None, end: float) -> Exponential:
    """The neighbourhood range, from half the number of rivals to (almost) the winner alone."""
    return Exponential(max(context.per_class / 2, end) if start is None else start, end)


def _annealed(context: Context, start: float | None, end: float) -> AbstractCooperation:
    return RankCooperation(_range(context, start, end))


def _variance(context: Context) -> float:
    """The variance of a spherical component, by the dissimilarities between samples and their prototypes."""
    return _scale(context) / context.space.dimension


def _scale(context: Context) -> float:
    """The typical dissimilarity between a sample and its prototype; one where all samples are prototypes."""
    scale = float(jnp.mean(context.nearest()))
    return scale if scale > 0 else 1.0
