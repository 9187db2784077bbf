"""What a metric answers, and what it must answer besides so that closed forms can be found for
it."""

import abc
from typing import ClassVar, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._module import AbstractScaleFree
from .._products import accumulated, flattened, is_low
from .._types import Array, ArrayLike, Float, Int
from ..manifolds import centred, shared_squares
from ..prototypes import Prototypes
from ._linear_maps import AbstractExpanded, AbstractLinearMap, Identity
from ._pairs import all_entries, chosen_local, chosen_shared


#: Which prototypes the columns of a matrix belong to, as an index of anything that has an entry for
#: each prototype.
Columns = slice | Int[Array, "m n"]
ALL = slice(None)


def in_columns(
    values: Float[Array, "*p"], at: Columns, matrix: Float[Array, "a b"]
) -> Float[Array, "a b"]:
    """What each prototype has (or, a scalar, all of them), where its column is in a matrix."""
    return jnp.broadcast_to(values[at] if values.ndim else values, matrix.shape)


class AbstractMetric(eqx.Module):
    """A dissimilarity of samples and prototypes; any function of the pair will do."""

    #: Whether it has a derivative that learning could follow.
    differentiable: ClassVar[bool] = True
    #: Whether samples may have gaps, features that are NaN.
    takes_gaps: ClassVar[bool] = False
    #: Whether a sample holds dissimilarities to reference samples, rather than features.
    takes_dissimilarities: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        """The dissimilarities δ, small where a sample resembles a prototype."""


class AbstractSaturating(AbstractMetric):
    """A metric whose δ has a limit far away: floats cannot tell there which prototype is the
    nearest, and what δ is a function of can."""

    @abc.abstractmethod
    def told_apart(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        """δ, where needed with that of the nearest prototype made smaller by a rounding."""


def told_apart(
    metric: AbstractMetric, x: Float[Array, "n ..."], prototypes: Prototypes
) -> Float[Array, "n p"]:
    """The dissimilarities for a decision."""
    if isinstance(metric, AbstractSaturating):
        return metric.told_apart(x, prototypes)
    return metric(x, prototypes)


class AbstractCentroidal(AbstractMetric):
    """A metric under which means are best: δ = radial(s), with s such that Σ W·s is least where a
    prototype is the mean of the places of samples under the weights W."""

    @abc.abstractmethod
    def squared(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        """The dissimilarities s that means minimise."""

    @abc.abstractmethod
    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        """The dissimilarities δ as a function of them; `at` tells which prototypes these belong
        to."""

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        return self.radial(self.squared(x, prototypes), prototypes)


class AbstractMixing(AbstractCentroidal):
    """A metric for which samples are no points of the prototypes' space: each has a place there,
    and prototypes are mixtures of these."""

    @abc.abstractmethod
    def places(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Where samples lie among prototypes."""

    @abc.abstractmethod
    def samples_at(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The samples that lie at points; the inverse of `places`."""

    @abc.abstractmethod
    def refuse_unplaced(self, x: Float[np.ndarray | Array, "n ..."], name: str = "x") -> None:
        """Raise `ValueError` for samples that have no place, with the first of them."""


def places(
    metric: AbstractMetric, x: Float[Array, "n ..."], weight: Float[Array, " n"]
) -> Float[Array, "n ..."]:
    """Where samples lie among prototypes: as they are, unless the metric says otherwise. Samples
    without weight need no place."""
    if not isinstance(metric, AbstractMixing):
        return x
    found = metric.places(x)
    return jnp.where((weight > 0).reshape(-1, *[1] * (found.ndim - 1)), found, 0)


def refuse_curved(metric: AbstractMetric, prototypes: Prototypes) -> None:
    """Refuse points of a curved space, in a metric that compares them entry by entry."""
    if not prototypes.space.displacement_is_difference:
        raise ValueError(
            f"{type(metric).__name__} compares points entry by entry, which means nothing in "
            f"{prototypes.space}: choose a metric of displacements, such as `SquaredEuclidean`, or "
            "go through `backbones.TangentSpace`."
        )


def differs_linearly(metric: AbstractMetric) -> TypeGuard["AbstractQuadratic"]:
    """Whether, in a flat space, what tells the dissimilarities of a sample apart is linear in
    it."""
    return isinstance(metric, AbstractQuadratic) and metric.additive and not metric.local


def relative_dissimilarities(
    metric: AbstractMetric, x: Float[Array, "n ..."], prototypes: Prototypes
) -> Float[Array, "n p"]:
    """Dissimilarities for a decision to which it is all one if those of a sample grow by the same
    number.

    Far away from all prototypes, this number is all that can be told from rounding. It is left out
    where the metric can be computed without it. Otherwise, what is no more than rounding is no
    difference; where nothing else is left, the sample is seen from where its direction can still be
    told, which is as good as from far away.
    """
    if differs_linearly(metric) and prototypes.space.displacement_is_difference:
        squared = accumulated(metric.squared(x, prototypes, relative=True))
        return metric.radial(squared, prototypes)

    def seen_from(x: Float[Array, "n ..."]) -> tuple[Float[Array, "n p"], Int[Array, " n"]]:
        delta = accumulated(metric(x, prototypes))
        excess = delta - jnp.min(delta, axis=1, keepdims=True)
        rounding = excess <= 2.0**4 * jnp.finfo(delta.dtype).eps * jnp.abs(delta)
        return jnp.where(rounding, 0, excess), jnp.sum(rounding, axis=1)

    excess, alike = seen_from(x)
    if isinstance(metric, AbstractQuadratic) and prototypes.space.displacement_is_difference:
        reference = prototypes.points.mean(axis=0, keepdims=True)
        axes = tuple(range(1, x.ndim))
        reach = 2.0**11 * jnp.max(jnp.abs(prototypes.points - reference))
        away = jnp.max(jnp.abs(x - reference), axis=axes, keepdims=True)
        unclear = (alike > 1) & (away > reach).reshape(-1)

        def brought_back() -> Float[Array, "n p"]:
            closer, _ = seen_from(reference + (x - reference) * (reach / away))
            return jnp.where(unclear[:, None], closer, excess)

        excess = jax.lax.cond(jnp.any(unclear), brought_back, lambda: excess)
    return excess


class AbstractSeminorm(AbstractMetric):
    """A metric of which δ is one increasing function, the same for all prototypes, of a seminorm of
    the displacement from each: a small change of a sample changes seminorms by little, which is
    what certificates are made of."""

    @abc.abstractmethod
    def seminorms(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        """The seminorms, in the order of which samples are near to prototypes."""

    @abc.abstractmethod
    def of_seminorms(self, seminorms: Float[Array, "a b"]) -> Float[Array, "a b"]:
        """The dissimilarities δ as a function of them."""

    @abc.abstractmethod
    def lipschitz(
        self,
        prototypes: Prototypes,
        norm: float | int = 2,
        through: Float[ArrayLike, "k d"] | None = None,
    ) -> Float[np.ndarray, " p"]:
        """By how much each seminorm changes at most where a sample moves by one: the operator norm
        of its linear map.

        **Arguments:**

        - `norm`: of the sample's change, 1, 2 or infinity. Exact for 1 and 2; an upper bound for
          infinity, exact for diagonal maps.
        - `through`: a matrix that is applied to changes (rows) before, such as that of a scale.
        """


class AbstractLinearlyAdapted(AbstractMetric):
    """A metric that adapts displacements by a linear map A before it measures them; Λ = AAᵀ tells
    what counts."""

    @property
    @abc.abstractmethod
    def local(self) -> bool:
        """Whether each prototype has a linear map of its own."""

    @abc.abstractmethod
    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        """The map A; if `local`, its arrays have a leading axis p."""

    def map_for(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> AbstractLinearMap:
        """The map A, found in the precision of its parameters, to be applied in that of samples
        below float32."""
        linear = self.linear_map(prototypes)
        return jax.tree.map(lambda a: a.astype(x.dtype), linear) if is_low(x.dtype) else linear


class AbstractQuadratic(AbstractLinearlyAdapted, AbstractCentroidal):
    """δ = radial(‖(x ⊖ w) A‖²): a squared norm of the linearly adapted displacement, and a function
    of it.

    The displacement is x - w in a flat space and the geodesic coordinates of x at w in a curved
    one. Because the inner dissimilarity is quadratic in the points, weighted means are its
    minimisers, whatever the radial function.
    """

    #: Whether the radial function adds a number at most: what squares of a sample have in common,
    #: dissimilarities have, too.
    additive: ClassVar[bool] = False

    def squared(
        self, x: Float[Array, "n ..."], prototypes: Prototypes, relative: bool = False
    ) -> Float[Array, "n p"]:
        """The squared norms of the adapted displacements.

        With `relative`, those of a sample may all be off by the same number: far away from all
        prototypes, this keeps what differs between them.
        """
        linear, space, points = self.map_for(x, prototypes), prototypes.space, prototypes.points
        if space.displacement_is_difference:
            x, points = flattened(x), flattened(points)
            if self.local:
                return linear.local_squared_norms(x, points)
            return shared_squares(x, points, linear, relative)
        if not self.local and isinstance(linear, Identity):
            return space.squared_distances(points, x)
        return self.norms(space.coordinates(points, x), linear)

    def norms(self, v: Float[Array, "*n p k"], linear: AbstractLinearMap) -> Float[Array, "*n p"]:
        """The squared norms of displacements from each prototype, adapted by
        `linear_map(prototypes)`."""
        if self.local:
            return jax.vmap(lambda a, u: a.squared_norm(u), (0, -2), -1)(linear, v)
        return linear.squared_norm(v)

    def entries(
        self,
        squared: Float[Array, "n p"],
        columns: Int[Array, "k n"],
        x: Float[Array, "n ..."],
        prototypes: Prototypes,
    ) -> Float[Array, "k n"]:
        """A few entries of each row of `squared(x, prototypes)`, with a derivative that costs what
        these pairs cost.

        **Arguments:**

        - `squared`: that matrix, which is not differentiated.
        - `columns`: for each sample the columns of its entries.
        - `x`, `prototypes`: what the entries are a function of, in a flat space.
        """
        linear, points = self.map_for(x, prototypes), prototypes.points
        x, points = centred(flattened(x), flattened(points))
        if self.local:
            return chosen_local(squared, linear, x, points, columns)
        return chosen_shared(squared, linear, x, points, columns)

    def learnable(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        """`squared(x, prototypes)` in a flat space, with a derivative that is right also where
        points are far apart beside what they are compared by."""
        linear, points = self.map_for(x, prototypes), prototypes.points
        if self.local and not isinstance(linear, AbstractExpanded):
            return self.squared(x, prototypes)  # by differences, forwards and backwards
        squared = jax.lax.stop_gradient(self.squared(x, prototypes))
        x, points = centred(flattened(x), flattened(points))
        return all_entries(squared, linear, x, points, self.local)


class AbstractAdaptation(AbstractQuadratic, AbstractSeminorm, AbstractScaleFree):
    """A metric that is nothing but a linear adaptation: δ = ‖(x ⊖ w) A‖². Adaptations compose, by
    `Chain`."""

    degree: ClassVar[int] = 2
    additive: ClassVar[bool] = True

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        return squared

    def seminorms(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        return jnp.sqrt(self.squared(x, prototypes))

    def of_seminorms(self, seminorms: Float[Array, "a b"]) -> Float[Array, "a b"]:
        return seminorms**2

    def lipschitz(
        self,
        prototypes: Prototypes,
        norm: float | int = 2,
        through: Float[ArrayLike, "k d"] | None = None,
    ) -> Float[np.ndarray, " p"]:
        matrices = matrices_of(self, prototypes)
        norms = operator_norms(
            matrices if through is None else np.asarray(through) @ matrices, norm
        )
        return np.broadcast_to(norms, len(prototypes))


def matrices_of(
    metric: AbstractLinearlyAdapted, prototypes: Prototypes
) -> Float[np.ndarray, "q d l"]:
    """The linear maps as matrices: one that is shared, or one for each prototype."""
    linear, unit = metric.linear_map(prototypes), jnp.eye(prototypes.space.coordinate_size)
    maps = jax.vmap(lambda a: a.apply(unit))(linear) if metric.local else linear.apply(unit)[None]
    return np.asarray(maps, np.float64)


def outputs_of(metric: AbstractLinearlyAdapted, prototypes: Prototypes) -> int:
    """How many numbers the linear map makes of a displacement."""
    linear, k = metric.linear_map(prototypes), prototypes.space.coordinate_size

    def applied(linear: AbstractLinearMap, displacement: Array) -> Array:
        one = jax.tree.map(lambda a: a[0], linear) if metric.local else linear
        return one.apply(displacement)

    given = jax.ShapeDtypeStruct((k,), prototypes.points.dtype)
    return eqx.filter_eval_shape(applied, linear, given).shape[0]


def operator_norms(
    matrices: Float[np.ndarray, "q d l"], norm: float | int
) -> Float[np.ndarray, " q"]:
    """The Euclidean length of vA at most, where the `norm` of v is one."""
    if norm == 1:
        return np.linalg.norm(matrices, axis=2).max(axis=1)
    spectral = np.linalg.norm(matrices, 2, axis=(1, 2))
    if norm == 2:
        return spectral
    # The maximum over all signs s of sΛsᵀ is hard to find; these are above it.
    entries = np.abs(matrices @ matrices.swapaxes(1, 2)).sum(axis=(1, 2))
    return np.minimum(np.sqrt(entries), np.sqrt(matrices.shape[1]) * spectral)
