"""Prototypes and relevances as images."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import of_kind, of_kinds, renamed
from .._types import ArrayLike
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import (
    ON_DATA,
    columns_of,
    drawn_on,
    known_classes,
    new_figure,
    refuse_unsound,
    rows_of,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How many channels an image may have: gray, RGB, RGBA.
CHANNELS = (1, 3, 4)


@renamed(names="class_names")
@of_kinds
def prototype_images(
    model: PrototypeModel,
    shape: tuple[int, ...] | None = None,
    class_names: Names = None,
    vmin: float | int | None = None,
    vmax: float | int | None = None,
) -> "Figure":
    """The prototypes as images, a row for each class; those without classes are laid out as a
    square.

    They are in the units of the data. All images have one scale, so that they can be compared. Gray
    ones go from white, the smallest number of all prototypes, to black, the largest. Colours (RGB
    or RGBA) in 0…1 or in 0…255 are shown as they are, give or take a tenth; others go from their
    smallest number to their largest.

    **Arguments:**

    - `model`: a model whose prototypes live among the samples.
    - `shape`: the image shape, `(height, width)` or `(height, width, channels)`, if points are
      stored flat. One channel is gray, three are RGB, four RGBA.
    - `class_names`: the classes' names.
    - `vmin`, `vmax`: the numbers at the ends of the scale (white and black, or 0 and 1 of a
      colour), for instance those of the data, so that figures can be compared.

    **Raises:** `ValueError` for prototypes that are no images of this shape, or that live in an
    encoder's output space, for names that are not as many as classes, and an empty scale.
    """
    refuse_unsound(model)
    if model.latent:
        raise ValueError(
            "the prototypes of this model are no images: they live in the output space of its "
            f"{type(model.encoder).__name__}. Those of a siamese model (`encode_prototypes=True`) "
            "live among the samples."
        )
    prototypes = model.prototypes
    points = np.asarray(model.in_data_units())
    shape = image_shape(shape, points.shape[1:], "a prototype")
    if len(shape) == 3 and shape[2] not in CHANNELS:
        raise ValueError(
            f"`shape` {shape} cannot be shown: an image has 1 channel (gray), 3 (RGB) or 4 (RGBA), "
            f"not {shape[2]}."
        )
    classes = prototypes.classes if prototypes.labelled else 0
    names = known_classes(model, class_names, classes)
    images, scale = scaled(points.reshape(len(points), *shape), vmin, vmax)
    rows = rows_of(model)
    columns = columns_of(rows)
    figure, axes = new_figure(
        rows[-1] + 1, columns.max() + 1, figsize=(1.2 * columns.max() + 2, 1.2 * rows[-1] + 1.2)
    )
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


@of_kinds
def relevance_map(
    model: PrototypeModel,
    x: ArrayLike,
    shape: tuple[int, ...] | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """An image of what each pixel contributes to δ on data: `model.relevances(x)`, of colours their
    sum.

    **Arguments:**

    - `model`: a model that compares images pixel by pixel: in a flat space and without an encoder,
      by a metric with a linear adaptation.
    - `x`: the samples.
    - `shape`: the image shape, `(height, width)` or `(height, width, channels)`, if samples are
      stored flat.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` if features are no pixels, or not as many as an image has, and as
    `model.relevances`.
    """
    refuse_unsound(model)
    if not (model.prototypes.space.displacement_is_difference and not model.has_encoder):
        raise ValueError(
            "`relevance_map` shows features of samples, and this model compares others: those "
            "that its encoder or its curved space makes of them. Their relevances are numbers: "
            "`model.relevances(x)`."
        )
    relevances = np.asarray(model.relevances(x))
    shape = image_shape(shape, model.prototypes.space.point_shape, "a sample")
    image = relevances.reshape(*shape[:2], -1).sum(axis=-1)
    figure, ax = drawn_on(ax, (5, 4))
    figure.colorbar(ax.imshow(image, cmap="viridis", vmin=0), ax=ax, label=ON_DATA)
    ax.set_title("relevances of pixels (sum 1)")
    ax.set_axis_off()
    return figure


def image_shape(
    shape: tuple[int, ...] | None, stored: tuple[int, ...], what: str
) -> tuple[int, ...]:
    """The shape of the images that arrays of the shape `stored` hold."""
    if shape is None and len(stored) not in (2, 3):
        raise ValueError(
            f"`shape` is missing: {what} is stored as {stored}, which does not tell its height and "
            f"width."
        )
    shape = stored if shape is None else tuple(of_kind(shape, tuple[int, ...], "shape"))
    if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape) != math.prod(stored):
        raise ValueError(
            f"`shape` {shape} is no image of the {math.prod(stored)} numbers of {what}: give "
            "(height, width) or (height, width, channels) with this product."
        )
    return shape


def scaled(
    images: np.ndarray, vmin: float | int | None = None, vmax: float | int | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Images, gray or in colours between 0 and 1, and how to draw each of them: on one scale."""
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    colours = images.ndim == 4 and images.shape[-1] > 1
    if colours:
        for top in (1, 255):
            # Prototypes leave the range of their data by a little; and a range of which they use
            # little is another one.
            if low >= -0.1 * top and 0.1 * top < high <= 1.1 * top:
                low, high = 0.0, float(top)
                break
    low, high = low if vmin is None else float(vmin), high if vmax is None else float(vmax)
    for name, bound in (("vmin", vmin), ("vmax", vmax)):
        if bound is not None and not math.isfinite(bound):
            raise ValueError(f"`{name}` must be finite, got {bound}.")
    if vmin is not None and vmax is not None and not vmin < vmax:
        raise ValueError(f"`vmin` must be less than `vmax`, got {vmin} and {vmax}.")
    high = high if high > low else low + 1
    if colours:
        return np.clip((images - low) / (high - low), 0, 1), {}
    return images.reshape(images.shape[:3]), {"cmap": "gray_r", "vmin": low, "vmax": high}


def mosaic(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Images in one, each in its row: one picture of many is drawn sooner than many pictures."""
    gray = images.ndim == 3
    images = images.reshape(*images.shape[:3], -1)
    # One pixel of nothing between neighbours.
    images = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=np.nan)
    columns = columns_of(rows)
    page = np.full((rows[-1] + 1, columns.max() + 1, *images.shape[1:]), np.nan)
    page[rows, columns] = images
    page = page.swapaxes(1, 2).reshape(len(page) * images.shape[1], -1, images.shape[-1])
    # Gray images leave out what is not a number; in colours it has to be white.
    return page[..., 0] if gray else np.nan_to_num(page, nan=1.0)
