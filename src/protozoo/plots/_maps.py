"""Prototypes that have neighbours: on a lattice, in a graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import topology
from .._checks import of_kinds, renamed
from .._types import ArrayLike
from ..cooperation import Lattice
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import (
    PANELS,
    checked_names,
    class_legend,
    draw_samples,
    drawn_on,
    in_plane,
    integers,
    known_features,
    panels_of,
    points_of,
    refuse_unsound,
    some_of,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def umatrix(model: PrototypeModel, ax: "Axes | None" = None) -> "Figure":
    """A map of the distances between neighbours on the lattice (`topology.neighbour_distances`):
    clusters are light valleys, dark ridges separate them.

    **Arguments:**

    - `model`: a model with a lattice.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for a model without a lattice.
    """
    refuse_unsound(model)
    lattice = topology.lattice_of(model)
    figure, ax = drawn_on(ax, _map_size(lattice, 6.0))
    cells = _draw_cells(ax, lattice, topology.neighbour_distances(model), "viridis_r")
    figure.colorbar(cells, ax=ax, label="mean distance to neighbours")
    ax.set_title("U-matrix")
    return figure


@renamed(names="class_names")
@of_kinds
def hit_map(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """A map of how many samples each prototype wins: cells are filled by as much of their area, the
    fullest one whole.

    **Arguments:**

    - `model`: a model with a lattice.
    - `x`: samples.
    - `y`: their classes: cells have the colour of most of the samples that they win.
    - `class_names`: the classes' names.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for a model without a lattice, and for names that are not as many as
    classes.
    """
    lattice, p = topology.lattice_of(model), len(model.prototypes)
    if y is None:
        counts, labels, classes = topology.hits(model, x), np.zeros(p, int), 0
    else:
        found = topology.label_map(model, x, y)
        counts, labels, classes = found.counts.sum(axis=1), found.labels, found.counts.shape[1]
    names = checked_names(class_names, classes)
    figure, ax = drawn_on(ax, _map_size(lattice, 5.5))
    size = 0.95 * np.sqrt(counts / counts.max())
    _draw_cells(ax, lattice, np.zeros(p), "Greys", edgecolors="lightgray")
    cells = _draw_cells(ax, lattice, labels, "tab10", size, vmin=0, vmax=max(9, classes - 1))
    if p <= 150:
        for (column, row), count in zip(_seats(lattice), counts, strict=True):
            ax.text(
                column, row, f"{count:.4g}" if count else "", ha="center", va="center", fontsize=7
            )
    if 0 < classes <= 10:
        class_legend(ax, cells, names, loc="upper left", bbox_to_anchor=(1.01, 1))
    ax.set_title(f"samples won: {np.count_nonzero(counts)} of {p} units in use")
    return figure


@renamed(names="feature_names")
@of_kinds
def component_planes(
    model: PrototypeModel,
    feature_names: Names = None,
    features: Sequence[int] | np.ndarray | None = None,
) -> "Figure":
    """A map of each feature of the prototypes, each on a scale of its own: features whose maps look
    alike go together.

    **Arguments:**

    - `model`: a model with a lattice in a flat space.
    - `feature_names`: the names of all features; those on the model's card by default.
    - `features`: which of them to draw, by number; all by default, if there are 36 at most.

    **Raises:** `ValueError` for a model without a lattice or in a curved space, too many features,
    and names that are not as many.
    """
    refuse_unsound(model)
    lattice = topology.lattice_of(model)
    if not model.prototypes.space.displacement_is_difference:
        raise ValueError(f"`model`: points of {model.prototypes.space} have no features.")
    points = points_of(model).reshape(len(model.prototypes), -1)
    d = points.shape[1]
    names = known_features(model, feature_names, d)
    chosen = list(range(d)) if features is None else integers(features, "features")
    if not 0 < len(chosen) <= PANELS or not all(0 <= k < d for k in chosen):
        raise ValueError(
            f"`features` must name 1 to {PANELS} of the features 0…{d - 1}, got {len(chosen)} of "
            f"them."
        )
    width, height = _map_size(lattice, 2.6)
    figure, panels = panels_of(len(chosen), width, height)
    for ax, k in zip(panels, chosen, strict=True):
        figure.colorbar(_draw_cells(ax, lattice, points[:, k], "viridis"), ax=ax)
        ax.set_title(f"feature {k}" if names is None else names[k], fontsize=9)
    return figure


@renamed(names="class_names")
@of_kinds
def graph(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """The prototypes over the data, joined to their neighbours: a map's lattice, a gas's graph; of
    a model that has neither, those that samples say are neighbours (`topology.edges`).

    Two features are drawn as they are, more of them along the two principal axes of the data (in a
    curved space: of their coordinates about the mean).

    **Arguments:**

    - `model`: any model.
    - `x`: samples; of many, a few thousands are drawn.
    - `y`: their classes, for colours.
    - `class_names`: the classes' names.
    - `ax`: where to draw; a figure of its own by default.
    """
    refuse_unsound(model)
    model = topology.compacted(model)
    x, y = some_of(model, x, y)
    try:
        pairs = topology.edges(model)
    except ValueError:
        pairs = topology.edges(model, x)
    figure, ax = drawn_on(ax, (6, 5))
    data, points, _ = in_plane(model, x, ax)
    draw_samples(ax, data, y, class_names)
    from matplotlib.collections import LineCollection

    ax.add_collection(LineCollection(list(points[pairs]), colors="black", linewidths=1.0, zorder=2))
    ax.scatter(*points.T, s=22, c="white", edgecolors="black", zorder=3)
    ax.set_title(f"{len(points)} prototypes, {len(pairs)} edges")
    return figure


def _seats(lattice: Lattice) -> np.ndarray:
    """Where the units of a lattice are drawn, `(p, 2)`: rows downwards; a chain in one row, layers
    side by side."""
    at = lattice.coordinates
    if at.shape[1] == 1:
        return np.concatenate([at, 0 * at], axis=1)
    apart = at[:, -1].max() + 2.0
    layer = at[:, 0] if at.shape[1] == 3 else 0 * at[:, 0]
    return np.stack([at[:, -1] + apart * layer, at[:, -2]], axis=1)


def _map_size(lattice: Lattice, width: float) -> tuple[float, float]:
    """The size of a figure that a map fills."""
    spans = np.ptp(_seats(lattice), axis=0) + 1
    ratio = float(np.clip(spans[1] / spans[0], 0.25, 2.0))
    return width + 1.2, width * ratio + 0.8


def _draw_cells(
    ax: Any,
    lattice: Lattice,
    values: np.ndarray,
    cmap: str,
    size: np.ndarray | float = 1.0,
    **options: Any,
) -> Any:
    """A cell for each unit, of the shape that the lattice has, coloured by a value."""
    from matplotlib.collections import PolyCollection

    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    if lattice.kind == "hexagonal":
        angles = np.pi * (np.arange(6) / 3 + 1 / 6)
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 3**0.5
    seats = _seats(lattice)
    scaled = np.broadcast_to(size, len(seats))[:, None, None] * corners
    limits = {name: options.pop(name) for name in ("vmin", "vmax") if name in options}
    cells = PolyCollection(
        list(seats[:, None] + scaled), array=np.asarray(values, float), cmap=cmap, **options
    )
    cells.set_clim(**limits)
    ax.add_collection(cells)
    ax.set(
        xlim=(seats[:, 0].min() - 0.7, seats[:, 0].max() + 0.7),
        ylim=(seats[:, 1].max() + 0.7, seats[:, 1].min() - 0.7),
    )
    ax.set_aspect("equal")
    ax.set_axis_off()
    return cells
