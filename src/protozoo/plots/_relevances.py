"""What a metric looks at."""

from typing import TYPE_CHECKING

import numpy as np

from .._checks import of_kinds, positive_integer, renamed
from .._types import ArrayLike
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import (
    BY_UNIT,
    NAMED,
    ON_DATA,
    colours_of_prototypes,
    drawn_on,
    feature_ticks,
    known_features,
    legend_of_classes,
    names_of_classes,
    names_of_features,
    names_of_prototypes,
    new_figure,
    refuse_unsound,
    room_for,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@renamed(names="feature_names")
@of_kinds
def relevance_matrix(
    model: PrototypeModel, feature_names: Names = None, x: ArrayLike | None = None
) -> "Figure":
    """The matrix Λ of the metric (white is zero) beside its diagonal or, given samples, the
    relevances of the features.

    **Arguments:**

    - `model`: a model whose metric has a linear adaptation. Of a model with a scale, units are
      those of the scale.
    - `feature_names`: the features' names; those on the model's card by default.
    - `x`: samples: what features contribute on them, `model.relevances(x)`, is drawn in place of
      `model.relevance_diagonal()`, which counts units.

    **Raises:** `ValueError` if the metric has no linear adaptation.
    """
    refuse_unsound(model)
    matrix = np.asarray(model.relevance_matrix())
    relevances, which = _relevances(model, x)
    names = known_features(model, feature_names, len(relevances))
    below = 0 if names is None else room_for(names)
    figure, axes = new_figure(1, 2, figsize=(11, 3.5 + below))
    left, right = axes[0]
    bound = np.abs(matrix).max()
    figure.colorbar(left.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound), ax=left)
    left.set_title("relevance matrix Λ")
    right.bar(np.arange(len(relevances)), relevances)
    right.set_title("relevances (sum 1)")
    right.set_ylabel(which)
    if names is None:
        right.set_xlabel("feature")
    else:
        right.set_xticks(np.arange(len(relevances)), names, rotation=90)
        if len(relevances) <= NAMED:
            left.set_yticks(np.arange(len(relevances)), names, fontsize=8)
    return figure


@of_kinds
def relevance_bars(
    model: PrototypeModel,
    x: ArrayLike | None = None,
    top: int = 20,
    feature_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """The features that count most, as bars with their names; the last bar is what all others
    count together.

    **Arguments:**

    - `model`: a model whose metric has a linear adaptation.
    - `x`: samples: what features contribute on them, `model.relevances(x)`. Without them, what a
      unit of each counts, `model.relevance_diagonal()`.
    - `top`: how many features have a bar of their own at most.
    - `feature_names`: what all features are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` if the metric has no linear adaptation, and for names that are not as
    many as features.
    """
    refuse_unsound(model)
    positive_integer(top, "top")
    relevances, which = _relevances(model, x)
    names = names_of_features(model, feature_names, len(relevances))
    order = np.argsort(-relevances, kind="stable")
    first, others = order[:top], order[top:]
    heights, labels = list(relevances[first]), [names[k] for k in first]
    if len(others):
        heights.append(relevances[others].sum())
        labels.append(f"{len(others)} others")
    figure, ax = drawn_on(ax, (6, 1.2 + 0.25 * len(heights)))
    bars = ax.barh(np.arange(len(heights)), heights, color="tab:blue")
    if len(others):
        bars[-1].set(color="lightgray")
    ax.bar_label(bars, [f"{height:.1%}" for height in heights], padding=3, fontsize=8)
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel(which)
    ax.set_title("relevances")
    return figure


def _relevances(model: PrototypeModel, x: ArrayLike | None) -> tuple[np.ndarray, str]:
    """Relevances, on samples if there are any, and which ones they are."""
    if x is None:
        return np.asarray(model.relevance_diagonal()), BY_UNIT
    return np.asarray(model.relevances(x)), ON_DATA


@of_kinds
def relevance_spectrum(
    model: PrototypeModel,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """The eigenvalues of Λ, the largest first, as shares of their sum, and what the first of them
    add up to: how many directions the metric looks along.

    Of a metric with a map for each prototype, a line for each of them.

    **Arguments:**

    - `model`: a model whose metric has a linear adaptation.
    - `class_names`: what the classes are called, in whose colours lines are.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` if the metric has no linear adaptation, and for names that are not as
    many as classes.
    """
    refuse_unsound(model)
    local = model._adapted("relevance_spectrum").local
    if class_names is not None and not local:
        raise ValueError(
            f"`class_names` are those of lines for prototypes, and {type(model.metric).__name__} "
            "has one map for all of them: leave them out."
        )
    matrices = np.asarray(model.relevance_matrix(per_prototype=local), float)
    values = np.maximum(np.linalg.eigvalsh(matrices)[..., ::-1], 0)
    values = np.atleast_2d(values / values.sum(axis=-1, keepdims=True))
    figure, ax = drawn_on(ax, (6, 4))
    at = np.arange(1, values.shape[1] + 1)
    if local:
        for line, colour in zip(values, colours_of_prototypes(model), strict=True):
            ax.plot(at, line, marker="o", markersize=3, color=colour)
        legend_of_classes(ax, model, names_of_classes(model, class_names))
        ax.set_title("eigenvalues of Λ, of each prototype")
    else:
        total = np.cumsum(values[0])
        ax.bar(at, values[0], color="tab:blue", label="eigenvalue")
        ax.plot(at, total, marker="o", markersize=3, color="tab:orange", label="sum so far")
        ax.legend()
        enough = int(np.searchsorted(total, 0.95 - 1e-6)) + 1
        ax.set_title(f"eigenvalues of Λ: {enough} of {len(at)} hold 95 % of the trace")
    ax.set(xlabel="number of the eigenvalue", ylabel="share of the trace", ylim=(0, None))
    if len(at) <= NAMED // 2:
        ax.set_xticks(at)
    return figure


@of_kinds
def local_relevances(
    model: PrototypeModel,
    feature_names: Names = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Which features each prototype looks at: a row for each of them, the diagonal of its own Λ as
    shares of its trace.

    **Arguments:**

    - `model`: a model whose metric has a linear map for each prototype.
    - `feature_names`, `class_names`: what features and classes are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for a metric with one map for all, and for names that are not as many
    as what they name.
    """
    refuse_unsound(model)
    if not model._adapted("local_relevances").local:
        raise ValueError(
            f"`local_relevances` draws a row for each prototype, and {type(model.metric).__name__} "
            "has one map for all of them: `pz.plots.relevance_bars` draws it."
        )
    relevances = np.asarray(model.relevance_diagonal(per_prototype=True))
    p, d = relevances.shape
    names = names_of_features(model, feature_names, d)
    figure, ax = drawn_on(ax, (3 + min(0.35 * d, 10), 1 + min(0.32 * p, 8) + room_for(names)))
    image = ax.imshow(relevances, cmap="viridis", vmin=0, aspect="auto", interpolation="nearest")
    figure.colorbar(image, ax=ax, label=BY_UNIT)
    feature_ticks(ax, names)
    called = names_of_prototypes(model, class_names)
    if p <= NAMED:
        ax.set_yticks(np.arange(p), called)
    else:
        ax.set_ylabel("prototype")
    ax.set_title("relevances of each prototype")
    return figure
