"""Learned linear projections of the displacement: one for all prototypes, one for each, or one for
each class."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import (
    as_labels,
    known_value,
    of_kinds,
    of_values,
    on_device,
    positive_integer,
    present_samples,
    refuse_zero,
)
from .._constraints import FREE, AbstractConstraint, UnitTrace
from .._module import as_declared, learned, static
from .._types import Array, ArrayLike, Float, Num
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Dense
from ._principal import discriminant_directions, flat, principal_directions


def _held(omega: "AbstractOmega") -> AbstractConstraint:
    return UnitTrace() if omega.normalised else FREE


class AbstractOmega(AbstractAdaptation):
    """What projections have in common: the trace of Λ = ΩΩᵀ may be held at one, as the papers do.

    The scale of Ω means nothing to a loss that is invariant to it (GLVQ); for a loss that is not
    (RSLVQ, cross-entropy) it is an inverse temperature, which learning raises without bound.
    """

    matrix: eqx.AbstractVar[Float[Array, "*p d l"]]
    normalised: eqx.AbstractVar[bool]

    def __post_init__(self):
        self.matrix, self.normalised = as_declared(self, "matrix"), as_declared(self, "normalised")
        _check_rank(self.matrix.shape)
        if self.normalised:
            refuse_zero(self.matrix, "matrix")
            self.matrix = _held_at_one(self.matrix)


def _held_at_one(matrix: Float[Array, "*batch d l"]) -> Float[Array, "*batch d l"]:
    """The projection on unit trace, by NumPy where the matrix is known: to build a model compiles
    nothing for it."""
    known = known_value(matrix)
    if known is None:
        return UnitTrace().project(matrix)
    wide = known.astype(float)
    wide = wide / np.abs(wide).max(axis=(-2, -1), keepdims=True)
    norms = np.sqrt(np.sum(wide**2, axis=(-2, -1), keepdims=True))
    return on_device(wide / norms, matrix.dtype)


class Omega(AbstractOmega):
    """\\(\\delta = \\lVert (x - w)\\,\\Omega \\rVert^2 = (x-w)\\,\\Lambda\\,(x-w)^\\top\\) with
    \\(\\Lambda = \\Omega\\Omega^\\top\\).

    **Arguments:**

    - `matrix`: Ω, shape `(d, l)` with l ≤ d; it acts on row vectors.
    - `normalised`: hold tr Λ at one.

    **Raises:** `ValueError` if l > d (the surplus columns could only repeat what d columns
    express).

    Source: P. Schneider, M. Biehl, B. Hammer, *Adaptive relevance matrices in learning vector
    quantization*, Neural Computation 21, 2009; rectangular Ω: K. Bunte, P. Schneider, B. Hammer,
    F.-M. Schleif, T. Villmann, M. Biehl, *Limited rank matrix learning, discriminative dimension
    reduction and visualization*, Neural Networks 26, 2012.
    """

    matrix: Float[Array, "d l"] = learned(constraint=_held, decays=True)
    normalised: bool = static(default=False)

    @classmethod
    @of_kinds
    def identity(
        cls, dimension: int, latent_dim: int | None = None, normalised: bool = False
    ) -> "Omega":
        """The first `latent_dim` columns of the identity (all of them by default)."""
        return cls(_truncated_identity(dimension, latent_dim), normalised)

    @classmethod
    @of_values
    @of_kinds
    def from_pca(
        cls,
        x: Float[ArrayLike, "n d"],
        latent_dim: int | None = None,
        normalised: bool = False,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Omega":
        """The directions of largest variance.

        **Arguments:**

        - `x`: samples, weighted by `sample_weight`, `(n,)`, if given: a weight is as many copies of
          a sample.
        - `latent_dim`: how many directions; all d by default. Beyond those in which samples vary,
          any orthogonal ones.
        - `normalised`: hold tr Λ at one.
        """
        x = flat(x)
        latent_dim = _checked_rank(x.shape[1], latent_dim)
        weight, x, _ = present_samples(x, sample_weight)
        return cls(on_device(principal_directions(x, latent_dim, weight)), normalised)

    @classmethod
    @of_values
    @of_kinds
    def from_lda(
        cls,
        x: Float[ArrayLike, "n d"],
        y: ArrayLike,
        latent_dim: int | None = None,
        normalised: bool = False,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Omega":
        """Fisher's discriminant directions, in units of the (slightly regularised) scatter within
        classes.

        There are c - 1 of them; the rest is filled with directions in which classes do not differ.

        **Arguments:**

        - `x`, `y`: samples and their classes, weighted by `sample_weight`, `(n,)`, if given: a
          weight is as many copies of a sample.
        - `latent_dim`: how many directions; all d by default.
        - `normalised`: hold tr Λ at one.

        **Raises:** `ValueError` unless there is a label for each sample.
        """
        x = flat(x)
        latent_dim, labels = _checked_rank(x.shape[1], latent_dim), as_labels(y, len(x))
        weight, x, present_labels = present_samples(x, sample_weight, labels)
        # Numbered after those without weight are gone, and perhaps whole classes with them.
        numbers = np.unique(np.asarray(present_labels), return_inverse=True)[1]
        return cls(on_device(discriminant_directions(x, numbers, latent_dim, weight)), normalised)

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.matrix)


class LocalOmega(AbstractOmega):
    """\\(\\delta_j = \\lVert (x - w_j)\\,\\Omega_j \\rVert^2\\): a projection for each prototype.

    **Arguments:**

    - `matrix`: Ω_j, shape `(p, d, l)` with l ≤ d.
    - `normalised`: hold each tr Λ_j at one.

    **Raises:** `ValueError` if l > d.

    Source: Schneider, Biehl & Hammer 2009 (see `Omega`), there called localised GMLVQ.
    """

    matrix: Float[Array, "p d l"] = learned(axis="prototype", constraint=_held, decays=True)
    normalised: bool = static(default=False)

    @classmethod
    @of_kinds
    def repeated(cls, omega: Omega, prototypes: int) -> "LocalOmega":
        """The same projection for each prototype, to start from."""
        positive_integer(prototypes, "prototypes")
        return cls(_repeated(omega.matrix, prototypes), omega.normalised)

    @classmethod
    @of_kinds
    def identity(
        cls,
        prototypes: int,
        dimension: int,
        latent_dim: int | None = None,
        normalised: bool = False,
    ) -> "LocalOmega":
        """Truncated identities for all prototypes."""
        return cls.repeated(Omega.identity(dimension, latent_dim, normalised), prototypes)

    @property
    def local(self) -> bool:
        return True

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.matrix)


class ClassOmega(AbstractOmega):
    """\\(\\delta_j = \\lVert (x - w_j)\\,\\Omega_{c(j)} \\rVert^2\\): a projection for each class,
    c(j) that of prototype j.

    **Arguments:**

    - `matrix`: Ω_k, shape `(c, d, l)` with l ≤ d.
    - `normalised`: hold each tr Λ_k at one.

    **Raises:** `ValueError` if l > d.

    Source: Schneider, Biehl & Hammer 2009 (see `Omega`), there class-wise matrices.
    """

    matrix: Float[Array, "c d l"] = learned(axis="class", constraint=_held, decays=True)
    normalised: bool = static(default=False)

    @classmethod
    @of_kinds
    def repeated(cls, omega: Omega, classes: int) -> "ClassOmega":
        """The same projection for each class, to start from."""
        positive_integer(classes, "classes")
        return cls(_repeated(omega.matrix, classes), omega.normalised)

    @classmethod
    @of_kinds
    def identity(
        cls, classes: int, dimension: int, latent_dim: int | None = None, normalised: bool = False
    ) -> "ClassOmega":
        """Truncated identities for all classes."""
        return cls.repeated(Omega.identity(dimension, latent_dim, normalised), classes)

    @property
    def local(self) -> bool:
        return True

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        if len(self.matrix) != prototypes.classes:  # an index beyond would be taken for the last
            raise ValueError(
                f"`matrix` has {len(self.matrix)} projections, and there are {prototypes.classes} "
                f"classes."
            )
        return Dense(self.matrix[prototypes.labels])


def _repeated(matrix: Float[Array, "d l"], count: int) -> Float[Array, "q d l"]:
    known, shape = known_value(matrix), (count, *matrix.shape)
    if known is None:
        return jnp.broadcast_to(matrix, shape)
    return on_device(np.broadcast_to(known, shape))


def _truncated_identity(dimension: int, latent_dim: int | None) -> Float[Array, "d l"]:
    return on_device(np.eye(dimension, _checked_rank(dimension, latent_dim)), float)


def _checked_rank(dimension: int, latent_dim: int | None) -> int:
    positive_integer(dimension, "dimension")
    latent_dim = dimension if latent_dim is None else latent_dim
    _check_rank((dimension, latent_dim))
    return latent_dim


def _check_rank(shape: tuple[int, ...]) -> None:
    d, latent = shape[-2:]
    if not 1 <= latent <= d:
        raise ValueError(
            f"`latent_dim` must lie between 1 and the number of features {d}, got {latent}."
        )
