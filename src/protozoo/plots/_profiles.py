"""Prototypes as lines: over features, over time."""

import math
from typing import TYPE_CHECKING

import numpy as np

from .._checks import as_names, as_numbers, of_kinds
from .._types import ArrayLike
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import (
    PANELS,
    colours_of_prototypes,
    drawn_on,
    feature_ticks,
    flat_samples,
    legend_of_classes,
    names_of_classes,
    names_of_features,
    palette,
    panels_of,
    points_of,
    refuse_unsound,
    refuse_y_alone,
    room_for,
    some_of,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: How many samples are drawn behind a curve at most.
BEHIND = 40


@of_kinds
def profiles(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    feature_names: Names = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Prototypes as parallel coordinates: a line for each over all features, in the colour of its
    class.

    **Arguments:**

    - `model`: a model whose prototypes are rows of features among the samples.
    - `x`: samples: features of different units become comparable, because each is then drawn in
      standard deviations from its mean.
    - `y`: their classes: bands say where the middle half of each class lies.
    - `feature_names`, `class_names`: what features and classes are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for prototypes that live elsewhere or are no rows of features, and for
    names that are not as many as what they name.
    """
    refuse_unsound(model)
    refuse_y_alone(x, y)
    points = _points(model, "profiles")
    if points.ndim != 2:
        raise ValueError(
            f"`profiles` draws rows of features, and these prototypes have shape "
            f"{points.shape[1:]}: `pz.plots.curves` and `prototype_images` draw others."
        )
    d = points.shape[1]
    features = names_of_features(model, feature_names, d)
    names = names_of_classes(model, class_names)
    data, mean, scale = None, np.zeros(d), np.ones(d)
    if x is not None:
        x, y = some_of(model, flat_samples(model, x), y)
        data = x.astype(float)
        mean, scale = np.nanmean(data, axis=0), np.nanstd(data, axis=0)
        scale = np.where(scale > 0, scale, 1)
    figure, ax = drawn_on(ax, (2.5 + min(0.6 * d, 10), 3.5 + room_for(features)))
    at, colours = np.arange(d), palette(model.classes)
    if data is not None and y is not None:
        for k in np.unique(y):
            low, high = np.nanquantile((data[y == k] - mean) / scale, [0.25, 0.75], axis=0)
            ax.fill_between(at, low, high, color=colours[k], alpha=0.15, linewidth=0)
    for line, colour in zip((points - mean) / scale, colours_of_prototypes(model), strict=True):
        ax.plot(at, line, color=colour, marker="o", markersize=4, linewidth=1.8)
    if d <= 60:
        for place in at:
            ax.axvline(place, color="lightgray", linewidth=0.6, zorder=0)
    feature_ticks(ax, features)
    legend_of_classes(ax, model, names, loc="center left", bbox_to_anchor=(1.01, 0.5))
    ax.set_ylabel("value" if x is None else "in standard deviations")
    bands = " and the middle half of each class" if y is not None else ""
    ax.set_title(f"{len(points)} prototypes{bands}")
    return figure


@of_kinds
def curves(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    times: ArrayLike | None = None,
    class_names: Names = None,
    channel_names: Names = None,
) -> "Figure":
    """Prototypes that are time series as curves, a panel for each class (of a clustering, for each
    cluster); some of its samples are thin lines behind them.

    **Arguments:**

    - `model`: a model whose prototypes are `(time,)` or `(time, channels)`, among the samples.
    - `x`: samples; of a clustering, those that each prototype wins are drawn behind it.
    - `y`: their classes; without them, those that the model sees.
    - `times`: the time of each value, `(time,)`; 0, 1, 2 … by default.
    - `class_names`, `channel_names`: what classes and channels are called.

    **Raises:** `ValueError` for prototypes of another shape or that live elsewhere, for more than
    36 classes, and for names or times that are not as many as what they belong to.
    """
    refuse_unsound(model)
    refuse_y_alone(x, y)
    points = _points(model, "curves")
    if points.ndim not in (2, 3):
        raise ValueError(
            f"`curves` draws series `(time,)` or `(time, channels)`, and these prototypes have "
            f"shape {points.shape[1:]}."
        )
    points = points.reshape(*points.shape[:2], -1)
    length, channels = points.shape[1:]
    classes = model.prototypes.classes
    if classes > PANELS:
        raise ValueError(
            f"`model` has {classes} classes or clusters, and {PANELS} panels are all that a figure "
            "holds: draw those of `model.select(…)`."
        )
    at = np.arange(length) if times is None else np.asarray(as_numbers(times, "times"))
    if at.shape != (length,):
        raise ValueError(f"`times` must have shape ({length},), got {at.shape}.")
    if channel_names is not None:
        channel_names = as_names(channel_names, "channel_names", {channels}, "channels")
    names = names_of_classes(model, class_names)
    series, labels = np.zeros((0, length, channels)), np.zeros(0, int)
    if x is not None:
        x, known = some_of(model, x, y)
        labels = np.asarray(model.predict(x)) if known is None else known
        series = x.reshape(len(x), length, channels)
    figure, panels = panels_of(classes, 4.2, 2.8)
    of_channels, of_classes = palette(channels), palette(classes)
    for k, ax in enumerate(panels):
        colours = of_channels if channels > 1 else of_classes[k : k + 1]
        mine = series[labels == k]
        for one in mine[:: -(-len(mine) // BEHIND) or 1]:
            for values, colour in zip(one.T, colours, strict=True):
                ax.plot(at, values, color=colour if channels > 1 else "gray", lw=0.5, alpha=0.25)
        for point in points[model.prototypes.labels == k]:
            for c, (values, colour) in enumerate(zip(point.T, colours, strict=True)):
                label = str(c) if channel_names is None else str(channel_names[c])
                ax.plot(at, values, color=colour, linewidth=2.2, label=label)
        ax.set_title(names[k], fontsize=9)
        ax.margins(x=0)
        ax.sharey(panels[0])
    columns = math.ceil(math.sqrt(classes))
    for ax in panels[-columns:]:
        ax.set_xlabel("time")
    if channels > 1:
        handles, shown = panels[0].get_legend_handles_labels()
        figure.legend(
            handles[:channels], shown[:channels], title="channel", loc="outside right center"
        )
    return figure


def _points(model: PrototypeModel, asked: str) -> np.ndarray:
    """The prototypes as they are among the samples."""
    if model.latent:
        raise ValueError(
            f"`{asked}` draws prototypes among the samples, and those of this model live in the "
            f"output space of its {type(model.encoder).__name__}."
        )
    if not model.prototypes.space.displacement_is_difference:
        raise ValueError(f"`{asked}`: points of {model.prototypes.space} have no features.")
    return points_of(model)
