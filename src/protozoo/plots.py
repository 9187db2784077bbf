"""Pictures of models. matplotlib is imported when one is drawn (`pip install "protozoo[plot]"`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .models import PrototypeModel


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figure(*args: Any, **kwargs: Any) -> tuple:
    """A figure that belongs to no window, so that drawing works without a display and leaves nothing open."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "protozoo[plot]"') from error
    figure = Figure(layout="constrained", **kwargs)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(*args, squeeze=False)


def prototype_images(
    model: PrototypeModel, shape: tuple[int, ...] | None = None, names: Sequence[str] | None = None
) -> "Figure":
    """The prototypes as images, a row for each class.

    **Arguments:**

    - `model`: a model whose prototypes live among the samples.
    - `shape`: the image shape, `(height, width)` or `(height, width, channels)`, if points are stored flat.
    - `names`: the classes' names.

    **Raises:** `ValueError` if a point does not have as many entries as an image.
    """
    points = np.asarray(model.prototypes.points)
    shape = points.shape[1:] if shape is None else shape
    if np.prod(shape) != points[0].size or len(shape) not in (2, 3):
        raise ValueError(f"`shape` {shape} is no image of the {points[0].size} entries of a prototype.")
    labels = model.prototypes.labels if model.prototypes.labelled else np.zeros(len(points), int)
    counts = np.bincount(labels)
    figure, axes = _figure(len(counts), counts.max(), figsize=(1.2 * counts.max() + 0.8, 1.2 * len(counts)))
    for ax in axes.flat:
        ax.set_axis_off()
    for k, row in enumerate(axes):
        for ax, point in zip(row, points[labels == k], strict=False):
            ax.imshow(point.reshape(shape), cmap="gray_r")
        row[0].set_title(str(k) if names is None else names[k], loc="left", fontsize=8)
    return figure


def relevance_matrix(model: PrototypeModel, names: Sequence[str] | None = None) -> "Figure":
    """The matrix Λ of the metric (white is zero) beside the relevances of the features.

    **Raises:** `ValueError` if the metric is not quadratic.
    """
    matrix, relevances = np.asarray(model.relevance_matrix()), np.asarray(model.relevances())
    figure, axes = _figure(1, 2, figsize=(9, 4))
    left, right = axes[0]
    bound = np.abs(matrix).max()
    figure.colorbar(left.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound), ax=left)
    left.set_title("relevance matrix Λ")
    right.bar(np.arange(len(relevances)), relevances)
    right.set_title("relevances (diagonal of Λ, sum 1)")
    right.set_xlabel("feature")
    if names is not None:
        right.set_xticks(np.arange(len(relevances)), names, rotation=90)
    return figure


def history(losses: dict[str, np.ndarray]) -> "Figure":
    """The losses of a fit (`fit.history`) over its epochs."""
    figure, axes = _figure(1, 1, figsize=(6, 4))
    for name, values in losses.items():
        axes[0, 0].plot(np.arange(1, len(values) + 1), values, label=name)
    axes[0, 0].set_xlabel("epoch")
    axes[0, 0].legend()
    return figure
