"""Makers: functions from data, and the parts made before, to the next part. Their keyword arguments are a row's options."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._schedules import Exponential
from .._types import Array, ArrayLike, PRNGKeyArray
from ..backbones import MLP
from ..cooperation import AbstractCooperation, RankCooperation, WinnerTakesAll
from ..losses import (
    GLVQ,
    RSLVQ,
    AbstractLoss,
    CrossEntropy,
    Fuzzy,
    HardClustering,
    Mixture,
    NeuralGas,
    winners,
)
from ..manifolds import AbstractManifold
from ..metrics import (
    AbstractMetric,
    AbstractQuadratic,
    GaussianKernel,
    LocalOmega,
    Mahalanobis,
    Omega,
    Relevance,
    SquaredEuclidean,
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


def squared_euclidean(context: Context) -> AbstractQuadratic:
    return SquaredEuclidean()


def relevance(context: Context) -> AbstractQuadratic:
    return Relevance.uniform(context.space.dimension)


def omega(context: Context, *, latent_dim: int | None = None) -> AbstractQuadratic:
    return Omega.identity(context.space.dimension, latent_dim)


def local_omega(context: Context, *, latent_dim: int | None = None) -> AbstractQuadratic:
    return LocalOmega.identity(len(context.prototypes), context.space.dimension, latent_dim)


def gaussian_kernel(context: Context) -> AbstractQuadratic:
    y = None if context.y is None else jnp.asarray(context.y)
    return GaussianKernel.from_data(SquaredEuclidean(), context.x, context.prototypes, y)


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


def rslvq(context: Context, *, variance: float | None = None) -> AbstractLoss:
    if variance is None:
        variance = _scale(context) / context.space.dimension
    return RSLVQ(variance)


def cross_entropy(context: Context, *, temperature: float | None = None) -> AbstractLoss:
    return CrossEntropy(_scale(context) if temperature is None else temperature, WinnerTakesAll())


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


def _scale(context: Context) -> float:
    """The typical dissimilarity between a sample and its prototype; one where all samples are prototypes."""
    scale = float(jnp.mean(context.nearest()))
    return scale if scale > 0 else 1.0
