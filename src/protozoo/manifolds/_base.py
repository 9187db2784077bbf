"""What a space must answer so that prototypes can live in it."""

import abc

import equinox as eqx

from .._types import Array, Float, PRNGKeyArray


class AbstractManifold(eqx.Module):
    """A space in which points live, with an orthonormal frame at each of its points.

    Coordinates are those of the Riemannian logarithm in that frame, so that
    \\(\\lVert \\mathrm{coordinates}(w, x)\\rVert^2\\) is the squared geodesic distance *exactly*: a metric that adapts
    coordinates linearly (\\(\\Omega\\), relevances, tangent subspaces) inherits every invariance of the space.
    """

    #: Displacements are differences, x - w, so that distances may be expanded into one matrix product.
    flat: eqx.AbstractClassVar[bool]

    @property
    @abc.abstractmethod
    def point_shape(self) -> tuple[int, ...]:
        """The shape of one point."""

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """The number k of tangent coordinates."""

    @abc.abstractmethod
    def coordinates(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p k"]:
        """The displacement from each point to each sample, in the point's orthonormal frame."""

    @abc.abstractmethod
    def squared_distances(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p"]:
        """Squared geodesic distances; gradients are finite where a sample equals a point."""

    @abc.abstractmethod
    def exp(self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]) -> Float[Array, "p ..."]:
        """Walk from each point along a geodesic; the inverse of `coordinates`."""

    @abc.abstractmethod
    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest points of the space, in a sense that each space states."""

    @abc.abstractmethod
    def violation(self, points: Float[Array, "p ..."]) -> str | None:
        """Why `points` (concrete arrays) do not lie in the space, in words for an error message, or `None`."""

    @abc.abstractmethod
    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """`count` random points, for examples and tests."""
