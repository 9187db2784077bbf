"""Maps and gases: prototypes that learn with their neighbours, on a lattice, by rank or in a
graph."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from .._checks import positive_integer
from .._schedules import Exponential, positive, within
from .._sources import (
    COTTRELL_2006,
    FRITZKE_1995,
    HESKES_1999,
    KOHONEN_1982,
    KOHONEN_1995,
    MARTINETZ_1993,
    MARTINETZ_1994,
    PENNEC_2006,
    VILLMANN_2015,
    Source,
)
from .._types import Float
from ..cooperation import GraphCooperation, Lattice, LatticeCooperation
from ..losses import AbstractLoss, Cooperative
from ..manifolds import curved_coordinates, curved_walk, karcher_mean
from ..metrics.internal import signed, spectrum
from ..prototypes import Prototypes
from ..training import AlternatingOptimization, GradientDescent, GrowingGraph, Trainer
from ._clusters import kernel as gaussian_kernel
from ._makers import Context, _chosen, clusters, neural_gas, no_lattice, squared_euclidean
from ._options import explained_by
from ._recipe import Recipe
from ._riemannian import by_shape


#: Of the sides of a lattice whose size follows from the samples.
LONGEST = 20


# Makers.


def lattice(
    context: Context,
    *,
    grid: tuple[int, ...] | None = None,
    topology: Literal["rectangular", "hexagonal"] = "hexagonal",
    toroidal: bool = False,
) -> Lattice:
    """Places of the prototypes (`cooperation.Lattice`).

    - `grid`: how many prototypes there are along each axis. Range: one, two or three numbers, each
      at least 1. Default: a square of about five times the root of the number of different samples,
      and 400 at most.
    - `topology`: whether a prototype has four neighbours or six. Range: `"rectangular"` or
      `"hexagonal"`, which needs two axes or three.
    - `toroidal`: whether both ends of an axis are neighbours. Range: `True` or `False`; of
      hexagons, only for an even number of rows.
    """
    if grid is None:
        places = 5 * _different(np.asarray(context.x)) ** 0.5
        side = int(np.clip(round(places**0.5), 2, LONGEST))
        grid = (side + side % 2, side)
    return Lattice(grid, topology, toroidal)


def _different(x: Float[np.ndarray, "n ..."]) -> int:
    """How many samples differ, so that copies are as good as weights; counted no further than it
    makes a difference."""
    seen = set()
    for sample in x:
        seen.add(sample.tobytes())
        if len(seen) > (LONGEST + 1) ** 4 / 25:
            break
    return len(seen)


@explained_by(clusters)
def on_lattice(context: Context, *, initialiser: str | Callable = "pca") -> Prototypes:
    """A prototype for each place of the lattice.

    - `initialiser`: where they start: spread over the principal directions of the data like their
      places over the lattice (`"pca"`), or as for other rows. Range: `"pca"`, `"kmeans++"`,
      `"means"`, `"samples"` or a function; at samples only if there are as many.
    """
    if initialiser != "pca":
        return _chosen(context, context.lattice.size, initialiser, "grid", labelled=False)
    return Prototypes(_spread(context), None, context.space)


def _spread(context: Context) -> Float[np.ndarray, "p ..."]:
    """Points about the mean that vary like the data: along the longest axis of the lattice in the
    first principal direction, by its standard deviation, and so on."""
    x, space = np.asarray(context.x), context.space
    centre = karcher_mean(space, x, context.weight).point[None]
    rows = (
        x if space.displacement_is_difference else curved_coordinates(space, centre, x)
    ).reshape(len(x), -1)
    origin = (
        centre.reshape(1, -1) if space.displacement_is_difference else np.zeros((1, rows.shape[1]))
    )
    deviations, directions = spectrum(rows, origin, None, context.weight)
    places = context.lattice.coordinates - context.lattice.coordinates.mean(axis=0)
    spans = places.std(axis=0)
    order = np.argsort(-spans, kind="stable")[: len(deviations)]
    units = places[:, order] / np.where(spans[order] > 0, spans[order], 1)
    steps = (units * deviations[: len(order)]) @ signed(directions[:, : len(order)]).T
    if space.displacement_is_difference:
        return (centre + steps.reshape(-1, *x.shape[1:])).astype(
            np.promote_types(x.dtype, np.float32)
        )
    return curved_walk(space, np.repeat(centre, len(steps), axis=0), steps)


def growing(context: Context, *, capacity: int = 100) -> Prototypes:
    """Two samples far from each other, and room for more (`training.GrowingGraph`).

    - `capacity`: how many prototypes there can be at most. Range: at least 2.
    """
    positive_integer(capacity, "capacity")
    if capacity < 2:
        raise ValueError(
            f"`capacity` must be at least 2, got {capacity}: two prototypes are an edge."
        )
    start = np.asarray(_chosen(context, 2, "kmeans++", "capacity", labelled=False).points)
    return Prototypes(start[np.r_[0, 1, np.zeros(capacity - 2, int)]], None, context.space)


@explained_by(neural_gas)
def kohonen(
    context: Context,
    *,
    neighbourhood: float | None = None,
    final_neighbourhood: float = 0.5,
    kernel: Literal["gaussian", "bubble"] = "gaussian",
) -> AbstractLoss:
    """A self-organising map (`losses.Cooperative`, `cooperation.LatticeCooperation`).

    - `neighbourhood`: the range of cooperation σ in steps of the lattice, when training begins.
      Range: above 0. Default: half the longest axis.
    - `final_neighbourhood`: the range when training ends. Range: above 0.
    - `kernel`: how shares fall with the distance on the lattice. Range: `"gaussian"`, or
      `"bubble"`, which ends at the range.
    """
    return _map(context, neighbourhood, final_neighbourhood, kernel, smoothed=False)


@explained_by(kohonen)
def heskes(
    context: Context,
    *,
    neighbourhood: float | None = None,
    # Where dissimilarities are averaged, members between two clusters win nothing while the range
    # is wide.
    final_neighbourhood: float = 0.4,
    kernel: Literal["gaussian", "bubble"] = "gaussian",
) -> AbstractLoss:
    """A self-organising map with an objective: its winner has the smallest mean dissimilarity in
    its neighbourhood."""
    return _map(context, neighbourhood, final_neighbourhood, kernel, smoothed=True)


def growing_graph(context: Context, *, share: float = 0.03) -> AbstractLoss:
    """Neural gas in a graph that grows (`losses.Cooperative`, `cooperation.GraphCooperation`).

    - `share`: how far a neighbour of the winner moves, beside it. Range: above 0 and at most 1.
    """
    within(share, "share", "(0, 1]")
    nobody = np.zeros((0, 2), int)
    return Cooperative(
        GraphCooperation.of_edges(nobody, 2, share, capacity=len(context.prototypes))
    )


def _map(
    context: Context,
    start: float | None,
    end: float,
    kernel: Literal["gaussian", "bubble"],
    smoothed: bool,
) -> AbstractLoss:
    positive(end, "final_neighbourhood")
    width = max(max(context.lattice.shape) / 2, end) if start is None else start
    positive(width, "neighbourhood")
    return Cooperative(
        LatticeCooperation(context.lattice, Exponential(width, end), kernel, smoothed)
    )


# Rows.


def _batch() -> Trainer:
    # The neighbourhood shrinks over all epochs: an early end would leave it wide.
    return Trainer(AlternatingOptimization(), 100)


def _batch_of_kernels() -> Trainer:
    # Widths of kernels have no closed form.
    return Trainer(AlternatingOptimization(), 100, freeze="metric")


def _growth() -> Trainer:
    return Trainer(GrowingGraph(), 100)


def _online() -> Trainer:
    # The derivative of a squared distance has a factor of two; Kohonen's learning rates fall from
    # .5 to .01.
    return Trainer(GradientDescent("sgd", Exponential(0.25, 0.005)), 20, batch_size=1)


def _row(
    name: str,
    sources: list[Source],
    loss: Callable,
    **parts: Any,
) -> Recipe:
    usual = {
        "prototypes": on_lattice,
        "lattice": lattice,
        "metric": squared_euclidean,
        "training": _batch,
    }
    return Recipe(name, tuple(sources), loss=loss, supervised=False, **{**usual, **parts})


_gas: Any = {"prototypes": clusters, "lattice": no_lattice}
_graph: Any = {"prototypes": growing, "lattice": no_lattice, "training": _growth}
_kernel: Any = {"metric": gaussian_kernel, "training": _batch_of_kernels}
_curved: Any = {"space": by_shape}

KohonenSOM = _row("KohonenSOM", [KOHONEN_1982, KOHONEN_1995], kohonen)
HeskesSOM = _row("HeskesSOM", [HESKES_1999], heskes)
SOM = _row("SOM", [KOHONEN_1982], kohonen, training=_online)
DKNeuralGas = _row("DKNeuralGas", [VILLMANN_2015, COTTRELL_2006], neural_gas, **_gas, **_kernel)
DKKohonenSOM = _row("DKKohonenSOM", [VILLMANN_2015, KOHONEN_1982], kohonen, **_kernel)
DKHeskesSOM = _row("DKHeskesSOM", [VILLMANN_2015, HESKES_1999], heskes, **_kernel)
GrowingNeuralGas = _row("GrowingNeuralGas", [FRITZKE_1995, MARTINETZ_1994], growing_graph, **_graph)
RiemannianNeuralGas = _row(
    "RiemannianNeuralGas",
    [COTTRELL_2006, MARTINETZ_1993, PENNEC_2006],
    neural_gas,
    **_gas,
    **_curved,
)
RiemannianSOM = _row("RiemannianSOM", [KOHONEN_1982, PENNEC_2006], kohonen, **_curved)
