"""Points of curved spaces that can be seen as they are."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, renamed
from .._types import ArrayLike
from ..manifolds import SO, SPD, AbstractManifold, PoincareBall
from ..models import PrototypeModel, boundaries
from ..models.internal import Names
from ..prototypes import Prototypes
from ._figures import (
    checked_names,
    colours_of,
    columns_of,
    drawn_on,
    legend_once,
    new_figure,
    refuse_unsound,
    refuse_y_alone,
    rows_of,
    some_of,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@renamed(names="class_names")
@of_kinds
def covariance_ellipses(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Positive definite matrices of two rows as ellipses: \\(v^\\top W^{-1} v = 1\\), the shape of
    the data that they are covariances of.

    **Arguments:**

    - `model`: a model whose prototypes are points of `SPD(2)`.
    - `x`, `y`: samples, drawn thinly, and their classes.
    - `class_names`: the classes' names.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for prototypes in another space.
    """
    refuse_unsound(model)
    prototypes = _prototypes_in(model, SPD(2), "covariance_ellipses")
    names = checked_names(class_names, prototypes.classes)
    points, colours = _drawn(model, x, y)
    figure, ax = drawn_on(ax, (5, 5))
    turns = np.linspace(0, 2 * np.pi, 100)
    circle = np.stack([np.cos(turns), np.sin(turns)])
    for matrix, colour in zip(points, colours, strict=True):
        ax.plot(*np.linalg.cholesky(matrix) @ circle, color=colour, linewidth=0.5, alpha=0.4)
    for matrix, label in zip(np.asarray(prototypes.points, float), prototypes.labels, strict=True):
        ax.plot(
            *np.linalg.cholesky(matrix) @ circle,
            color=f"C{label % 10}",
            linewidth=2.5,
            label=names[label],
        )
    ax.set_aspect("equal")
    legend_once(ax, prototypes)
    return figure


@renamed(names="class_names")
@of_kinds
def poincare_disk(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """The hyperbolic plane as a disk: samples, prototypes (stars), the shortest ways between
    prototypes of different classes, and where on them the model changes its mind (crosses).

    **Arguments:**

    - `model`: a model whose prototypes are compared in `PoincareBall(2)`.
    - `x`, `y`: samples (behind an encoder, their images are drawn), and their classes.
    - `class_names`: the classes' names.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for prototypes in another space.
    """
    refuse_unsound(model)
    prototypes = _prototypes_in(model, PoincareBall(2), "poincare_disk")
    names = checked_names(class_names, prototypes.classes)
    points, colours = _drawn(model, x, y)
    figure, ax = drawn_on(ax, (5, 5))
    space = prototypes.space
    turns = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turns), np.sin(turns), color="black", linewidth=1)
    if len(points):
        ax.scatter(*points.T, s=8, c=colours)
    found = boundaries(model)
    starts, ends = (prototypes.points[found.pairs[:, i]] for i in (0, 1))
    for way in np.moveaxis(np.asarray(space.geodesic(starts, ends, jnp.linspace(0, 1, 60))), 1, 0):
        ax.plot(*way.T, color="gray", linewidth=0.8)
    ax.scatter(*found.points.T, marker="x", color="black", zorder=3)
    for point, label in zip(np.asarray(prototypes.points), prototypes.labels, strict=True):
        ax.scatter(
            *point,
            marker="*",
            s=150,
            color=f"C{label % 10}",
            edgecolors="black",
            label=names[label],
            zorder=3,
        )
    ax.set_aspect("equal")
    ax.set_axis_off()
    legend_once(ax, prototypes)
    return figure


@renamed(names="class_names")
@of_kinds
def rotation_axes(model: PrototypeModel, class_names: Names = None) -> "Figure":
    """Rotations of space as what they make of the three axes: red, green and blue, one picture for
    each prototype.

    **Arguments:**

    - `model`: a model whose prototypes are points of `SO(3)`.
    - `class_names`: the classes' names.

    **Raises:** `ValueError` for prototypes in another space.
    """
    refuse_unsound(model)
    prototypes = _prototypes_in(model, SO(3), "rotation_axes")
    names = checked_names(class_names, prototypes.classes)
    rows = rows_of(model)
    columns = columns_of(rows)
    size = rows[-1] + 1, columns.max() + 1
    figure, axes = new_figure(
        *size, figsize=(2.4 * size[1], 2.4 * size[0]), subplot_kw={"projection": "3d"}
    )
    for rotation, row, column, label in zip(
        np.asarray(prototypes.points), rows, columns, prototypes.labels, strict=True
    ):
        ax = axes[row, column]
        for axis, colour in zip(rotation.T, ("tab:red", "tab:green", "tab:blue"), strict=True):
            ax.plot(*np.stack([0 * axis, axis], axis=1), color=colour, linewidth=2)
        ax.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1), xticks=[], yticks=[], zticks=[])
        if column == 0 and prototypes.labelled:
            ax.set_title(names[label], loc="left", fontsize=8)
    for ax in axes.flat:
        if not ax.lines:
            ax.remove()
    return figure


def _drawn(
    model: PrototypeModel, x: ArrayLike | None, y: ArrayLike | None
) -> tuple[np.ndarray, list[str]]:
    """The points of samples, if there are some, and their colours."""
    refuse_y_alone(x, y)
    if x is None:
        return np.zeros((0, 2)), []
    x, labels = some_of(model, x, y)
    return np.asarray(model.encode(jnp.asarray(x)), float), colours_of(labels, len(x))


def _prototypes_in(model: PrototypeModel, space: AbstractManifold, asked: str) -> Prototypes:
    prototypes = model.encoded_prototypes()
    if prototypes.space != space:
        raise ValueError(
            f"`{asked}` draws points of {space}, and the prototypes of this model live in "
            f"{prototypes.space}."
        )
    return prototypes
