"""From signals, images, quaternions and trees to points of curved spaces, on the host."""

import math
from collections.abc import Sequence

import numpy as np

from .._checks import (
    as_finite,
    as_numbers,
    of_kinds,
    of_values,
    positive_integer,
    refuse_nonfinite,
    sample_numbers,
)
from .._schedules import positive
from .._types import ArrayLike, Float, Int
from ._poincare import MARGIN, MARGIN_IN_DOUBLE


#: So many samples of a channel are multiplied in one go.
BLOCK = 2**22


@of_values
@of_kinds
def covariances(
    signals: Float[ArrayLike, "n channels times"], shrinkage: str | float | int = "oas"
) -> Float[np.ndarray, "n channels channels"]:
    """The covariance matrices of windows of signals, points of `SPD(channels)`.

    **Arguments:**

    - `signals`: n windows of many channels, each over the same number of times. The mean of each
      channel over a window is taken out.
    - `shrinkage`: how far the matrix S goes towards \\(\\mathrm{tr}(S)/\\mathrm{channels}\\) times
      the identity: a number in [0, 1], or by a rule from the window itself: `"oas"` (oracle
      approximating shrinkage, Chen et al. 2010), `"ledoit-wolf"` (Ledoit & Wolf 2004). Without it,
      windows of fewer times than channels have no positive definite matrix.

    **Raises:** `ValueError` for another shape or shrinkage, and for a window that is constant.
    """
    x = np.asarray(sample_numbers(signals, name="signals"))
    refuse_nonfinite(x, "signals")
    if x.ndim != 3 or x.shape[2] < 2:
        raise ValueError(
            f"`signals` must have shape (n, channels, times), with two times at least, got "
            f"{x.shape}."
        )
    if isinstance(shrinkage, str) and shrinkage not in ("oas", "ledoit-wolf"):
        raise ValueError(
            f"`shrinkage` must be 'oas', 'ledoit-wolf' or a number in [0, 1], got {shrinkage!r}."
        )
    if not isinstance(shrinkage, str) and not 0 <= shrinkage <= 1:
        raise ValueError(f"`shrinkage` must lie in [0, 1], got {shrinkage}.")
    rows = max(1, BLOCK // x[0].size)
    blocks = [
        _covariances(x[i : i + rows].astype(float), shrinkage) for i in range(0, len(x), rows)
    ]
    found = np.concatenate(blocks)
    if not (np.trace(found, axis1=1, axis2=2) > 0).all():
        at = int(np.argmin(np.trace(found, axis1=1, axis2=2)))
        raise ValueError(
            f"`signals`: window {at} is constant in all channels, and has no covariance."
        )
    return found.astype(
        np.promote_types(x.dtype if x.dtype.kind == "f" else np.float32, np.float32)
    )


def _covariances(
    x: Float[np.ndarray, "n c t"], shrinkage: str | float | int
) -> Float[np.ndarray, "n c c"]:
    channels, times = x.shape[1:]
    # In units of the largest entry, so that no power of it is out of range.
    unit = np.abs(x).max(axis=(1, 2), keepdims=True)
    unit[unit == 0] = 1
    v = x / unit
    # The mean of equal numbers may be another one, of their differences from the first it is zero.
    v -= v[..., :1]
    v -= v.mean(axis=2, keepdims=True)
    matrices = v @ v.swapaxes(1, 2) / times
    mean = np.trace(matrices, axis1=1, axis2=2) / channels
    squares = np.sum(matrices**2, axis=(1, 2))
    if shrinkage == "oas":
        square = squares / channels**2
        over = (times + 1) * (square - mean**2 / channels)
        share = np.where(over > 0, (square + mean**2) / np.where(over > 0, over, 1), 1)
    elif shrinkage == "ledoit-wolf":
        fourth = np.sum(np.sum(v**2, axis=1) ** 2, axis=1) / times
        spread = squares - channels * mean**2
        share = np.where(
            spread > 0, (fourth - squares) / times / np.where(spread > 0, spread, 1), 1
        )
    else:
        share = np.full(len(x), float(shrinkage))
    share = np.clip(share, 0, 1)[:, None, None]
    return ((1 - share) * matrices + share * mean[:, None, None] * np.eye(channels)) * unit**2


@of_values
def subspaces(sets: Sequence[ArrayLike] | ArrayLike, k: int) -> Float[np.ndarray, "n d k"]:
    """The subspaces that sets of vectors lie in, best: points of `Grassmannian(d, k)`.

    **Arguments:**

    - `sets`: n sets, such as the images of one object; an array (n, m, …), or arrays of different
      m. Images are flattened.
    - `k`: the dimension of the subspaces, at most the number of vectors in each set.

    **Returns:** orthonormal bases, the directions of largest energy first (singular vectors, about
    zero).

    **Raises:** `ValueError` for a set of fewer than k independent vectors.
    """
    positive_integer(k, "k")
    if not isinstance(sets, list | tuple):
        sets = np.asarray(sample_numbers(sets, None, "sets"))
    bases = []
    for i, one in enumerate(sets):
        vectors = np.asarray(as_finite(one, Float[ArrayLike, "..."], f"sets[{i}]"), float)
        vectors = vectors.reshape(len(vectors), -1) if vectors.ndim else vectors.reshape(0, 1)
        _, values, directions = np.linalg.svd(vectors, full_matrices=False)
        if (
            len(values) < k
            or values[k - 1] <= max(vectors.shape) * np.finfo(np.float32).eps * values[0]
        ):
            raise ValueError(
                f"`sets[{i}]` holds fewer than k={k} independent vectors: lower `k`, or leave it "
                f"out."
            )
        bases.append(directions[:k].T)
    if not bases or len({basis.shape for basis in bases}) > 1:
        raise ValueError(
            "`sets` must hold at least one set, and vectors of one length in all of them."
        )
    return np.stack(bases).astype(np.float32)


@of_values
@of_kinds
def rotations_from_quaternions(quaternions: Float[ArrayLike, "n 4"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotations, points of `SO(3)`, from quaternions (w, x, y, z) of any length but zero; q and -q
    are one rotation.

    Matrices that are nearly rotations become some by `SO(3).project`.

    **Raises:** `ValueError` for another shape, and for a quaternion that is zero.
    """
    q = np.asarray(sample_numbers(quaternions, (4,), "quaternions")).astype(float)
    refuse_nonfinite(q, "quaternions")
    largest = np.abs(q).max(axis=1, keepdims=True)
    if not largest.all():
        raise ValueError(f"`quaternions`: number {int(largest.argmin())} is zero, and no rotation.")
    q = q / largest
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0).astype(np.float32)


@of_values
@of_kinds
def rotations_from_axis_angle(vectors: Float[ArrayLike, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotations, points of `SO(3)`, about the directions of vectors, by their lengths as angles.

    **Raises:** `ValueError` for another shape.
    """
    v = np.asarray(sample_numbers(vectors, (3,), "vectors")).astype(float)
    refuse_nonfinite(v, "vectors")
    half = np.linalg.norm(v, axis=1, keepdims=True) / 2
    # sin(h) / 2h, which is one half at zero.
    return rotations_from_quaternions(
        np.concatenate([np.cos(half), np.sinc(half / math.pi) / 2 * v], axis=1)
    )


@of_values
@of_kinds
def embedded_tree(
    parents: Int[ArrayLike, " n"] | Sequence[int],
    length: float | None = None,
    dtype: str = "float32",
) -> Float[np.ndarray, "n 2"]:
    """A tree in the disk, points of `PoincareBall(2)`, in which distances are nearly those of the
    tree.

    Each node is at one distance from its parent, and neighbours of a node part at equal angles
    (Sarkar 2011). The longer edges are, the nearer distances between nodes are to multiples of
    them; how long they may be is what the deepest leaf allows.

    **Arguments:**

    - `parents`: the number of the parent of each node, and -1 for the root.
    - `length`: of an edge; by default as long as may be.
    - `dtype`: `"float32"` or `"float64"`, which reaches twice as deep.

    **Raises:** `ValueError` for what is no tree, and if edges are so long that leaves come too near
    to the boundary.
    """
    parents = np.asarray(as_numbers(parents, "parents"))
    if length is not None:
        positive(length, "length")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"`dtype` must be 'float32' or 'float64', got {dtype!r}.")
    if parents.ndim != 1 or parents.dtype.kind not in "iu" or (parents == -1).sum() != 1:
        raise ValueError(
            "`parents` must hold the number of the parent of each node, and -1 for one of them, "
            "the root."
        )
    if parents.max() >= len(parents) or parents.min() < -1:
        raise ValueError(
            f"`parents` must hold numbers from -1 to {len(parents) - 1}, got {parents.min()} to "
            f"{parents.max()}."
        )
    children: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(node)
    root = int(np.flatnonzero(parents == -1)[0])
    generations = [[root]]
    while generations[-1]:
        generations.append([child for node in generations[-1] for child in children[node]])
    if sum(map(len, generations)) != len(parents):
        raise ValueError("`parents` holds a circle: some nodes do not descend from the root.")
    depth, margin = len(generations) - 2, MARGIN_IN_DOUBLE if dtype == "float64" else MARGIN
    most = 2 * math.atanh(1 - margin) / max(depth, 1)
    length = 0.999 * most if length is None else float(length)
    if not 0 < length <= most:
        raise ValueError(
            f"`length` must be above 0 and at most {most:.3g} for {depth} generations, got "
            f"{length:g}."
        )
    places = np.zeros(len(parents), complex)
    for generation in generations:
        for node in generation:
            here, own = places[node], children[node]
            back = (
                -here
                if node == root
                else (places[parents[node]] - here) / (1 - np.conj(here) * places[parents[node]])
            )
            count = len(own) + (node != root)
            for i, child in enumerate(own):
                angle = np.angle(back) + 2 * math.pi * (i + (node != root)) / count
                step = math.tanh(length / 2) * np.exp(1j * angle)
                places[child] = (step + here) / (1 + np.conj(here) * step)
    return np.stack([np.real(places), np.imag(places)], axis=1).astype(dtype)
