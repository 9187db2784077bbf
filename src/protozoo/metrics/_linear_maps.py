"""Linear maps of a displacement, and the squared norms of mapped displacements in a flat space.

A map is shared by all prototypes, or *local*: every one of its arrays then has a leading axis p,
one slice for each prototype. No map ever builds the (n, p, d) tensor of all displacements in a flat
space.
"""

import abc
import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from .._products import accumulated, product
from .._types import Array, Float, Int, PyTree
from ..manifolds import centred, pairwise_squares, regained, squared_lengths


class AbstractLinearMap(eqx.Module):
    """v ↦ vA, row vectors times a matrix that is stored in whatever form is cheap to apply.

    A map of your own, of which `apply` is all there is to know, is an `AbstractApplied`.
    """

    @abc.abstractmethod
    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        """Map row vectors (by one map: without the axis p)."""

    @abc.abstractmethod
    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """\\(\\lVert vA \\rVert^2\\) by one map."""

    @abc.abstractmethod
    def local_squared_norms(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> Float[Array, "n p"]:
        """\\(\\lVert (x_i - w_j) A_j \\rVert^2\\) for a local map."""

    @abc.abstractmethod
    def pair_gradient(
        self,
        x: Float[Array, "n d"],
        points: Float[Array, "p d"],
        columns: Int[Array, "m n"],
        g: Float[Array, "m n"],
    ) -> "PairGradient":
        """The derivatives of \\(\\sum_{ki} g_{ki} \\lVert (x_i - w_j)A_j \\rVert^2\\), j =
        `columns[k, i]`, for a local map."""


#: Derivatives by a map, by samples and by points.
PairGradient = tuple[AbstractLinearMap, Float[Array, "n d"], Float[Array, "p d"]]


class Identity(AbstractLinearMap):
    """vA = v: the plain distance of a flat space."""

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def local_squared_norms(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)

    def pair_gradient(
        self,
        x: Float[Array, "n d"],
        points: Float[Array, "p d"],
        columns: Int[Array, "m n"],
        g: Float[Array, "m n"],
    ) -> PairGradient:
        return by_displacements(
            lambda v, j, g: (self, 2 * g[:, None] * accumulated(v)), x, points, columns, g
        )


class AbstractExpanded(AbstractLinearMap):
    """A map whose squares, of local maps, are expanded into matrix products."""

    @abc.abstractmethod
    def expanded(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> tuple[Float[Array, "n p"], Float[Array, "q n"], Float[Array, "p 1"]]:
        """\\(\\lVert (x_i - w_j) A_j \\rVert^2\\) as a difference of large terms, and those which
        are positive: of the samples, (1, n) or (p, n), and of the points."""

    def local_squared_norms(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> Float[Array, "n p"]:
        squares, own, others = self.expanded(x, points)
        held = jax.lax.stop_gradient((own, others, self, x, points))
        return regained(squares, *held, _local_differences)


class Scale(AbstractExpanded):
    """A diagonal, given by its squares: \\((vA)_j = v_j a_j\\). Zeros are welcome.

    **Arguments:**

    - `squares`: \\(a_j^2\\), shape `(d,)`, or `(p, d)` for a local map.
    """

    squares: Float[Array, "*p d"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        # A square that is zero has no derivative here: it comes from a softmax or a projection,
        # which has none there either.
        positive = self.squares > 0
        roots = jnp.where(positive, jnp.sqrt(jnp.where(positive, self.squares, 1)), 0)
        return v * _for_each(roots, v)

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(v) ** 2 * _for_each(accumulated(self.squares), v), axis=-1)

    def expanded(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> tuple[Float[Array, "n p"], Float[Array, "q n"], Float[Array, "p 1"]]:
        # Σ_j a² (x - w)² expands into two matrix products.
        z, v = centred(x, points)
        own, others = (
            product(self.squares, (z * z).T),
            jnp.sum(accumulated(self.squares) * accumulated(v) ** 2, axis=1)[:, None],
        )
        return jnp.maximum(own + others - 2 * product(self.squares * v, z.T), 0).T, own, others

    def pair_gradient(
        self,
        x: Float[Array, "n d"],
        points: Float[Array, "p d"],
        columns: Int[Array, "m n"],
        g: Float[Array, "m n"],
    ) -> PairGradient:
        def gradient(
            v: Float[Array, "q d"], j: Int[Array, " q"], g: Float[Array, " q"]
        ) -> tuple[Scale, Float[Array, "q d"]]:
            squares = jax.ops.segment_sum(g[:, None] * accumulated(v) ** 2, j, len(self.squares))
            slopes = 2 * g[:, None] * accumulated(v) * accumulated(self.squares)[j]
            return Scale(squares.astype(self.squares.dtype)), slopes

        return by_displacements(gradient, x, points, columns, g)


def _for_each(factors: Float[Array, " d"], v: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """A factor for each feature, as often as there are rows."""
    if factors.shape[-1] != v.shape[-1]:  # a single one would be spread over all
        raise ValueError(f"there are {factors.shape[-1]} factors for {v.shape[-1]} features.")
    return jnp.broadcast_to(factors, v.shape)


class Residual(AbstractExpanded):
    """What an orthonormal basis leaves: vA = v - (vB)Bᵀ.

    **Arguments:**

    - `basis`: B, orthonormal columns, shape `(d, s)`, or `(p, d, s)` for a local map.

    A change of basis within its span changes nothing while the basis stays orthonormal, as it does:
    all derivatives by the basis are orthogonal to the span.
    """

    basis: Float[Array, "*p d s"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        basis = _horizontal(self.basis)
        return v - (v @ basis) @ basis.T

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        # Of what is left, rather than ‖v‖² - ‖vB‖²: near the subspace, this difference would be
        # rounding.
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def expanded(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> tuple[Float[Array, "n p"], Float[Array, "q n"], Float[Array, "p 1"]]:
        # ‖v‖² - ‖vB‖², one basis vector of every prototype at a time: a matrix product and a (p, n)
        # block each.
        z, w = centred(x, points)

        @jax.checkpoint
        def along(vectors: Float[Array, "p d"]) -> Float[Array, "p n"]:
            return (
                product(vectors, z.T)
                - jnp.sum(accumulated(w) * accumulated(vectors), axis=1)[:, None]
            ) ** 2

        rest = pairwise_squares(z, w).T
        for vectors in jnp.moveaxis(_horizontal(self.basis), -1, 0):
            rest -= along(vectors)
        return jnp.maximum(rest, 0).T, squared_lengths(z)[None], squared_lengths(w)[:, None]

    def pair_gradient(
        self,
        x: Float[Array, "n d"],
        points: Float[Array, "p d"],
        columns: Int[Array, "m n"],
        g: Float[Array, "m n"],
    ) -> PairGradient:
        # Sums over the samples of each prototype, instead of what a basis leaves of every pair.
        def total(values: Float[Array, "m n *d"]) -> Float[Array, "p *d"]:
            return jax.ops.segment_sum(
                values.reshape(-1, *values.shape[2:]), columns.reshape(-1), len(points)
            )

        def rests(share: Float[Array, "m n"]) -> Float[Array, "p d"]:
            """Σ share · (v - (vB)Bᵀ)."""
            return total(share[..., None] * v) - sum(
                total(share * along)[:, None] * b for along, b in zip(alongs, bases, strict=True)
            )

        v = accumulated(x[None] - points[columns])
        bases = [*jnp.moveaxis(accumulated(self.basis), -1, 0)]
        alongs = [jnp.sum(v * b[columns], axis=-1) for b in bases]
        share = 2 * g
        slopes = [-rests(share * along) for along in alongs]
        basis = jnp.stack(slopes, axis=-1).astype(self.basis.dtype) if slopes else self.basis
        spanned = sum(along[..., None] * b[columns] for along, b in zip(alongs, bases, strict=True))
        dx = jnp.sum(share[..., None] * (v - spanned), axis=0)
        return Residual(basis), dx.astype(x.dtype), -rests(share).astype(points.dtype)


@jax.custom_jvp
def _horizontal(basis: Float[Array, "*p d s"]) -> Float[Array, "*p d s"]:
    """An orthonormal basis, differentiated orthogonally to its span."""
    return basis


@_horizontal.defjvp
def _horizontal_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (basis,), (change,) = primals, tangents
    return basis, change - basis @ (basis.swapaxes(-1, -2) @ change)


def _local_differences(
    maps: PyTree, x: Array, points: Array, j: Int[Array, " n"] | slice
) -> Float[Array, " n"]:
    """\\(\\lVert (x_i - w_j) A_j \\rVert^2\\) for one j of each sample."""
    each = jax.tree.map(lambda a: a[j], maps)
    return jax.vmap(lambda linear, v: linear.squared_norm(v))(each, x - points[j])


class AbstractApplied(AbstractLinearMap):
    """A map of which nothing is known but how it is applied; the rest follows from `apply`."""

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def local_squared_norms(
        self, x: Float[Array, "n d"], points: Float[Array, "p d"]
    ) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)

    def pair_gradient(
        self,
        x: Float[Array, "n d"],
        points: Float[Array, "p d"],
        columns: Int[Array, "m n"],
        g: Float[Array, "m n"],
    ) -> PairGradient:
        return by_displacements(functools.partial(block_by_block, self), x, points, columns, g)


class Dense(AbstractApplied):
    """A matrix: vA.

    **Arguments:**

    - `matrix`: A, shape `(d, l)`, or `(p, d, l)` for a local map.
    """

    matrix: Float[Array, "*p d l"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v @ self.matrix


class Composed(AbstractApplied):
    """One map after the other: \\(v A_1 A_2\\).

    **Arguments:**

    - `first`, `second`: maps, both shared or both local.
    """

    first: AbstractLinearMap
    second: AbstractLinearMap

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return self.second.apply(self.first.apply(v))


def column_by_column(
    maps: AbstractLinearMap, x: Float[Array, "n d"], points: Float[Array, "p d"]
) -> Float[Array, "n p"]:
    """A few prototypes at a time: memory for a few (n, l) blocks, forwards and (recomputed)
    backwards."""

    @jax.checkpoint
    def column(one: AbstractLinearMap, w: Float[Array, " d"]) -> Float[Array, " n"]:
        return one.squared_norm(x - w[None])

    # Few samples leave a processor idle; a few prototypes at a time then make one product, but
    # never all of them. Of a program that is compiled before the number of samples is known, there
    # may be many.
    together = 1 if is_symbolic_dim(x.shape[0]) else max(1, min(len(points) // 4, 2**18 // x.size))
    return jax.lax.map(lambda args: column(*args), (maps, points), batch_size=together).T


def by_displacements(
    gradient: Callable[..., tuple[AbstractLinearMap, Float[Array, "q d"]]],
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    columns: Int[Array, "m n"],
    g: Float[Array, "m n"],
) -> PairGradient:
    """The derivatives by pairs, from `gradient(v, j, g)`: those of
    \\(\\sum_q g_q \\lVert v_q A_{j_q} \\rVert^2\\) by map and displacements v."""
    j = columns.reshape(-1)
    dmap, dv = gradient((x[None] - points[columns]).reshape(len(j), -1), j, g.reshape(-1))
    dx = jnp.sum(dv.reshape(*columns.shape, -1), axis=0).astype(x.dtype)
    return dmap, dx, -jax.ops.segment_sum(dv, j, len(points)).astype(points.dtype)


def block_by_block(
    maps: AbstractLinearMap, v: Float[Array, "m d"], j: Int[Array, " m"], g: Float[Array, " m"]
) -> tuple[AbstractLinearMap, Float[Array, "m d"]]:
    """The derivatives by pairs of any local map, the pairs sorted into blocks that share a map:
    none is copied for a pair."""
    m, d = v.shape
    p, each = (
        len(jax.tree.leaves(maps)[0]),
        sum(leaf.size // len(leaf) for leaf in jax.tree.leaves(maps)),
    )
    size = min(256, max(8, m // p))
    of, members, place = _blocks(j, p, size)
    # The last, made-up pair fills blocks up: it weighs nothing.
    weights = jnp.append(g, jnp.zeros(1, g.dtype))

    def block(at: tuple[Array, Array]) -> tuple:
        one, member = jax.tree.map(lambda a: a[at[0]], maps), at[1]

        def total(one: AbstractLinearMap, rows: Array) -> Array:
            return jnp.sum(weights[member] * one.squared_norm(rows))

        return jax.grad(total, (0, 1))(one, v[jnp.minimum(member, m - 1)])

    # As many blocks together as fit into a processor's cache.
    dmaps, dv = jax.lax.map(block, (of, members), batch_size=max(1, 2**19 // (size * d + each)))
    dmaps = jax.tree.map(
        lambda a: jax.ops.segment_sum(accumulated(a), of, p).astype(a.dtype), dmaps
    )
    return dmaps, dv.reshape(-1, d)[place]


def _blocks(
    j: Int[Array, " m"], p: int, size: int
) -> tuple[Int[Array, " b"], Int[Array, "b s"], Int[Array, " m"]]:
    """Numbers 0…m-1 in blocks that share their j: the j of each block, its members (m: none), and
    where each number went."""
    m = len(j)
    blocks = m // size + p  # every j may leave one unfilled
    order = jnp.argsort(j)
    counts = jnp.bincount(j, length=p)
    used = -(-counts // size)
    first_member, first_block = jnp.cumsum(counts) - counts, jnp.cumsum(used) - used
    grouped = j[order]
    slot = first_block[grouped] * size + jnp.arange(m) - first_member[grouped]
    members = jnp.full(blocks * size, m).at[slot].set(order)
    of = jnp.searchsorted(jnp.cumsum(used), jnp.arange(blocks), side="right")
    return (
        jnp.minimum(of, p - 1),
        members.reshape(blocks, size),
        jnp.zeros_like(order).at[order].set(slot),
    )
