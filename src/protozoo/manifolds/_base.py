"""What a space must answer so that prototypes can live in it, and what follows from these
answers."""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, PRNGKeyArray


class AbstractManifold(eqx.Module):
    """A space in which points live, with an isometry from the tangent space at each point to
    numbers.

    Coordinates are those of the Riemannian logarithm, so that \\(\\lVert \\mathrm{coordinates}(w,
    x)\\rVert^2\\) is the squared geodesic distance *exactly*: a metric that adapts coordinates
    linearly (\\(\\Omega\\), relevances, tangent subspaces) inherits every invariance of the space.

    A space of your own answers what is abstract here. The rest follows by differentiation:
    distances, geodesics, inner products, parallel transport. Many points are asked about at once,
    along the leading axis: from each of p points to each of n samples, or pair by pair.
    """

    #: Displacements are x - w, entry by entry, so that squares may be expanded into one matrix
    #: product.
    displacement_is_difference: eqx.AbstractClassVar[bool]
    #: Entries of points are features: in other units, one by one, points are points of the space
    #: again, so that samples may be scaled.
    has_features: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def point_shape(self) -> tuple[int, ...]:
        """The shape of one point."""

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """The dimension of the space itself, as many numbers as a step away from a point needs."""

    @property
    @abc.abstractmethod
    def coordinate_size(self) -> int:
        """The number k of coordinates, on which metrics act: `dimension`, where there is a smooth
        frame.

        Where there is none (a sphere cannot be combed), coordinates are those of a larger space
        around it, and the coordinates of tangents are a subspace of `dimension`.
        """

    @property
    @abc.abstractmethod
    def injectivity_radius(self) -> float:
        """How far geodesics are shortest, from any point; infinite, if they always are."""

    @property
    @abc.abstractmethod
    def origin(self) -> Float[Array, "..."]:
        """A point to start from, where the data say nothing."""

    @abc.abstractmethod
    def coordinates(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p k"]:
        """The displacement from each point to each sample, in the point's isometric coordinates."""

    @abc.abstractmethod
    def squared_distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        """Squared geodesic distances; gradients are finite where a sample equals a point."""

    @abc.abstractmethod
    def exp(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        """Walk from each point along a geodesic; the inverse of `coordinates`.

        What of the coordinates belongs to no tangent changes nothing.
        """

    @abc.abstractmethod
    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        """The nearest points of the space, in a sense that each space states."""

    @abc.abstractmethod
    def violation(self, points: Float[np.ndarray | Array, "p ..."]) -> str | None:
        """Why `points` do not lie in the space, in words for an error message, or `None`.

        What is being traced has no values yet, and is not judged.
        """

    @abc.abstractmethod
    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        """`count` random points, by the natural distribution of the space, as it states it."""

    # What follows.

    def distances(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p"]:
        """Geodesic distances; the derivative is zero where a sample equals a point."""
        squared = self.squared_distances(points, x)
        apart = ~(squared <= 0)  # of what is not known, neither is the distance
        return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)

    def displacements(
        self, points: Float[Array, "p ..."], x: Float[Array, "p ..."]
    ) -> Float[Array, "p k"]:
        """Coordinates, pair by pair: those of each sample about the point with its index."""
        return jax.vmap(lambda w, v: self.coordinates(w[None], v[None])[0, 0])(points, x)

    def geodesic(
        self, points: Float[Array, "p ..."], x: Float[Array, "p ..."], t: Float[Array, " t"]
    ) -> Float[Array, "t p ..."]:
        """Where the shortest ways from points to samples, pair by pair, are at times t.

        At 0 they are at the points, at 1 at the samples; other times prolong them.
        """
        whole = self.displacements(points, x)
        return jax.vmap(lambda s: self.exp(points, s * whole))(t)

    def vectors(
        self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]
    ) -> Float[Array, "p ..."]:
        """Tangents at points, as changes of points, from their coordinates."""
        still = jnp.zeros_like(coordinates)
        return jax.jvp(lambda c: self.exp(points, c), (still,), (coordinates,))[1]

    def components(
        self, points: Float[Array, "p ..."], vectors: Float[Array, "p ..."]
    ) -> Float[Array, "p k"]:
        """The coordinates of tangents; the inverse of `vectors`."""
        return jax.jvp(lambda x: self.displacements(points, x), (points,), (vectors,))[1]

    def inner(
        self, points: Float[Array, "p ..."], u: Float[Array, "p ..."], v: Float[Array, "p ..."]
    ) -> Float[Array, " p"]:
        """The Riemannian inner products of tangents u and v at points, pair by pair."""
        return jnp.sum(self.components(points, u) * self.components(points, v), axis=-1)

    def transport(
        self,
        points: Float[Array, "p ..."],
        x: Float[Array, "p ..."],
        coordinates: Float[Array, "p k"],
    ) -> Float[Array, "p k"]:
        """Coordinates at samples of tangents that were carried there along geodesics from points.

        Exact in symmetric spaces, which those of the library are: there, the reflections in a point
        and in the middle of the way move tangents in parallel, one rung of the pole ladder (Pennec
        2018). In others, its error is of third order in the length of the way.
        """
        middle = self.exp(points, 0.5 * self.displacements(points, x))

        def carried(c: Float[Array, "p k"]) -> Float[Array, "p k"]:
            mirrored = self.displacements(middle, self.exp(points, -c))
            return self.displacements(x, self.exp(middle, -mirrored))

        return jax.jvp(carried, (jnp.zeros_like(coordinates),), (coordinates,))[1]


class AbstractSpectral(AbstractManifold):
    """A space in which more than one number can be told of two points that no isometry changes.

    On rotations, these are angles; on subspaces, principal angles; on positive definite matrices,
    logarithms of eigenvalues. Their squares add up to the squared distance, and metrics may weigh
    them.
    """

    @property
    @abc.abstractmethod
    def rank(self) -> int:
        """How many they are: r."""

    @abc.abstractmethod
    def spectrum(
        self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]
    ) -> Float[Array, "n p r"]:
        """The numbers for each point and each sample, in ascending order."""
