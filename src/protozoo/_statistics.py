"""Statistics of data on the host: in float64, in memory for a few samples, weighted if asked."""

import numpy as np

from ._types import Float


#: Numbers that are looked at together.
BLOCK = 2**20


def mean_and_variance(
    x: Float[np.ndarray, "n ..."], weight: Float[np.ndarray, " n"] | None = None
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """\\(\\bar x = \\sum_i w_i x_i / \\sum_i w_i\\) and \\(\\sum_i w_i (x_i - \\bar x)^2 / \\sum_i w_i\\), feature by feature.

    An integer weight means as many copies of a sample. Deviations are summed about the mean, in a second pass: squares
    about the origin would cancel.
    """
    share = np.full(len(x), 1 / len(x)) if weight is None else weight / weight.max()
    share = share / share.sum()
    mean = _sum(x, share, 0.0, 1)
    return mean, _sum(x, share, mean, 2)


def _sum(x: np.ndarray, share: np.ndarray, about: np.ndarray | float, power: int) -> np.ndarray:
    """\\(\\sum_i s_i (x_i - a)^k\\)."""
    total, rows = np.zeros(x.shape[1:]), max(1, BLOCK // max(1, x[0].size))
    for start in range(0, len(x), rows):
        deviations = (np.asarray(x[start : start + rows], np.float64) - about) ** power
        total += np.tensordot(share[start : start + rows], deviations, axes=1)
    return total


def weighted_median(values: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None = None) -> float:
    """The median, of as many copies of each value as its weight says."""
    if weight is None:
        return float(np.median(values))
    order = np.argsort(values)
    reached = np.cumsum(weight[order] / weight.max())
    half = reached[-1] / 2
    # The middle one; of an even number of copies, the mean of the two in the middle.
    lower, upper = np.searchsorted(reached, half, "left"), np.searchsorted(reached, half, "right")
    last = len(values) - 1
    return float((values[order[min(lower, last)]] + values[order[min(upper, last)]]) / 2)
