"""What a model says of all points of a plane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import as_labels, of_kinds, positive_integer, renamed
from .._types import ArrayLike
from ..models import PrototypeModel
from ..models.internal import Names, as_share, carded_classes
from ._figures import (
    PANELS,
    checked_names,
    colours_of_classes,
    drawn_on,
    known_classes,
    known_features,
    legend_of_classes,
    names_of_classes,
    panels_of,
    points_of,
    refuse_unsound,
    some_of,
    star,
)
from ._planes import Plane, adapted_plane, plane_of_features


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def decision_regions(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    features: Sequence[int] | np.ndarray | None = None,
    at: ArrayLike | None = None,
    prototype: int | None = None,
    threshold: ArrayLike | None = None,
    feature_names: Names = None,
    class_names: Names = None,
    cells: int = 200,
    ax: "Axes | None" = None,
) -> "Figure":
    """Which class the model sees where in a plane: the surer it is (`model.confidence`), the
    stronger the colour; what it rejects is hatched.

    The plane is a cut through the space: of samples with two features all of it; with `features`
    two of them, the others held at one place; otherwise the two directions along which samples vary
    most in the adapted space (behind an encoder, in its output space), all others held at the mean.
    Samples are seen from above, so that one that lies off the plane may be drawn in a region that
    it does not belong to. Those that the model gets wrong have a black rim.

    **Arguments:**

    - `model`: any model in a flat space.
    - `x`, `y`: samples (of many, a few thousands are drawn) and their classes.
    - `features`: the numbers of two features.
    - `at`: the sample at which other features are held; by default, the mean.
    - `prototype`: of a metric with a map for each prototype, whose adapted space is drawn.
    - `threshold`: the confidence below which a sample is rejected, as for `predict_with_reject`.
    - `feature_names`: what features are called, where two of them are drawn.
    - `class_names`: what classes are called.
    - `cells`: how many cells the plane is divided into, along each axis.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` where there is no plane (a curved space, an adapted space of one
    dimension), for names that are not as many as what they name, and for names of features where
    none is drawn.
    """
    positive_integer(cells, "cells")
    names = names_of_classes(model, class_names)
    x, y = some_of(model, x, y)
    if features is None and x.shape[1:] == (2,):
        features = (0, 1)
    if features is None:
        if at is not None:
            raise ValueError(
                "`at` is where features are held that are not drawn: say which two `features` are."
            )
        if feature_names is not None:
            raise ValueError(
                "`feature_names` are written along two `features`, and here directions of the "
                "adapted space are drawn: say which two `features`, or leave the names out."
            )
        plane = adapted_plane(model, x, prototype)
    else:
        if prototype is not None:
            raise ValueError(
                "`prototype` says whose adapted space is drawn, and two features are drawn as they "
                "are: leave it out."
            )
        plane = plane_of_features(model, x, features, at, feature_names)
    low, high = _reach(plane)
    first, second = (np.linspace(low[k], high[k], cells) for k in range(2))
    points = plane.at(first, second)
    label = np.asarray(plane.model.predict(points)).reshape(cells, cells)
    sure = np.asarray(plane.model.confidence(points)).reshape(cells, cells)
    figure, ax = drawn_on(ax, (7.5, 5))
    colours, handles = colours_of_classes(model), []
    shades = np.concatenate([colours[label], (0.12 + 0.63 * sure)[..., None]], axis=-1)
    extent = (low[0], high[0], low[1], high[1])
    ax.imshow(shades, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    if label.min() < label.max():
        levels = np.arange(label.min(), label.max()) + 0.5
        ax.contour(first, second, label, levels=levels, colors="white", linewidths=1.2)
    if threshold is not None:
        threshold = float(as_share(threshold, "threshold", "a confidence"))
        handles.append(_hatched(ax, first, second, sure < threshold, threshold))
    found = None if y is None else np.asarray(model.predict(x))
    draw_plane(ax, plane, y, None if y is None else found != y, colours)
    if plane.points is not None:
        handles.append(star("white", "prototype"))
    if y is not None and np.any(found != y):
        handles.append(_wrong())
    legend_of_classes(ax, model, names, handles, loc="center left", bbox_to_anchor=(1.01, 0.5))
    right = "" if y is None else f": {np.mean(found == y):.1%} of samples right"
    ax.set(xlim=extent[:2], ylim=extent[2:], title=f"decision regions{right}")
    return figure


@of_kinds
def adapted_space(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    prototype: int | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Samples and prototypes where the metric compares them: along the two directions in which
    samples vary most after the metric's linear map.

    Both axes have one unit, so that distances in the picture are those that the model sees, as far
    as two directions tell them.

    **Arguments:**

    - `model`: a model in a flat space; of a metric without a linear map, its points are drawn as
      they are.
    - `x`, `y`: samples (of many, a few thousands are drawn) and their classes.
    - `prototype`: of a metric with a map for each prototype, whose is taken.
    - `class_names`: what the classes are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for a curved space, an adapted space of one dimension, and names that
    are not as many as classes.
    """
    refuse_unsound(model)
    names = names_of_classes(model, class_names)
    x, y = some_of(model, x, y)
    plane = adapted_plane(model, x, prototype)
    figure, ax = drawn_on(ax, (7.5, 5))
    draw_plane(ax, plane, y, None, colours_of_classes(model))
    legend_of_classes(
        ax,
        model,
        names,
        [star("white", "prototype")],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_title("adapted space" if prototype is None else f"as prototype {prototype} sees it")
    return figure


def draw_plane(
    ax: Any, plane: Plane, y: np.ndarray | None, wrong: np.ndarray | None, colours: np.ndarray
) -> None:
    """Samples as dots and prototypes as stars, each in the colour of its class."""
    shown = np.full((len(plane.samples), 3), 0.45) if y is None else colours[y]
    ax.scatter(*plane.samples.T, s=20, c=shown, edgecolors="white", linewidths=0.5, zorder=2)
    if wrong is not None and wrong.any():
        places = plane.samples[wrong].T
        ax.scatter(*places, s=26, c=shown[wrong], edgecolors="black", linewidths=1.0, zorder=3)
    if plane.points is not None:
        labels = plane.model.prototypes.labels
        own = colours[labels] if len(colours) > labels[-1] else "white"
        ax.scatter(*plane.points.T, marker="*", s=190, c=own, edgecolors="black", zorder=4)
    ax.set(xlabel=plane.labels[0], ylabel=plane.labels[1])


def _reach(plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a rectangle a little larger than what is drawn."""
    every = [plane.samples] if plane.points is None else [plane.samples, plane.points]
    every = np.concatenate(every)
    low, high = np.nanmin(every, axis=0), np.nanmax(every, axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1)
    return low - margin, high + margin


def _hatched(
    ax: Any, first: np.ndarray, second: np.ndarray, where: np.ndarray, threshold: float
) -> Any:
    """Hatch what is rejected, and say so."""
    from matplotlib.patches import Patch

    if where.any():
        area = ax.contourf(
            first, second, where.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"]
        )
        area.set(edgecolor="0.25", linewidth=0)
    label = f"rejected: confidence\nbelow {threshold:g}"
    return Patch(facecolor="none", edgecolor="0.25", hatch="////", label=label)


def _wrong() -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker="o", color="white", markeredgecolor="black", linestyle="", label="wrong"
    )


@renamed(names="class_names")
@of_kinds
def memberships(model: PrototypeModel, x: ArrayLike, class_names: Names = None) -> "Figure":
    """What the model says of all points of a plane: the probability of each class (of an unlabelled
    model: the membership of each cluster), a panel for each, white is zero.

    **Arguments:**

    - `model`: a model of samples with two features.
    - `x`: samples, drawn as dots; the plane reaches a little beyond them.
    - `class_names`: the names of classes or clusters.

    **Raises:** `ValueError` for samples of another shape, more than 36 panels, and names that are
    not as many.
    """
    if model.sample_shape != (2,):
        raise ValueError(
            f"`model` must take samples of two features, which are a plane, and it takes "
            f"{model.sample_shape}."
        )
    if not 0 < model.classes <= PANELS:
        raise ValueError(
            f"`model` has {model.classes} classes or clusters, and {PANELS} panels are all that a "
            f"figure holds."
        )
    x, _ = some_of(model, x, None)
    names = known_classes(model, class_names, model.classes)
    names = checked_names(names, model.classes)
    low, high = x.min(axis=0), x.max(axis=0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    at = np.linspace(low, high, 120).T
    plane = np.stack(np.meshgrid(*at), axis=-1).astype(np.float32)
    shown = np.asarray(model.predict_proba(plane.reshape(-1, 2))).reshape(*plane.shape[:2], -1)
    figure, panels = panels_of(model.classes, 2.8, 2.4)
    images = []
    for k, ax in enumerate(panels):
        extent = (low[0], high[0], low[1], high[1])
        images.append(
            ax.imshow(
                shown[..., k],
                cmap="Blues",
                vmin=0,
                vmax=1,
                origin="lower",
                extent=extent,
                aspect="auto",
            )
        )
        ax.scatter(*x.T, s=2, c="dimgray")
        ax.set_title(names[k], fontsize=9)
    figure.colorbar(images[0], ax=list(panels))
    return figure


@renamed(names="feature_names")
@of_kinds
def visible_region(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    feature_names: Names = None,
    cells: int = 200,
    ax: "Axes | None" = None,
) -> "Figure":
    """Where a model of two features sees samples: its scores as shades, and the border at one half
    as a line.

    Of several known classes, regions have their colours; beyond the line are none of them.

    **Arguments:**

    - `model`: a model of points in the plane whose decision can say "none of these".
    - `x`: samples, which are drawn as dots; the picture reaches a little beyond them.
    - `y`: their classes.
    - `feature_names`: the names of the two features.
    - `cells`: how many cells the plane is divided into, along each axis.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for samples of another number of features, and a decision that knows
    all classes.
    """
    if model.sample_shape != (2,):
        raise ValueError(
            f"`visible_region` is a picture of the plane, and samples of this model have shape "
            f"{model.sample_shape}."
        )
    positive_integer(cells, "cells")
    x = np.asarray(model.check_values(x), float)
    y = None if y is None else as_labels(y, len(x), names=carded_classes(model))
    names = known_features(model, feature_names, 2)
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.25 * np.where(high > low, high - low, 1)
    low, high = low - margin, high + margin
    first, second = (np.linspace(low[k], high[k], cells) for k in range(2))
    grid = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    score = np.asarray(model.score_samples(grid)).reshape(cells, cells)
    best = np.asarray(model.predict_with_reject(grid, lower=0.0)).reshape(cells, cells)
    figure, ax = drawn_on(ax, (6, 5))
    extent = (low[0], high[0], low[1], high[1])
    known = {"cmap": "tab10", "vmin": 0, "vmax": max(9, model.classes - 1)}
    ax.imshow(
        best,
        extent=extent,
        origin="lower",
        aspect="auto",
        alpha=0.6 * score,
        interpolation="nearest",
        **known,
    )
    ax.contour(first, second, score, levels=[0.5], colors="black")
    ax.scatter(
        *x.T,
        s=12,
        edgecolors="white",
        linewidths=0.5,
        **({"color": "gray"} if y is None else {"c": y, **known}),
    )
    if not model.latent:
        ax.scatter(*points_of(model).T, marker="*", s=120, color="black")
    ax.set(xlim=extent[:2], ylim=extent[2:], title="visible region (score ½ at the line)")
    if names is not None:
        ax.set(xlabel=names[0], ylabel=names[1])
    return figure
