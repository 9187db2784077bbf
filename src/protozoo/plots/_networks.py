"""Recurrent networks: how they come to rest, and what is connected."""

from typing import TYPE_CHECKING

import numpy as np

from .._checks import of_kinds
from ..networks import LayerMap, Settling
from ..networks.internal import described
from ._figures import drawn_on, new_figure


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def settling(how: Settling) -> "Figure":
    """How a network came to rest (`network.settling(x)`): which share of its units moved in each
    step, and after how many steps nothing of a sample moved any more."""
    figure, axes = new_figure(1, 2, figsize=(10, 4))
    left, right = axes[0]
    flips = np.asarray(how.flips)
    left.plot(np.arange(1, len(flips) + 1), flips, marker="o")
    left.set(xlabel="step", ylabel="share of units that move", ylim=(0, None))
    right.hist(np.asarray(how.steps), bins=np.arange(len(flips) + 2) - 0.5)
    right.set(xlabel="steps until nothing moves", ylabel="samples")
    right.set_title(f"{np.mean(np.asarray(how.settled)):.1%} at rest")
    return figure


@of_kinds
def layer_map(layers: LayerMap, ax: "Axes | None" = None) -> "Figure":
    """The edges between layers: a row for each receiver, a column for each sender; those that learn
    are darker.

    **Arguments:**

    - `layers`: layers, and the edges between them.
    - `ax`: where to draw; a figure of its own by default.
    """
    count = len(layers.units)
    shade = np.full((count, count), np.nan)
    for (i, j), edge in layers.items():
        shade[i, j] = 0.5 if edge.loss is None else 1.0
    figure, ax = drawn_on(ax, (2.2 * count + 1, 1.4 * count + 1))
    ax.imshow(shade, cmap="Blues", vmin=0, vmax=2, aspect="auto")
    for (i, j), edge in layers.items():
        ax.text(j, i, described(edge).replace(" ", "\n"), ha="center", va="center", fontsize=8)
    names = [f"{k}: {type(layer).__name__}({layer.size})" for k, layer in enumerate(layers.units)]
    ax.set_xticks(np.arange(count), names)
    ax.set_yticks(np.arange(count), names)
    ax.set(xlabel="from", ylabel="to")
    return figure
