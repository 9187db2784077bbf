"""One class: targets are told from everything else, by radii that start from the targets in the
assembled model's metric."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from .._checks import on_device
from .._schedules import AbstractSchedule, positive
from .._sources import (
    HAMMER_2002,
    HAMMER_2005,
    LLOYD_1982,
    SARALAJEW_2016,
    SATO_1995,
    SCHNEIDER_2009,
    SEO_2003,
    STAPS_2022,
    TAX_2004,
    VILLMANN_2015,
    Source,
)
from ..cooperation import (
    AbstractCooperation,
    EqualShares,
    GaussianShares,
    ProductOfShares,
    StudentShares,
    WinnerTakesAll,
)
from ..losses import (
    SVQOCC as SVQOCCLoss,
    AbstractLoss,
    ContrastiveSVQOCC,
    DataDescription,
    OneClass,
    Radii,
    RejectedShare,
)
from ..prototypes import Prototypes
from ..training import Trainer
from ._makers import (
    Context,
    _annealed,
    _chosen,
    clusters,
    exponential_kernel,
    gaussian_kernel,
    glvq,
    local_omega,
    omega,
    per_class,
    relevance,
    rslvq,
    squared_euclidean,
    supervised_neural_gas,
    tangent,
)
from ._options import explained_by
from ._recipe import Recipe
from ._supervised import adam


@explained_by(clusters, per_class)
def target_prototypes(
    context: Context, *, prototypes: int = 3, initialiser: str | Callable = "kmeans++"
) -> Prototypes:
    """Prototypes for the targets; nothing stands for the others."""
    return _chosen(_targets(context), {0: prototypes}, initialiser, "prototypes")


@explained_by(glvq)
def one_class(
    context: Context,
    *,
    transfer: str | Callable = "sigmoid",
    margin: float = 0.0,
    steepness: float | None = None,
    rejected: float | None = None,
) -> AbstractLoss:
    """GLVQ of one class (`losses.OneClass`): each prototype sees as far as its radius.

    - `rejected`: the share of targets that is to be rejected; radii are then quantiles of the
      targets, and outliers move everything else. Range: between 0 and 1. Default: radii are learned
      from outliers; where there are none, 0.05.
    """
    return _one_class(
        context, WinnerTakesAll(), WinnerTakesAll(), transfer, margin, steepness, rejected
    )


@explained_by(one_class, supervised_neural_gas)
def one_class_neural_gas(
    context: Context,
    *,
    transfer: str | Callable = "sigmoid",
    margin: float = 0.0,
    steepness: float | None = None,
    rejected: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    """GLVQ of one class (`losses.OneClass`) of all prototypes by rank; the nearest one decides."""
    ranks = _annealed(context, neighbourhood, final_neighbourhood)
    return _one_class(context, ranks, WinnerTakesAll(), transfer, margin, steepness, rejected)


@explained_by(one_class, rslvq)
def one_class_soft(
    context: Context,
    *,
    variance: float | AbstractSchedule | None = None,
    transfer: str | Callable = "sigmoid",
    margin: float = 0.0,
    steepness: float | None = None,
    rejected: float | None = None,
) -> AbstractLoss:
    """GLVQ of one class (`losses.OneClass`); prototypes answer with the posteriors of Gaussians, in
    scoring as well."""
    soft = _gaussian(context, variance)
    return _one_class(context, soft, soft, transfer, margin, steepness, rejected)


@explained_by(one_class_soft, supervised_neural_gas)
def one_class_soft_neural_gas(
    context: Context,
    *,
    variance: float | AbstractSchedule | None = None,
    transfer: str | Callable = "sigmoid",
    margin: float = 0.0,
    steepness: float | None = None,
    rejected: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
    cooperative_scores: bool = True,
) -> AbstractLoss:
    """GLVQ of one class (`losses.OneClass`) whose prototypes answer with the posteriors of
    Gaussians times their shares by rank.

    - `cooperative_scores`: whether ranks take part in scoring, with the range that they have when
      training ends; else the posteriors alone. Range: `True` or `False`.
    """
    soft = _gaussian(context, variance)
    both = ProductOfShares(soft, _annealed(context, neighbourhood, final_neighbourhood))
    return _one_class(
        context, both, both if cooperative_scores else soft, transfer, margin, steepness, rejected
    )


@explained_by(one_class, supervised_neural_gas)
def svq_occ(
    context: Context,
    *,
    cost: Literal["cross-entropy", "brier", "contrastive"] = "cross-entropy",
    balance: float = 0.5,
    response: Literal["gaussian", "student", "winner", "uniform"] = "gaussian",
    response_variance: float | None = None,
    freedom: float = 1.0,
    border_steepness: float = 10.0,
    rejected: float | None = None,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.01,
) -> AbstractLoss:
    """Vector quantisation that is told of outliers (`losses.SVQOCC`, `losses.ContrastiveSVQOCC`).

    - `cost`: what classification costs: each sample for itself, or predictive values of a whole
      batch. Range: `"cross-entropy"`, `"brier"` or `"contrastive"`.
    - `balance`: how much the representation of targets counts against classification. Range: from 0
      to 1.
    - `response`: the prototypes' shares in what is visible: by a Gaussian or Student's distribution
      of their distances, that of the winner, or equal ones. Range: `"gaussian"`, `"student"`,
      `"winner"` or `"uniform"`.
    - `response_variance`: the variance of that distribution, in squared units of the data. Range:
      above 0. Default: the mean dissimilarity between a target and its prototype, divided by the
      number of features.
    - `freedom`: the degrees of freedom of Student's distribution. Range: above 0.
    - `border_steepness`: how sharp the border of what is visible is. Range: at least 1.
    """
    if freedom != 1 and response != "student":
        raise ValueError(
            f"`freedom` is that of Student's distribution, and `response` is {response!r}: leave "
            "one of them out."
        )
    positive(freedom, "freedom")
    variance = _variance(context) if response_variance is None else response_variance
    responses = {
        "gaussian": lambda: GaussianShares(variance),
        "student": lambda: StudentShares(variance, freedom),
        "winner": WinnerTakesAll,
        "uniform": EqualShares,
    }
    visibility, scale, quantile = _visibility(
        context, rejected, responses[response](), border_steepness
    )
    ranks = _annealed(context, neighbourhood, final_neighbourhood)
    if cost == "contrastive":
        return ContrastiveSVQOCC(
            visibility=visibility,
            cooperation=ranks,
            balance=balance,
            scale=scale,
            rejected=quantile,
        )
    return SVQOCCLoss(
        visibility=visibility,
        cooperation=ranks,
        balance=balance,
        cost=cost,
        scale=scale,
        rejected=quantile,
    )


@explained_by(one_class)
def data_description(context: Context, *, rejected: float = 0.05) -> AbstractLoss:
    """The smallest balls that hold the targets, but for a share (`losses.DataDescription`).

    - `rejected`: the share of targets that may lie outside: radii are trimmed. Range: between 0 and
      1.
    """
    return DataDescription(
        visibility=_visibility(context, rejected)[0], rejected=RejectedShare(rejected)
    )


def one_class_clustering(context: Context, *, rejected: float = 0.05) -> AbstractLoss:
    """k-means of the targets, and radii that are quantiles (`losses.SVQOCC` without a cost of
    classification).

    - `rejected`: the share of targets that is to be rejected. Range: between 0 and 1.
    """
    visibility, scale, quantile = _visibility(context, rejected)
    return SVQOCCLoss(
        visibility=visibility,
        cooperation=WinnerTakesAll(),
        balance=1.0,
        scale=scale,
        rejected=quantile,
    )


def _targets(context: Context) -> Context:
    """What is known of the targets alone."""
    there = np.asarray(context.y) == 0
    weight = None if context.weight is None else context.weight[there]
    return dataclasses.replace(
        context, x=context.x[there], y=np.asarray(context.y)[there], weight=weight
    )


def _variance(context: Context) -> float:
    """The variance of a spherical component, by the dissimilarities between targets and their
    prototypes."""
    return _targets(context).scale() / context.space.dimension


def _gaussian(context: Context, variance: float | AbstractSchedule | None) -> AbstractCooperation:
    return GaussianShares(_variance(context) if variance is None else variance)


def _visibility(
    context: Context,
    rejected: float | None,
    response: AbstractCooperation = WinnerTakesAll(),  # noqa: B008 (a module never changes)
    steepness: float = 1.0,
) -> tuple[Radii, float, RejectedShare | None]:
    """Radii that start from the targets, a typical dissimilarity of them, and what keeps the radii
    at a quantile."""
    if rejected is None and not np.any(context.y):
        rejected = 0.05
    targets = _targets(context)
    scale, (delta, _, weight, factor, _) = targets.scale(), targets.distances()
    started = Radii.from_distances(
        np.asarray(delta, float), rejected, steepness, sample_weight=weight
    )
    radii = np.asarray(started.radii, float) * factor
    visibility = Radii(on_device(radii, float), steepness, response)
    return visibility, scale, None if rejected is None else RejectedShare(rejected, scale)


def _one_class(
    context: Context,
    cooperation: AbstractCooperation,
    response: AbstractCooperation,
    transfer: str | Callable,
    margin: float,
    steepness: float | None,
    rejected: float | None,
) -> AbstractLoss:
    visibility, _, quantile = _visibility(context, rejected, response)
    return OneClass(visibility, cooperation, transfer, margin, steepness, quantile)


_gradient = adam(2e-2)
# A map has many entries, which turn it together.
_matrix = adam({"metric": 5e-3, "rest": 2e-2})
# Each prototype's map learns from a share of the samples.
_local = adam({"metric": 1e-3, "rest": 1e-2})
# Distances respond exponentially to what adapts them.
_kernel = adam({"metric": 3e-3, "rest": 2e-2})


def _row(
    name: str,
    sources: list[Source],
    metric: Callable,
    loss: Callable,
    training: Callable[[], Trainer] = _gradient,
) -> Recipe:
    return Recipe(name, tuple(sources), target_prototypes, metric, loss, training, one_class=True)


# The winner decides.
OCGLVQ = _row("OCGLVQ", [SATO_1995, STAPS_2022], squared_euclidean, one_class)
OCGRLVQ = _row("OCGRLVQ", [HAMMER_2002, STAPS_2022], relevance, one_class)
OCGMLVQ = _row("OCGMLVQ", [SCHNEIDER_2009, STAPS_2022], omega, one_class, _matrix)
OCLGMLVQ = _row("OCLGMLVQ", [SCHNEIDER_2009, STAPS_2022], local_omega, one_class, _local)
OCGTLVQ = _row("OCGTLVQ", [SARALAJEW_2016, STAPS_2022], tangent, one_class)

# Neural-gas cooperation.
OCGLVQ_NG = _row("OCGLVQ_NG", [HAMMER_2005, STAPS_2022], squared_euclidean, one_class_neural_gas)
OCGRLVQ_NG = _row(
    "OCGRLVQ_NG", [HAMMER_2002, HAMMER_2005, STAPS_2022], relevance, one_class_neural_gas
)
OCGMLVQ_NG = _row(
    "OCGMLVQ_NG", [SCHNEIDER_2009, HAMMER_2005, STAPS_2022], omega, one_class_neural_gas, _matrix
)
OCLGMLVQ_NG = _row(
    "OCLGMLVQ_NG",
    [SCHNEIDER_2009, HAMMER_2005, STAPS_2022],
    local_omega,
    one_class_neural_gas,
    _local,
)
OCGTLVQ_NG = _row(
    "OCGTLVQ_NG", [SARALAJEW_2016, HAMMER_2005, STAPS_2022], tangent, one_class_neural_gas
)

# Soft answers.
OCRSLVQ = _row("OCRSLVQ", [SEO_2003, STAPS_2022], squared_euclidean, one_class_soft)
OCMRSLVQ = _row("OCMRSLVQ", [SCHNEIDER_2009, SEO_2003, STAPS_2022], omega, one_class_soft, _matrix)
OCLMRSLVQ = _row(
    "OCLMRSLVQ", [SCHNEIDER_2009, SEO_2003, STAPS_2022], local_omega, one_class_soft, _local
)
OCRSLVQ_NG = _row(
    "OCRSLVQ_NG", [SEO_2003, HAMMER_2005, STAPS_2022], squared_euclidean, one_class_soft_neural_gas
)
OCMRSLVQ_NG = _row(
    "OCMRSLVQ_NG",
    [SCHNEIDER_2009, SEO_2003, HAMMER_2005, STAPS_2022],
    omega,
    one_class_soft_neural_gas,
    _matrix,
)
OCLMRSLVQ_NG = _row(
    "OCLMRSLVQ_NG",
    [SCHNEIDER_2009, SEO_2003, HAMMER_2005, STAPS_2022],
    local_omega,
    one_class_soft_neural_gas,
    _local,
)

# Kernels.
OCDKGLVQ = _row(
    "OCDKGLVQ", [VILLMANN_2015, STAPS_2022], gaussian_kernel(squared_euclidean), one_class
)
OCDKGRLVQ = _row(
    "OCDKGRLVQ",
    [VILLMANN_2015, HAMMER_2002, STAPS_2022],
    gaussian_kernel(relevance),
    one_class,
    _kernel,
)
OCDKGMLVQ = _row(
    "OCDKGMLVQ", [VILLMANN_2015, SCHNEIDER_2009, STAPS_2022], exponential_kernel, one_class, _kernel
)
OCDKGLVQ_NG = _row(
    "OCDKGLVQ_NG",
    [VILLMANN_2015, HAMMER_2005, STAPS_2022],
    gaussian_kernel(squared_euclidean),
    one_class_neural_gas,
)
OCDKGRLVQ_NG = _row(
    "OCDKGRLVQ_NG",
    [VILLMANN_2015, HAMMER_2002, HAMMER_2005, STAPS_2022],
    gaussian_kernel(relevance),
    one_class_neural_gas,
    _kernel,
)
OCDKGMLVQ_NG = _row(
    "OCDKGMLVQ_NG",
    [VILLMANN_2015, SCHNEIDER_2009, HAMMER_2005, STAPS_2022],
    exponential_kernel,
    one_class_neural_gas,
    _kernel,
)

# Vector quantisation that is told of outliers.
SVQOCC = _row("SVQOCC", [STAPS_2022], squared_euclidean, svq_occ)
SVQOCC_R = _row("SVQOCC_R", [STAPS_2022, HAMMER_2002], relevance, svq_occ)
SVQOCC_M = _row("SVQOCC_M", [STAPS_2022, SCHNEIDER_2009], omega, svq_occ, _matrix)
SVQOCC_LM = _row("SVQOCC_LM", [STAPS_2022, SCHNEIDER_2009], local_omega, svq_occ, _local)
SVQOCC_T = _row("SVQOCC_T", [STAPS_2022, SARALAJEW_2016], tangent, svq_occ)

# Targets alone.
SVDD = _row("SVDD", [TAX_2004], squared_euclidean, data_description)
OCKMeans = _row("OCKMeans", [LLOYD_1982], squared_euclidean, one_class_clustering)
