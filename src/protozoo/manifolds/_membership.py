"""Whether points lie in a space, in words."""

import numpy as np
from jax.core import Tracer

from .._types import Array, Float


def rounding(points: Float[np.ndarray | Array, "p ..."]) -> float:
    """What a sum of as many entries as a point has may be off by, generously: a product of a few
    factors."""
    eps = float(np.finfo(points.dtype).eps) if points.dtype.kind == "f" else 1e-3
    return 64 * points.shape[-1] * eps


def known(points: Float[np.ndarray | Array, "p ..."]) -> Float[np.ndarray, "p ..."] | None:
    """Points in double precision, so that they are judged and not the rounding of the check;
    nothing of what is being traced."""
    return None if isinstance(points, Tracer) else np.asarray(points).astype(float)


def first(
    values: Float[np.ndarray, "p ..."], off: Float[np.ndarray, " p"], most: float, reason: str
) -> str | None:
    """The first point that is not finite, or whose `off` is above `most`; `reason` tells why, given
    `off`."""
    finite = np.all(np.isfinite(values), axis=tuple(range(1, values.ndim)))
    wrong = ~finite | ~(off <= most)
    if not wrong.any():
        return None
    i = int(np.argmax(wrong))
    return f"point {i} " + (reason.format(off=off[i]) if finite[i] else "is not finite")


def off_orthonormal(values: Float[np.ndarray, "p n k"]) -> Float[np.ndarray, " p"]:
    """How far the products of columns are from those of orthonormal ones."""
    gram = np.einsum("pij,pik->pjk", values, values)
    return np.abs(gram - np.eye(values.shape[-1])).max(axis=(1, 2))
