"""Why a sample is of its class, and what it costs to be sure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._checks import as_numbers, of_kinds, positive_integer
from .._types import ArrayLike
from ..evaluation import reject_curve
from ..models import AbstractTrainable, PrototypeModel, contributions
from ..models.internal import Names, as_share
from ._figures import colours_of_prototypes, drawn_on, names_of_classes, names_of_features


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@of_kinds
def accuracy_reject(
    model: AbstractTrainable,
    x: ArrayLike,
    y: ArrayLike,
    label: str = "by confidence",
    thresholds: Sequence[float | int] | np.ndarray = (0.1, 0.25, 0.5),
    ax: "Axes | None" = None,
) -> "Figure":
    """How accurate the model is on the samples that it keeps, if it rejects those that it is least
    sure of: the accuracy–reject curve (`evaluation.reject_curve`).

    The dashed line is the best that could be: all errors are rejected first. Samples of equal
    confidence are kept together.

    **Arguments:**

    - `model`: a classifier.
    - `x`, `y`: samples and their classes, that it was not trained with.
    - `label`: what the curve is called, where several are drawn into one `ax`.
    - `thresholds`: confidences that are marked on the curve, those of `predict_with_reject`.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for classes that the model does not know, and thresholds outside
    [0, 1].

    Source: M. Nadeem, J.-D. Zucker, B. Hanczar, *Accuracy-rejection curves (ARCs) for comparing
    classification methods with a reject option*, MLSB 2010.
    """
    marked = np.asarray(as_numbers(thresholds, "thresholds")).ravel()
    for threshold in marked:
        as_share(threshold, "thresholds", "a list of confidences")
    curve = reject_curve(model, x, y)
    figure, ax = drawn_on(ax, (6, 4.5))
    (line,) = ax.plot(curve.rejected, curve.accuracy, drawstyle="steps-post", label=label)
    share = np.linspace(0, 1, 200, endpoint=False)
    best = np.minimum(curve.accuracy[0] / (1 - share), 1)
    ax.plot(
        share, best, color=line.get_color(), linestyle="--", linewidth=0.8, label="best possible"
    )
    for threshold in marked:
        place = np.searchsorted(curve.thresholds, threshold)
        if place < len(curve.thresholds):
            at = curve.rejected[place], curve.accuracy[place]
            ax.plot(*at, marker="o", color=line.get_color())
            ax.annotate(
                f"{threshold:g}", at, xytext=(4, -11), textcoords="offset points", fontsize=8
            )
    ax.set(
        xlabel="share of samples rejected",
        ylabel="accuracy on those that are kept",
        xlim=(0, 1),
        title="accuracy–reject curve",
    )
    ax.legend(loc="lower right")
    return figure


@of_kinds
def explanation(
    model: PrototypeModel,
    sample: ArrayLike,
    nearest: int = 2,
    top: int = 10,
    feature_names: Names = None,
    class_names: Names = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Why the model takes a sample for what it does: what each feature adds to its dissimilarity to
    the nearest prototype of the nearest classes (`models.contributions`).

    The bars of a prototype add up to its δ, which the legend tells: features for which the rival's
    bar is the longer one speak for the nearest class.

    **Arguments:**

    - `model`: a model with a quadratic metric in a flat space.
    - `sample`: one sample, without an axis for several.
    - `nearest`: how many classes (clusters, for a model without classes) are compared.
    - `top`: how many features have bars of their own: those that tell the two nearest apart most;
      the others share the last bars.
    - `feature_names`, `class_names`: what features and classes are called.
    - `ax`: where to draw; a figure of its own by default.

    **Raises:** `ValueError` for another metric, in a curved space, for more classes than there are,
    and for names that are not as many as what they name.
    """
    positive_integer(nearest, "nearest")
    positive_integer(top, "top")
    batch = np.asarray(sample)[None]
    nearest = min(nearest, model.prototypes.classes)
    found = contributions(model, batch, nearest, per_class=True)
    shares, constant = found.features[0].astype(float), found.constant[0].astype(float)
    features = names_of_features(model, feature_names, shares.shape[1])
    names = names_of_classes(model, class_names)
    weight = np.abs(shares[1] - shares[0]) if nearest > 1 else np.abs(shares[0])
    order = np.argsort(-weight, kind="stable")
    bars, labels = shares[:, order[:top]], [features[k] for k in order[:top]]
    if len(order) > top:
        others = shares[:, order[top:]].sum(axis=1, keepdims=True)
        bars = np.concatenate([bars, others], axis=1)
        labels.append(f"{len(order) - top} others")
    if constant.any():
        bars = np.concatenate([bars, constant[:, None]], axis=1)
        labels.append("constant")
    figure, ax = drawn_on(ax, (7, 1.6 + 0.18 * len(labels) * (nearest + 0.6)))
    at, height = np.arange(len(labels)), 0.8 / nearest
    colours, kinds = colours_of_prototypes(model), model.prototypes.labels
    for i, (j, row) in enumerate(zip(found.prototypes[0], bars, strict=True)):
        of = f"{names[kinds[j]]} (prototype {j})" if model.prototypes.labelled else f"prototype {j}"
        ax.barh(
            at + (i - (nearest - 1) / 2) * height,
            row,
            height,
            color=colours[j],
            label=f"δ = {found.distances[0, i]:.4g} to {of}",
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(at, labels)
    ax.invert_yaxis()
    ax.legend(fontsize=8, loc="best")
    seen, sure = int(model.predict(batch)[0]), float(model.confidence(batch)[0])
    kind = "class" if model.prototypes.labelled else "cluster"
    ax.set_xlabel("what the feature adds to δ")
    ax.set_title(f"{kind} {names[seen]}, confidence {sure:.2f}")
    return figure
