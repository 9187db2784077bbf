"""How much of the accuracy survives changes of samples."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._checks import of_kinds
from .._types import ArrayLike
from ..models import PrototypeModel
from ..trust import certify
from ._figures import drawn_on


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def certified_accuracy(
    models: PrototypeModel | Mapping[str, PrototypeModel],
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: float | int = 2,
    method: str = "exact",
    ax: "Axes | None" = None,
) -> "Figure":
    """The certified accuracy over the radius: the share of samples that are decided rightly
    however they are changed by less than that.

    **Arguments:**

    - `models`: a model, or several by name, a line for each.
    - `x`, `y`: samples and their classes.
    - `norm`, `method`: as `trust.certify` has them.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` as `trust.certify` does.
    """
    several = models if isinstance(models, Mapping) else {"": models}
    figure, ax = drawn_on(ax, (5, 3.6))
    for name, model in several.items():
        radii = np.sort(certify(model, x, y, norm=norm, method=method).radii)  # pyright: ignore[reportArgumentType]
        radii, count = radii[radii > 0], len(radii)
        finite = radii[np.isfinite(radii)]
        # After the radius of each sample, one fewer is left.
        shares = (len(radii) - np.arange(len(finite) + 1)) / count
        ax.step(np.r_[0, finite], shares, where="post", label=name)
    words = {1.0: "the norm of one", 2.0: "the Euclidean norm"}.get(norm, "the largest change")
    ax.set(xlabel=f"radius, in {words}", ylabel="certified accuracy", ylim=(0, 1), xlim=(0, None))
    if isinstance(models, Mapping):
        ax.legend()
    return figure
