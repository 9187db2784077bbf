"""Prototypes that are mixtures of samples, of which nothing is known but how much they differ."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_finite, here, known_value, of_kinds, of_values, on_device
from .._module import hyper
from .._products import accumulated, product
from .._types import Array, ArrayLike, Float, Int
from ..prototypes import Prototypes
from ._base import ALL, AbstractMixing, Columns


#: How far matrices that other programs computed may be from symmetric ones, relative to their
#: largest entry.
ROUNDING = 1e-5


class Relational(AbstractMixing):
    """\\(\\delta_{ij} = (x_i\\alpha_j) - \\tfrac12 \\alpha_j^\\top D \\alpha_j\\): a sample is its
    row \\(x_i\\) of dissimilarities to N reference samples, and a prototype a mixture of these,
    with coefficients \\(\\alpha_j\\) in the `manifolds.Simplex(N)`.

    If D holds squared distances of vectors \\(v_k\\), δ is the squared distance of the sample from
    \\(w_j = \\sum_k \\alpha_{jk} v_k\\), without any of them. Symmetric D of whatever origin
    (alignments, edit distances, divergences made symmetric) are squared distances of a
    pseudo-Euclidean space, which may be negative. A sample that is nearer than zero to a prototype
    is at zero from its nearest one, and as much farther from all: order and differences of its
    dissimilarities are what they were, and the derivative is theirs.

    **Arguments:**

    - `dissimilarities`: D, those of the reference samples (of training, mostly), `(N, N)`,
      symmetric with a diagonal of zeros; *squared* distances, where they are distances. Of a
      kernel: `dissimilarities_of`. Of other programs, symmetric to a relative 1e-5.

    Samples to come are rows `(n, N)`, too: their dissimilarities to the same references, in the
    same order. Rules that average samples (`AlternatingOptimization`, `MedianOptimization`) know a
    reference sample by its row, and refuse others; gradient descent learns from any rows.

    An evaluation takes nNp steps for n samples, and N²p for p prototypes; `models.sparse` makes N
    smaller.

    **Raises:** `ValueError` for a matrix that is not square, not symmetric, or has other numbers
    than zeros on its diagonal.

    Source: B. Hammer, D. Hofmann, F.-M. Schleif, X. Zhu, *Learning vector quantization for
    (dis-)similarities*, Neurocomputing 131, 2014; R. Hathaway, J. Davenport, J. Bezdek, *Relational
    duals of the c-means clustering algorithms*, Pattern Recognition 22, 1989.
    """

    dissimilarities: Float[Array, "N N"] = hyper()
    takes_dissimilarities: ClassVar[bool] = True

    def __check_init__(self):
        shape = self.dissimilarities.shape
        if shape[0] != shape[1] or len(self.dissimilarities) < 2:
            raise ValueError(
                f"`dissimilarities` must be a square matrix (N, N) of N > 1 samples, got {shape}."
            )
        if (known := known_value(self.dissimilarities)) is None:
            return
        values = np.asarray(known)
        most = ROUNDING * np.abs(values).max()
        if (asymmetry := np.abs(values - values.T).max()) > most:
            raise ValueError(
                f"`dissimilarities` must be symmetric; entries differ from their mirror images by "
                f"up to {asymmetry:.3g}: pass (D + D.T) / 2, if that is what you mean."
            )
        if (largest := np.abs(values.diagonal()).max()) > most:
            raise ValueError(
                f"`dissimilarities` must have zeros on the diagonal, got {largest:.3g}. Of "
                "similarities, take `metrics.dissimilarities_of(…)`."
            )

    @classmethod
    @of_values
    @of_kinds
    def from_rows(cls, x: Float[ArrayLike, "n N"]) -> "Relational":
        """The metric of reference samples from the rows of some of them.

        **Arguments:**

        - `x`: the (N, N) matrix D, or rows of it, each once or several times. A row belongs to the
          first column in which it is zero. Dissimilarities between samples whose rows are all
          missing are zero, and are best given no coefficients.

        **Raises:** `ValueError` for rows without a zero, and rows that contradict each other: then
        they are no rows of one symmetric matrix.
        """
        rows = np.asarray(as_finite(x, Float[Array, "n N"], "x"))
        n, count = rows.shape
        if n == count and not rows.diagonal().any():
            return cls(on_device(rows))
        zero = rows == 0
        if not (has := zero.any(axis=1)).all():
            raise ValueError(
                "`x` must hold dissimilarities of samples, each with a zero for itself; row "
                f"{int(has.argmin())} has none. Of similarities, take "
                "`metrics.dissimilarities_of(…)`."
            )
        column = zero.argmax(axis=1)
        whole = np.zeros((count, count), rows.dtype)
        whole[column] = rows
        # What is known of one of two samples is known of the other one.
        seen = np.isin(np.arange(count), column)
        whole[np.ix_(~seen, seen)] = whole[np.ix_(seen, ~seen)].T
        if not np.array_equal(whole[column], rows):
            raise ValueError(
                "`x` must hold rows of one symmetric matrix of dissimilarities; there are two rows "
                "for the same sample that differ. Pass the whole (N, N) matrix."
            )
        return cls(jnp.asarray(whole))

    def squared(self, x: Float[Array, "n N"], prototypes: Prototypes) -> Float[Array, "n p"]:
        points = prototypes.points
        if points.shape[1:] != (count := (len(self.dissimilarities),)):
            raise ValueError(
                f"prototypes must be coefficients of {count[0]} samples, of shape {count}, got "
                f"{points.shape[1:]}."
            )
        # Written as the transpose of (p, n), like all dissimilarities.
        return (product(points, x.T) - self._own_terms(points)[:, None]).T

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        """Not below zero; what is added to a row carries no derivative."""
        below = jnp.minimum(jnp.min(jax.lax.stop_gradient(squared).T, axis=0), 0)
        return (squared.T - below[None]).T

    def places(self, x: Float[Array, "n N"]) -> Float[Array, "n N"]:
        """One for the reference sample that each row belongs to, and zero for all others; NaN for a
        row that belongs to none."""
        return _places(self, x)

    def samples_at(self, points: Float[Array, "p N"]) -> Float[Array, "p N"]:
        """The rows that mixtures of reference samples have."""
        return points @ accumulated(self.dissimilarities) - self._own_terms(points)[:, None]

    def refuse_unplaced(self, x: Float[np.ndarray | Array, "n ..."], name: str = "x") -> None:
        found = np.asarray(_found(self, here(x)))
        if (found == x.shape[1]).any():
            raise ValueError(
                f"`{name}` must hold rows of the dissimilarities that the metric knows, as a rule "
                f"that averages samples needs them; row {int((found == x.shape[1]).argmax())} is "
                "none of them. Gradient descent learns from other samples, too."
            )

    def _own_terms(self, points: Float[Array, "p N"]) -> Float[Array, " p"]:
        """\\(\\tfrac12 \\alpha_j^\\top D \\alpha_j\\)."""
        points = accumulated(points)
        return 0.5 * jnp.sum(points * (points @ accumulated(self.dissimilarities)), axis=1)

    def _found(self, x: Float[Array, "n N"]) -> Int[Array, " n"]:
        """Which reference samples rows belong to: where they are zero, and equal to the row there;
        N, where there is none."""
        known, count = self.dissimilarities.astype(x.dtype), x.shape[1]
        # Their own column holds what the diagonal holds there: zero, but for rounding elsewhere.
        could_be = x == jnp.diagonal(known)[None]
        columns = jnp.arange(count)

        def next_candidate(at: Any) -> Int[Array, " n"]:
            later = could_be & (columns[None] > at[:, None])
            return jnp.min(jnp.where(later, columns[None], count), axis=1)

        def wrong(at: Int[Array, " n"]) -> Array:
            return (at < count) & jnp.any(known[jnp.minimum(at, count - 1)] != x, axis=1)

        first = next_candidate(jnp.full(len(x), -1))

        def step(carry: Any) -> Any:
            at, off = carry
            at = jnp.where(off, next_candidate(at), at)
            return at, wrong(at)

        return jax.lax.while_loop(lambda carry: jnp.any(carry[1]), step, (first, wrong(first)))[0]


@eqx.filter_jit
def _places(metric: Relational, x: Float[Array, "n N"]) -> Float[Array, "n N"]:
    found = metric._found(x)
    one_hot = jax.nn.one_hot(found, x.shape[1], dtype=x.dtype)
    return jnp.where((found < x.shape[1])[:, None], one_hot, jnp.nan)


@eqx.filter_jit
def _found(metric: Relational, x: Float[Array, "n N"]) -> Int[Array, " n"]:
    return metric._found(x)


@of_values
@of_kinds
def dissimilarities_of(
    similarities: Float[ArrayLike, "n N"],
    own: Float[ArrayLike, " n"] | None = None,
    of_references: Float[ArrayLike, " N"] | None = None,
) -> Float[Array, "n N"]:
    """\\(d_{ij} = s_{ii} + s_{jj} - 2 s_{ij}\\): squared distances from inner products, such as
    those of a kernel.

    **Arguments:**

    - `similarities`: the (N, N) matrix, or rows of new samples, `(n, N)`.
    - `own`: of new samples, the similarity of each to itself, `(n,)`; by default, the diagonal.
    - `of_references`: that of each reference sample to itself, `(N,)`; by default, the diagonal.

    **Raises:** `ValueError` for a matrix that is not square, without the other two arguments, or
    for one of them alone.
    """
    values = as_finite(similarities, Float[Array, "n N"], "similarities")
    if (own is None) != (of_references is None):
        raise ValueError("`own` and `of_references` belong together: give both, or none.")
    if own is None or of_references is None:
        if values.shape[0] != values.shape[1]:
            raise ValueError(
                f"`similarities` of shape {values.shape} have no diagonal: give `own` and "
                "`of_references`, the similarities of samples to themselves."
            )
        diagonal = jnp.diagonal(values)
        distances = diagonal[:, None] + diagonal[None] - 2 * values
        return distances * (1 - jnp.eye(len(values), dtype=values.dtype))
    sides = (
        as_finite(own, Float[Array, " n"], "own"),
        as_finite(of_references, Float[Array, " N"], "of_references"),
    )
    if (shapes := (sides[0].shape, sides[1].shape)) != tuple((size,) for size in values.shape):
        raise ValueError(
            f"`own` and `of_references` of shapes {shapes} do not fit similarities of shape "
            f"{values.shape}."
        )
    return sides[0][:, None] + sides[1][None] - 2 * values
