"""In which directions samples vary: on the host, in float64, and without a matrix of all samples or
of all features."""

import numpy as np

from .._checks import sample_numbers
from .._statistics import BLOCK, mean, means_of_groups, shares
from .._types import ArrayLike, Float, Int


def flat(x: ArrayLike) -> Float[np.ndarray, "n d"]:
    """Samples as rows."""
    x = np.asarray(sample_numbers(x))
    return x.reshape(len(x), -1)


def principal_directions(
    x: Float[np.ndarray, "n d"], count: int, weight: Float[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, "d l"]:
    """`count` orthonormal columns in descending order of variance, each with its largest entry
    positive.

    Beyond as many as there are samples, they are any directions in which samples do not vary.
    """
    return completed(spectrum(x, mean(x, weight)[None], None, weight)[1], count)


def varying_directions(
    x: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, "d r"]:
    """As many as there are in which samples vary by more than the rounding of sums of d terms in
    their dtype."""
    centre = mean(x, weight)
    deviations, directions = spectrum(x, centre[None], None, weight)
    size = np.sqrt(np.sum(centre**2) + np.sum(deviations**2))
    eps = np.finfo(x.dtype if x.dtype.kind == "f" else np.float32).eps
    return completed(directions, int(np.sum(deviations > len(centre) ** 0.5 * eps * size)))


def discriminant_directions(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    count: int,
    weight: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "d l"]:
    """Fisher's directions: T P, where T = (S + ε)^{-1/2} makes the scatter S within classes one, up
    to a millionth of the mean variance ε, and P are the principal directions of the class means
    after that."""
    masses, means = means_of_groups(x, y, weight)
    deviations, directions = spectrum(x, means, y, weight)
    # Without any scatter, the unit of the data serves as well as any.
    floor = 1e-3 * np.sqrt(np.sum(deviations**2) / x.shape[1]) or 1.0
    gains = 1 / np.hypot(deviations, floor) - 1 / floor

    def whitened(rows: np.ndarray) -> np.ndarray:
        return rows / floor + ((rows @ directions) * gains) @ directions.T

    between = np.linalg.svd(
        whitened(np.sqrt(masses)[:, None] * (means - masses @ means)), full_matrices=False
    )[2].T
    return signed(whitened(completed(between, count).T).T)


def spectrum(
    x: Float[np.ndarray, "n d"],
    means: Float[np.ndarray, "c d"],
    y: Int[np.ndarray, " n"] | None = None,
    weight: Float[np.ndarray, " n"] | None = None,
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "d r"]]:
    """Standard deviations from the mean (of each sample's group y), descending, and their
    directions; r = min(n, d).

    Singular values of the deviations, not eigenvalues of their covariance, which lose what is below
    the root of the precision. An orthogonal transformation of rows changes neither values nor
    directions: a few rows at a time are turned, with what is left of those before, into a triangle
    of d rows.
    """
    share, left = np.sqrt(shares(len(x), weight)), np.zeros((0, x.shape[1]))
    rows = max(BLOCK // x.shape[1], x.shape[1])
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        deviations = share[part, None] * (x[part] - means[0 if y is None else y[part]])
        left = np.concatenate([left, deviations])
        if len(left) > x.shape[1]:
            left = np.linalg.qr(left, mode="r")
    _, deviations, directions = np.linalg.svd(left, full_matrices=False)
    return deviations, directions.T


def completed(directions: Float[np.ndarray, "d r"], count: int) -> Float[np.ndarray, "d l"]:
    """The first `count` of some orthonormal columns, and further ones where there are not as
    many."""
    if (missing := count - directions.shape[1]) > 0:
        # What is orthogonal to the columns there are, of any others.
        others = np.random.default_rng(0).normal(size=(len(directions), missing))
        turned = np.linalg.qr(np.concatenate([directions, others], axis=1))[0]
        directions = np.concatenate([directions, turned[:, -missing:]], axis=1)
    return signed(directions[:, :count])


def signed(directions: Float[np.ndarray, "d l"]) -> Float[np.ndarray, "d l"]:
    """Columns with their largest entry positive: a sign of their own, which no rounding chooses."""
    return directions * np.sign(
        directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    )
