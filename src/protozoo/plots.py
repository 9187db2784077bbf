"""Pictures of models. matplotlib is imported when one is drawn (`pip install "protozoo[plot]"`)."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from ._namespace import public
from ._types import ArrayLike
from .models import PrototypeModel
from .training import AbstractCallback, View


if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How many channels an image may have: gray, RGB, RGBA.
CHANNELS = (1, 3, 4)


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
    model: PrototypeModel,
    shape: tuple[int, ...] | None = None,
    names: Sequence[str] | None = None,
    vmin: float | int | None = None,
    vmax: float | int | None = None,
) -> "Figure":
    """The prototypes as images, a row for each class; those without classes are laid out as a square.

    All images have one scale, so that they can be compared. Gray ones go from white, the smallest number of all
    prototypes, to black, the largest. Colours (RGB or RGBA) in 0…1 or in 0…255 are shown as they are, give or take a tenth;
    others go from their smallest number to their largest.

    **Arguments:**

    - `model`: a model whose prototypes live among the samples.
    - `shape`: the image shape, `(height, width)` or `(height, width, channels)`, if points are stored flat. One channel is
      gray, three are RGB, four RGBA.
    - `names`: the classes' names.
    - `vmin`, `vmax`: the numbers at the ends of the scale (white and black, or 0 and 1 of a colour), for instance those of the
      data, so that figures can be compared.

    **Raises:** `ValueError` for prototypes that are no images of this shape, or that live in an encoder's output space, for
    names that are not as many as classes, and an empty scale.
    """
    if _latent(model):
        raise ValueError(
            f"the prototypes of this model are no images: they live in the output space of its {type(model.encoder).__name__}. "
            "Those of a siamese model (`encode_prototypes=True`) live among the samples."
        )
    prototypes = model.prototypes
    points = np.asarray(prototypes.points)
    shape = _image_shape(shape, points.shape[1:], "a prototype")
    if len(shape) == 3 and shape[2] not in CHANNELS:
        raise ValueError(
            f"`shape` {shape} cannot be shown: an image has 1 channel (gray), 3 (RGB) or 4 (RGBA), not {shape[2]}."
        )
    classes = prototypes.classes if prototypes.labelled else 0
    if names is not None and len(names) != classes:
        raise ValueError(f"`names` must be those of the {classes} classes of the prototypes, got {len(names)} of them.")
    images, scale = _scaled(points.reshape(len(points), *shape), vmin, vmax)
    rows = _rows(model)
    columns = _columns(rows)
    figure, axes = _figure(rows[-1] + 1, columns.max() + 1, figsize=(1.2 * columns.max() + 2, 1.2 * rows[-1] + 1.2))
    for image, row, column in zip(images, rows, columns, strict=True):
        axes[row, column].imshow(image, **scale)
    for ax in axes.flat:
        if ax.images:
            ax.set_axis_off()
        else:
            ax.remove()
    for k in range(classes):
        axes[k, 0].set_title(str(k) if names is None else names[k], loc="left", fontsize=8)
    return figure


def relevance_matrix(model: PrototypeModel, names: Sequence[str] | None = None, x: ArrayLike | None = None) -> "Figure":
    """The matrix Λ of the metric (white is zero) beside its diagonal or, given samples, the relevances of the features.

    **Arguments:**

    - `model`: a model whose metric has a linear adaptation.
    - `names`: the features' names.
    - `x`: samples: what features contribute on them, `model.relevances(x)`, is drawn in place of
      `model.relevance_diagonal()`, which counts units.

    **Raises:** `ValueError` if the metric has no linear adaptation.
    """
    matrix = np.asarray(model.relevance_matrix())
    relevances = np.asarray(model.relevance_diagonal() if x is None else model.relevances(x))
    figure, axes = _figure(1, 2, figsize=(9, 4))
    left, right = axes[0]
    bound = np.abs(matrix).max()
    figure.colorbar(left.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound), ax=left)
    left.set_title("relevance matrix Λ")
    right.bar(np.arange(len(relevances)), relevances)
    right.set_title("diagonal of Λ (sum 1)" if x is None else "relevances: Λ times variance (sum 1)")
    right.set_xlabel("feature")
    if names is not None:
        right.set_xticks(np.arange(len(relevances)), names, rotation=90)
    return figure


def relevance_map(model: PrototypeModel, x: ArrayLike, shape: tuple[int, ...] | None = None) -> "Figure":
    """An image of what each pixel contributes to δ on data: `model.relevances(x)`, of colours their sum.

    **Arguments:**

    - `model`: a model that compares images pixel by pixel: in a flat space and without an encoder, by a metric with a linear
      adaptation.
    - `x`: the samples.
    - `shape`: the image shape, `(height, width)` or `(height, width, channels)`, if samples are stored flat.

    **Raises:** `ValueError` if features are no pixels, or not as many as an image has, and as `model.relevances`.
    """
    if not (model.prototypes.space.flat and isinstance(model.encoder, eqx.nn.Identity)):
        raise ValueError(
            "`relevance_map` shows features of samples, and this model compares others: those that its encoder or its curved "
            "space makes of them. Their relevances are numbers: `model.relevances(x)`."
        )
    relevances = np.asarray(model.relevances(x))
    shape = _image_shape(shape, model.prototypes.space.point_shape, "a sample")
    image = relevances.reshape(*shape[:2], -1).sum(axis=-1)
    figure, axes = _figure(1, 1, figsize=(5, 4))
    ax = axes[0, 0]
    figure.colorbar(ax.imshow(image, cmap="viridis", vmin=0), ax=ax)
    ax.set_title("relevances of pixels (sum 1)")
    ax.set_axis_off()
    return figure


def history(losses: Mapping[str, np.ndarray]) -> "Figure":
    """The losses of a fit (`fit.history`) over its epochs."""
    figure, axes = _figure(1, 1, figsize=(6, 4))
    _draw_history(axes[0, 0], losses)
    return figure


class LivePlot(AbstractCallback):
    """A callback that redraws one picture while training runs: the losses beside the prototypes.

    Prototypes of two or three axes are images, `(height, width)` or `(height, width, channels)`, a row for each class. Others
    are dots coloured by class: their first two numbers or, from three prototypes and three numbers on, their coordinates
    along the two principal axes of the prototypes that training started with.

    **Arguments:**

    - `path`: a `.png` file; replaced as a whole, so that a viewer never sees half a picture.
    - `every`: redraw at multiples of this epoch and at the end; by default about once a second.

    **Raises:** `ValueError` for another suffix.
    """

    def __init__(self, path: str | Path, every: int | None = None):
        self.path, self.every = Path(path), every
        if self.path.suffix != ".png":
            raise ValueError(f"`path` must end in .png, got {str(path)!r}.")

    def on_fit_start(self, view: View) -> None:
        self._axes = _principal_axes(np.asarray(view.model.prototypes.points, float))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._draw(view)

    def on_chunk_end(self, view: View) -> None:
        self._draw(view)

    def on_fit_end(self, view: View) -> None:
        pass

    def _draw(self, view: View) -> None:
        figure, ((left, right),) = _figure(1, 2, figsize=(10, 4))
        _draw_history(left, view.history)
        left.set_title(f"epoch {view.epoch} of {view.epochs}")
        _draw_prototypes(right, view.model, self._axes)
        unfinished = self.path.with_name(f".{self.path.name}.part")
        figure.savefig(unfinished, format="png")
        os.replace(unfinished, self.path)


def _draw_history(ax: Any, losses: Mapping[str, np.ndarray]) -> None:
    for name, values in losses.items():
        ax.plot(np.arange(1, len(values) + 1), values, label=name)
    ax.set_xlabel("epoch")
    ax.legend()


def _draw_prototypes(ax: Any, model: PrototypeModel, axes: np.ndarray) -> None:
    points, labelled = np.asarray(model.prototypes.points, float), model.prototypes.labelled
    labels = np.asarray(model.prototypes.labels) if labelled else np.zeros(len(points), int)
    ax.set_title("prototypes")
    if points.ndim in (3, 4):
        images = points.reshape(*points.shape[:3], -1)
        if images.shape[-1] not in CHANNELS:
            images = images.mean(axis=-1)
        images, scale = _scaled(images)
        ax.imshow(_mosaic(images, _rows(model)), **scale)
        ax.set_axis_off()
        return
    x, y = axes @ points.reshape(len(points), -1).T
    dots = ax.scatter(x, y, c=labels, cmap="tab10", vmin=0, vmax=max(9, labels[-1]))
    if labelled and labels[-1] < 10:
        ax.legend(*dots.legend_elements(num=None), title="class")


def _principal_axes(points: np.ndarray) -> np.ndarray:
    """Two directions to look at flat points in; they stay while the points move."""
    points = points.reshape(len(points), -1)
    if min(points.shape) < 3:
        return np.eye(2, points.shape[1])
    return np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:2]


def _latent(model: PrototypeModel) -> bool:
    """Whether prototypes live elsewhere than samples."""
    return not (model.encode_prototypes or isinstance(model.encoder, eqx.nn.Identity))


def _image_shape(shape: tuple[int, ...] | None, stored: tuple[int, ...], what: str) -> tuple[int, ...]:
    """The shape of the images that arrays of the shape `stored` hold."""
    if shape is None and len(stored) not in (2, 3):
        raise ValueError(f"`shape` is missing: {what} is stored as {stored}, which does not tell its height and width.")
    shape = stored if shape is None else tuple(shape)
    if len(shape) not in (2, 3) or math.prod(shape) != math.prod(stored):
        raise ValueError(
            f"`shape` {shape} is no image of the {math.prod(stored)} numbers of {what}: give (height, width) or (height, "
            "width, channels) with this product."
        )
    return shape


def _scaled(
    images: np.ndarray, vmin: float | int | None = None, vmax: float | int | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Images, gray or in colours between 0 and 1, and how to draw each of them: on one scale."""
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    colours = images.ndim == 4 and images.shape[-1] > 1
    if colours:
        for top in (1, 255):
            # Prototypes leave the range of their data by a little; and a range of which they use little is another one.
            if low >= -0.1 * top and 0.1 * top < high <= 1.1 * top:
                low, high = 0.0, float(top)
                break
    low, high = low if vmin is None else float(vmin), high if vmax is None else float(vmax)
    if vmin is not None and vmax is not None and not vmin < vmax:
        raise ValueError(f"`vmin` must be less than `vmax`, got {vmin} and {vmax}.")
    high = high if high > low else low + 1
    if colours:
        return np.clip((images - low) / (high - low), 0, 1), {}
    return images.reshape(images.shape[:3]), {"cmap": "gray_r", "vmin": low, "vmax": high}


def _rows(model: PrototypeModel) -> np.ndarray:
    """In which row each prototype is drawn: that of its class; those without classes are laid out as good as square."""
    count = len(model.prototypes)
    return model.prototypes.labels if model.prototypes.labelled else np.arange(count) // math.ceil(math.sqrt(count))


def _columns(rows: np.ndarray) -> np.ndarray:
    """The place of each prototype in its row."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)


def _mosaic(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Images in one, each in its row: one picture of many is drawn sooner than many pictures."""
    gray = images.ndim == 3
    images = images.reshape(*images.shape[:3], -1)
    # One pixel of nothing between neighbours.
    images = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=np.nan)
    columns = _columns(rows)
    page = np.full((rows[-1] + 1, columns.max() + 1, *images.shape[1:]), np.nan)
    page[rows, columns] = images
    page = page.swapaxes(1, 2).reshape(len(page) * images.shape[1], -1, images.shape[-1])
    # Gray images leave out what is not a number; in colours it has to be white.
    return page[..., 0] if gray else np.nan_to_num(page, nan=1.0)


__all__ = public(globals())
