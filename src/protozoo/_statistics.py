"""Statistics of data on the host: in float64, in memory for a few samples, weighted if asked."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._types import Float, Int


#: Numbers that are looked at together: in double precision, they stay in a processor's cache.
BLOCK = 2**17


def blocks(x: np.ndarray) -> Iterator[slice]:
    """Rows of `x`, a few at a time."""
    rows = max(1, BLOCK // max(1, x[0].size))
    return (slice(start, start + rows) for start in range(0, len(x), rows))


def counting(weight: Float[np.ndarray, " n"], *arrays: Any) -> tuple[Any, ...]:
    """The weights above zero, and of each array (which may be `None`) what they weigh: samples
    without weight are not there.

    Nothing is copied where there are none of them.
    """
    if weight.all():
        return weight, *arrays
    there = weight > 0
    return tuple(None if a is None else np.asarray(a)[there] for a in (weight, *arrays))


def present(
    weight: Float[np.ndarray, " n"], x: np.ndarray, y: np.ndarray | None = None
) -> tuple[Float[np.ndarray, " m"] | None, np.ndarray, np.ndarray | None]:
    """What is left without samples of weight zero; the weights are `None` if they are all equal.

    So a weight of zero is the same as absence, and weights that say nothing are the same as none,
    to the last bit.
    """
    weight, x, y = counting(weight, x, y)
    return None if weight.min() == weight.max() else weight, x, y


def shares(n: int, weight: Float[np.ndarray, " n"] | None = None) -> Float[np.ndarray, " n"]:
    """Weights that sum to one; by the largest first, because a sum of large weights may
    overflow."""
    if weight is None:
        return np.broadcast_to(1 / n, n)
    share = weight / weight.max()
    return share / share.sum()


def copies(weight: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weights as numbers of copies, which are counted: as they are or, where floats cannot hold
    their sums, in units of a power of two, the one above the largest."""
    with np.errstate(over="ignore"):
        largest, total = weight.max(), weight.sum()
    held = largest > 2.0**-960 and total < 2.0**960
    return weight if held else np.ldexp(weight, -np.frexp(largest)[1])


def mean(
    x: Float[np.ndarray, "n ..."], weight: Float[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, "..."]:
    """\\(\\bar x = \\sum_i w_i x_i / \\sum_i w_i\\), about the first sample: that of equal samples
    is exact."""
    return _mean(x, shares(len(x), weight))


def mean_and_variance(
    x: Float[np.ndarray, "n ..."], weight: Float[np.ndarray, " n"] | None = None
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """\\(\\bar x = \\sum_i w_i x_i / \\sum_i w_i\\) and
    \\(\\sum_i w_i (x_i - \\bar x)^2 / \\sum_i w_i\\), feature by feature.

    An integer weight means as many copies of a sample. Deviations are summed about the mean, in a
    second pass: squares about the origin would cancel.
    """
    share = shares(len(x), weight)
    centre = _mean(x, share)
    return centre, _sum(x, share, centre, 2)


def _mean(x: np.ndarray, share: np.ndarray) -> np.ndarray:
    return x[0] + _sum(x, share, np.asarray(x[0], np.float64), 1)


def _sum(x: np.ndarray, share: np.ndarray, about: np.ndarray, power: int) -> np.ndarray:
    """\\(\\sum_i s_i (x_i - a)^k\\)."""
    total = np.zeros(x.shape[1:])
    for rows in blocks(x):
        deviations = (np.asarray(x[rows], np.float64) - about) ** power
        total += np.tensordot(share[rows], deviations, axes=1)
    return total


def means_of_groups(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"] | None = None,
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "c d"]]:
    """The share of each group 0…c-1 of samples in the sum of weights, and its mean."""
    share, count = shares(len(x), weight), int(y.max()) + 1
    totals, sums = np.bincount(y, share, count), np.zeros((count, x.shape[1]))
    for rows in blocks(x):
        # Sorted, each group is one run of rows.
        order = np.argsort(y[rows], kind="stable")
        groups, starts = np.unique(y[rows][order], return_index=True)
        weighted = share[rows][order, None] * x[rows][order]
        sums[groups] += np.add.reduceat(weighted, starts, axis=0)
    return totals, sums / totals[:, None]


def weighted_median(
    values: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None = None
) -> float:
    """The median, of as many copies of each value as its weight says."""
    if weight is None:
        return float(np.median(values))
    order = np.argsort(values)
    # By a power of two, so that sums of whole numbers stay exact: half of all copies is often met
    # exactly.
    reached = np.cumsum(np.ldexp(weight[order], -np.frexp(weight.max())[1]))
    half = reached[-1] / 2
    # The middle one; of an even number of copies, the mean of the two in the middle.
    lower, upper = np.searchsorted(reached, half, "left"), np.searchsorted(reached, half, "right")
    last = len(values) - 1
    return float((values[order[min(lower, last)]] + values[order[min(upper, last)]]) / 2)


def weighted_mean(values: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"]) -> float:
    """The mean of as many copies of each value as its weight says."""
    return float(shares(len(values), weight) @ values)


def weighted_quantile(
    values: Float[np.ndarray, " n"], share: float, weight: Float[np.ndarray, " n"]
) -> float:
    """The smallest value that this share of all copies does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(shares(len(values), weight)[order])
    return float(values[order[min(np.searchsorted(reached, share - 1e-9), len(values) - 1)]])
