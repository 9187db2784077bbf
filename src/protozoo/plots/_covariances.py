"""The components of a mixture."""

from typing import TYPE_CHECKING

import numpy as np

from .._checks import of_kinds, renamed
from .._types import ArrayLike
from ..metrics import Mahalanobis
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import back_to_data, draw_samples, drawn_on, in_plane, refuse_unsound, some_of


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@renamed(names="class_names")
@of_kinds
def covariances(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Ellipses of one and of two standard deviations about the components of a mixture, over the
    data.

    Two features are drawn as they are; more of them, and what covariances look like there, along
    the two principal axes of the data.

    **Arguments:**

    - `model`: a model whose metric is a `Mahalanobis`.
    - `x`, `y`, `class_names`: as for `graph`.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for another metric.
    """
    refuse_unsound(model)
    if not isinstance(model.metric, Mahalanobis):
        raise ValueError(
            f"`model`: {type(model.metric).__name__} has no covariances; `pz.zoo.GaussianMixture` "
            f"has."
        )
    from matplotlib.patches import Ellipse

    x, y = some_of(model, x, y)
    figure, ax = drawn_on(ax, (6, 5))
    data, points, directions = in_plane(model, x, ax)
    draw_samples(ax, data, y, class_names)
    each = np.asarray(model.metric.covariance.matrices(len(points), directions.shape[1]), float)
    directions = directions @ back_to_data(model, directions.shape[1])
    for point, covariance in zip(points, directions @ each @ directions.T, strict=True):
        variances, across = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(across[1, 1], across[0, 1]))
        for deviations in (1, 2):
            height, width = 2 * deviations * np.sqrt(np.maximum(variances, 0))
            ax.add_patch(
                Ellipse(
                    point,
                    width,
                    height,
                    angle=angle,
                    fill=False,
                    edgecolor="black",
                    linewidth=2 / deviations,
                )
            )
    ax.scatter(*points.T, s=22, c="white", edgecolors="black", zorder=3)
    ax.set_title(f"{len(points)} components, one and two standard deviations")
    return figure
