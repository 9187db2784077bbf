"""How much the data vary along the coordinates that a metric adapts."""

from collections.abc import Callable

import equinox as eqx
import numpy as np

from .._types import Array, Float
from ..prototypes import Prototypes
from ._chunks import rows_per_chunk


def coordinate_variances(
    encode: Callable,
    prototypes: Prototypes,
    x: Float[Array, "n ..."],
    weight: Float[np.ndarray, " n"],
    gaps: bool,
) -> Float[np.ndarray, "q k"]:
    """The variance over samples of each coordinate of x ⊖ w, in float64; with `gaps`, NaN is left
    out.

    About every prototype, q = p. In a flat space they are all the same, q = 1: that of the features
    themselves.
    """
    space = prototypes.space
    shape = (1 if space.displacement_is_difference else len(prototypes), space.coordinate_size)
    rows = rows_per_chunk(len(x), max(x[0].size, *shape, shape[0] * shape[1]))
    total, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for start in range(0, len(x), rows):
        # All chunks are of one size, so that one program serves them: the last one reaches back.
        at = min(start, len(x) - rows)
        v = np.asarray(_coordinates(encode, prototypes, x[at : at + rows]), float)[start - at :]
        there = ~(np.isnan(v) & gaps)
        w, v = np.where(there, weight[start : start + rows, None, None], 0), np.where(there, v, 0)
        # The moments of a chunk about its own mean, merged with those before it: nothing cancels.
        new = w.sum(axis=0)
        centre = (w * v).sum(axis=0) / np.where(new > 0, new, 1)
        share, shift = new / np.where(total + new > 0, total + new, 1), centre - mean
        squares += (w * (v - centre) ** 2).sum(axis=0) + total * share * shift**2
        total, mean = total + new, mean + share * shift
    return squares / np.where(total > 0, total, 1)


@eqx.filter_jit
def _coordinates(
    encode: Callable, prototypes: Prototypes, x: Float[Array, "n ..."]
) -> Float[Array, "n q k"]:
    points = encode(x)
    if prototypes.space.displacement_is_difference:
        return points.reshape(len(points), 1, -1)
    return prototypes.space.coordinates(prototypes.points, points)
