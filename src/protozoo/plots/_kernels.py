"""How far prototypes with a kernel see."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import of_kinds
from .._module import replaced
from .._types import ArrayLike
from ..metrics import AbstractKernel
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import (
    NAMED,
    colours_of_prototypes,
    drawn_on,
    legend_of_classes,
    names_of_classes,
    names_of_prototypes,
    refuse_unsound,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def kernel_widths(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """The bandwidth σ of each prototype's kernel, a bar in the colour of its class.

    Given samples, black lines say how far away those lie that the prototype is nearest to (nine in
    ten farther than the left end, one in ten farther than the right end, a dot at the median):
    where they lie far beyond the bar, the kernel hardly sees them.

    **Arguments:**

    - `model`: a model whose metric is a kernel with bandwidths (`metrics.GaussianKernel`).
    - `x`: samples.
    - `class_names`: what the classes are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for another metric, and for names that are not as many as classes.
    """
    refuse_unsound(model)
    metric = model.metric
    if not isinstance(metric, AbstractKernel):
        raise ValueError(
            f"`model`: {type(metric).__name__} has no bandwidths; that of `pz.zoo.DKGLVQ` has."
        )
    p = len(model.prototypes)
    widths = np.broadcast_to(np.asarray(metric.bandwidths), p)
    figure, ax = drawn_on(ax, (6, 1.5 + min(0.3 * p, 8)))
    ax.barh(np.arange(p), widths, color=colours_of_prototypes(model), alpha=0.7)
    if x is not None:
        inside: Any = replaced(model, metric=metric.metric)
        reach, nearest = np.sqrt(np.asarray(inside.distances(x), float)), model.distances(x)
        winner = np.asarray(nearest).argmin(axis=1)
        for j in np.unique(winner):
            low, middle, high = np.quantile(reach[winner == j, j], [0.1, 0.5, 0.9])
            ax.plot([low, high], [j, j], color="black", linewidth=1.2)
            ax.plot([middle], [j], color="black", marker="o", markersize=4)
    if p <= NAMED:
        ax.set_yticks(np.arange(p), names_of_prototypes(model, class_names))
    else:
        ax.set_ylabel("prototype")
        legend_of_classes(ax, model, names_of_classes(model, class_names))
    ax.invert_yaxis()
    what = "bandwidth σ" if x is None else "bandwidth σ (bars), distances of samples (lines)"
    ax.set(xlabel=what, xlim=(0, None), title="kernel widths")
    return figure
