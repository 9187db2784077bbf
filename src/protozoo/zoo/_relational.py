"""Models of samples of which nothing is known but how much they differ: prototypes are mixtures of
samples."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._checks import here
from .._schedules import AbstractSchedule
from .._sources import (
    COTTRELL_2006,
    HAMMER_2010,
    HAMMER_2014,
    HATHAWAY_1989,
    QIN_2004,
    SATO_1995,
    SEO_2003,
    Source,
)
from .._types import Float, PRNGKeyArray
from ..backbones import KernelDistances
from ..losses import RSLVQ, AbstractLoss
from ..manifolds import AbstractManifold, Simplex
from ..metrics import Relational
from ..prototypes import Prototypes
from ..prototypes.internal import INITIALISERS, generator, initialise
from ..training import AlternatingOptimization, GradientDescent, Stopping, Trainer
from ._clusters import fuzzy, hard_clustering
from ._makers import Context, clusters, glvq, neural_gas, no_encoder, per_class, rslvq
from ._options import explained_by
from ._recipe import Recipe


# Makers.


def kernel_distances(context: Context) -> Callable:
    """Rows of a normalised kernel as squared distances (`backbones.KernelDistances`)."""
    x = np.asarray(context.x)
    most = x.max(axis=1)
    if not most.min() > 0 or np.ptp(most) > 1e-5 * most.max():
        raise ValueError(
            "`x` must hold the values of a normalised kernel, of which a sample has the largest "
            "with itself, always the same; the largest values of rows are from "
            f"{most.min():.4g} to {most.max():.4g}. Take k_ij / sqrt(k_ii k_jj), or `RGLVQ` of "
            "`metrics.dissimilarities_of(k)`."
        )
    return KernelDistances(most.min())


def _distant(
    dissimilarities: Float[np.ndarray, "N N"],
    x: Float[np.ndarray, "n N"],
    count: int,
    key: PRNGKeyArray,
    space: AbstractManifold,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "p N"]:
    """D² seeding by the dissimilarities themselves, of samples as corners of the simplex."""
    random, who = generator(key), x.argmax(axis=1)
    share = np.ones(len(x)) if weight is None else weight / weight.max()
    nearest, mass, chosen = np.full(len(x), np.inf), share, []
    for _ in range(count):
        mass = mass if mass.any() else share
        chosen.append(random.choice(len(x), p=mass / mass.sum()))
        # Below zero, a sample is nearer than any other can be.
        far = np.maximum(dissimilarities[who[chosen[-1]], who].astype(float), 0)
        nearest = np.minimum(nearest, far)
        mass = share * nearest
    return x[chosen]


def _mixtures(
    context: Context, count: int | Mapping[int, int], initialiser: str | Callable, name: str
) -> Prototypes:
    """Mixtures of samples, for each class if `name` says so."""
    reference = Relational.from_rows(context.x)
    corners = np.asarray(reference.places(here(context.x)))
    labelled = name == "prototypes_per_class"
    y = np.asarray(context.y) if labelled else np.zeros(len(corners), np.int8)
    known = {name: INITIALISERS[name] for name in ("means", "samples")}
    known["kmeans++"] = functools.partial(_distant, np.asarray(reference.dissimilarities))
    space = Simplex(corners.shape[1])
    points, labels = initialise(
        corners, y, count, context.key, initialiser, space, context.weight, name, known
    )
    return Prototypes(points, labels if labelled else None, space)


@explained_by(per_class)
def mixtures_per_class(
    context: Context,
    *,
    prototypes_per_class: int | Mapping[int, int] = 1,
    initialiser: str | Callable = "means",
) -> Prototypes:
    """Mixtures of samples for each class (points of `manifolds.Simplex`).

    - `initialiser`: where they start: the first one at the mean of its class and others near it
      (`"means"`), at samples far from each other (`"kmeans++"`), at any samples (`"samples"`), or
      where a function of samples (as corners of the simplex), number, random key and space says.
      Range: `"means"`, `"kmeans++"`, `"samples"` or a function.
    """
    return _mixtures(context, prototypes_per_class, initialiser, "prototypes_per_class")


@explained_by(mixtures_per_class, clusters)
def mixtures(
    context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++"
) -> Prototypes:
    """Mixtures of samples without classes (points of `manifolds.Simplex`)."""
    return _mixtures(context, prototypes, initialiser, "prototypes")


def relational(context: Context) -> Relational:
    """Dissimilarities of samples and mixtures of samples (`metrics.Relational`)."""
    return Relational.from_rows(context.x)


@explained_by(rslvq)
def relational_rslvq(
    context: Context, *, variance: float | AbstractSchedule | None = None
) -> AbstractLoss:
    """Robust soft LVQ (`losses.RSLVQ`): the posterior of the right class.

    - `variance`: that of the Gaussian about each prototype in units of dissimilarities, a number or
      a schedule of training progress. Range: above 0. Default: half the mean dissimilarity between
      a sample and its prototype, as in two dimensions.
    """
    return RSLVQ(context.scale() / 2 if variance is None else variance)


# Rows.


def _row(
    name: str, sources: list[Source], loss: Callable, training: Callable, **parts: Any
) -> Recipe:
    parts = {"prototypes": mixtures_per_class, "encoder": no_encoder, **parts}
    parts = {"metric": relational, "loss": loss, "training": training, **parts}
    return Recipe(name, tuple(sources), pairwise=True, **parts)


def _clustering(
    name: str,
    sources: list[Source],
    loss: Callable,
    tolerance: float | None = 0.0,
    reseed: bool = False,
    **parts: Any,
) -> Recipe:
    def training() -> Trainer:
        rule = AlternatingOptimization(reseed=reseed)
        return Trainer(rule, 100, stopping=Stopping(tolerance=tolerance))

    parts = {"prototypes": mixtures, "supervised": False, **parts}
    return _row(name, sources, loss, training, **parts)


def _descent() -> Trainer:
    """Along the gradient itself: a step by the signs of its entries, as Adam's is, would be no
    descent after its projection on the simplex. Both losses have no unit, and so has the rate."""
    return Trainer(GradientDescent("sgd", 0.1), 300)


RGLVQ = _row("RGLVQ", [HAMMER_2014, SATO_1995], glvq, _descent)
RRSLVQ = _row("RRSLVQ", [HAMMER_2014, SEO_2003], relational_rslvq, _descent)
KGLVQ = _row("KGLVQ", [QIN_2004, HAMMER_2014], glvq, _descent, encoder=kernel_distances)

RelationalKMeans = _clustering(
    "RelationalKMeans", [HATHAWAY_1989], hard_clustering, reseed=True, restarts=10
)
RelationalFCM = _clustering("RelationalFCM", [HATHAWAY_1989], fuzzy)
# The neighbourhood shrinks over all epochs.
RelationalNeuralGas = _clustering(
    "RelationalNeuralGas", [HAMMER_2010, COTTRELL_2006], neural_gas, tolerance=None
)
