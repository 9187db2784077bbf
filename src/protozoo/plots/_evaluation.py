"""How well a classifier does."""

from typing import TYPE_CHECKING

import numpy as np

from .._checks import of_kinds
from ..evaluation import PRINTED, Evaluation
from ._figures import new_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


@of_kinds
def evaluation(of: Evaluation) -> "Figure":
    """What a classifier takes for what, and whether it is as sure as it is right
    (`pz.evaluate(model, x, y)`).

    On the left the confusion matrix: the share of each true class (a row) that is taken for each
    class, with the number of samples. On the right the reliability diagram: for bins of confidence
    the share of samples that is right, which is the confidence itself (dashed) for probabilities
    that are frequencies; the darker a bar, the more samples.
    """
    figure, axes = new_figure(1, 2, figsize=(10, 4.5))
    left, right = axes[0]
    shares = of.confusion / np.where(of.support > 0, of.support, 1)[:, None]
    figure.colorbar(left.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=left)
    few, every = len(of.classes) <= PRINTED, np.arange(len(of.classes))
    for i, j in np.ndindex(*shares.shape) if few else ():
        colour = "white" if shares[i, j] > 0.5 else "black"
        left.text(j, i, f"{of.confusion[i, j]:g}", ha="center", va="center", color=colour)
    if few:
        left.set_xticks(every, of.classes, rotation=45, ha="right")
        left.set_yticks(every, of.classes)
    left.set(xlabel="taken for", ylabel="true class")
    left.set_title(f"accuracy {of.accuracy:.3f} ± {of.standard_errors['accuracy']:.3f}")

    share, _, correct = of.bins.T
    edges = np.linspace(0, 1, len(share) + 1)
    heights, shades = np.nan_to_num(correct), 0.25 + 0.75 * share / share.max()
    bars = right.bar(edges[:-1], heights, 1 / len(share), align="edge", edgecolor="black")
    for bar, shade in zip(bars, shades, strict=True):
        bar.set_alpha(float(shade))
    right.plot([0, 1], [0, 1], linestyle="--", color="black")
    right.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    right.set_title(f"calibration error {of.calibration_error:.3f}")
    return figure
