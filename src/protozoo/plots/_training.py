"""How training went, and how it goes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import as_numbers, of_kinds, refuse_no_file
from ..models import PrototypeModel
from ..training import AbstractCallback, Fit, View
from ._figures import drawn_on, new_figure, points_of, principal_axes, rows_of
from ._images import CHANNELS, mosaic, scaled


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What says which epoch is the best one, the first that there is.
MONITORED = ("validation_loss", "final_loss", "loss")


@of_kinds
def history(losses: Mapping[str, np.ndarray] | Fit, ax: "Axes | None" = None) -> "Figure":
    """The losses of a fit over its epochs, and its best epoch: the one with the lowest validation
    loss, or if there is none with the lowest loss.

    **Arguments:**

    - `losses`: what training returned, or its `history`.
    - `ax`: where to draw; a figure of its own by default.
    """
    losses = losses.history if isinstance(losses, Fit) else losses
    losses = {name: np.asarray(as_numbers(v, f"losses[{name!r}]")) for name, v in losses.items()}
    figure, ax = drawn_on(ax, (6, 4))
    _draw_history(ax, losses)
    ax.set(ylabel="loss", title="learning curve" + ("s" if len(losses) > 1 else ""))
    monitored = next((name for name in MONITORED if name in losses), None)
    values = np.asarray(losses[monitored], float) if monitored else np.zeros(0)
    if np.isfinite(values).any():
        best = int(np.nanargmin(values))
        ax.axvline(best + 1, color="gray", linestyle=":", zorder=0)
        label = f"best epoch: {best + 1}"
        ax.plot([best + 1], [values[best]], marker="o", color="black", linestyle="", label=label)
        ax.legend()
    return figure


class LivePlot(AbstractCallback):
    """A callback that redraws one picture while training runs: the losses beside the prototypes.

    Prototypes of two or three axes are images, `(height, width)` or `(height, width, channels)`, a
    row for each class. Others are dots coloured by class: their first two numbers or, from three
    prototypes and three numbers on, their coordinates along the two principal axes of the
    prototypes that training started with.

    **Arguments:**

    - `path`: a `.png` file; replaced as a whole, so that a viewer never sees half a picture.
    - `every`: redraw at multiples of this epoch and at the end; by default about once a second.

    **Raises:** `ValueError` for another suffix and, when training starts, for a path that is there
    and is no file.
    """

    @of_kinds
    def __init__(self, path: str | Path, every: int | None = None):
        self.path, self.every = Path(path), every
        if self.path.suffix != ".png":
            raise ValueError(f"`path` must end in .png, got {str(path)!r}.")

    def on_fit_start(self, view: View) -> None:
        refuse_no_file(self.path)
        self._axes = principal_axes(points_of(view.model))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._draw(view)

    def on_chunk_end(self, view: View) -> None:
        self._draw(view)

    def on_fit_end(self, view: View) -> None:
        pass

    def _draw(self, view: View) -> None:
        figure, ((left, right),) = new_figure(1, 2, figsize=(10, 4))
        _draw_history(left, view.history)
        left.set_title(f"epoch {view.epoch} of {view.epochs}")
        draw_prototypes(right, view.model, self._axes)
        unfinished = self.path.with_name(f".{self.path.name}.part")
        figure.savefig(unfinished, format="png")
        os.replace(unfinished, self.path)


def _draw_history(ax: Any, losses: Mapping[str, np.ndarray]) -> None:
    for name, values in losses.items():
        ax.plot(np.arange(1, len(values) + 1), values, label=name)
    ax.set_xlabel("epoch")
    ax.legend()


def draw_prototypes(ax: Any, model: PrototypeModel, axes: np.ndarray) -> None:
    points, labelled = points_of(model), model.prototypes.labelled
    labels = np.asarray(model.prototypes.labels) if labelled else np.zeros(len(points), int)
    ax.set_title("prototypes")
    if points.ndim in (3, 4):
        images = points.reshape(*points.shape[:3], -1)
        if images.shape[-1] not in CHANNELS:
            images = images.mean(axis=-1)
        images, scale = scaled(images)
        ax.imshow(mosaic(images, rows_of(model)), **scale)
        ax.set_axis_off()
        return
    x, y = axes @ points.reshape(len(points), -1).T
    dots = ax.scatter(x, y, c=labels, cmap="tab10", vmin=0, vmax=max(9, labels[-1]))
    if labelled and labels[-1] < 10:
        ax.legend(*dots.legend_elements(num=None), title="class")
