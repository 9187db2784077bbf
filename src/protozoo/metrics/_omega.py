"""Learned linear projections of the displacement, one for all prototypes or one for each."""

import jax.numpy as jnp

from .._types import Array, Float
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Dense


class Omega(AbstractAdaptation):
    """\\(\\delta = \\lVert (x - w)\\,\\Omega \\rVert^2 = (x-w)\\,\\Lambda\\,(x-w)^\\top\\) with
    \\(\\Lambda = \\Omega\\Omega^\\top\\).

    **Arguments:**

    - `matrix`: Ω, shape `(d, l)` with l ≤ d; it acts on row vectors.

    **Raises:** `ValueError` if l > d (the surplus columns could only repeat what d columns express).

    Source: P. Schneider, M. Biehl, B. Hammer, *Adaptive relevance matrices in learning vector quantization*, Neural
    Computation 21, 2009; rectangular Ω: K. Bunte et al., *Limited rank matrix learning*, Neural Networks 26, 2012.
    """

    matrix: Float[Array, "d l"]

    def __check_init__(self):
        _check_rank(self.matrix.shape)

    @classmethod
    def identity(cls, dimension: int, latent_dim: int | None = None) -> "Omega":
        """The first `latent_dim` columns of the identity (all of them by default)."""
        return cls(_truncated_identity(dimension, latent_dim))

    @property
    def local(self) -> bool:
        return False

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.matrix)


class LocalOmega(AbstractAdaptation):
    """\\(\\delta_j = \\lVert (x - w_j)\\,\\Omega_j \\rVert^2\\): a projection for each prototype.

    **Arguments:**

    - `matrices`: Ω_j, shape `(p, d, l)` with l ≤ d.

    **Raises:** `ValueError` if l > d.

    Source: Schneider, Biehl & Hammer 2009 (see `Omega`), there called localised GMLVQ.
    """

    matrices: Float[Array, "p d l"]

    def __check_init__(self):
        _check_rank(self.matrices.shape)

    @classmethod
    def identity(cls, prototypes: int, dimension: int, latent_dim: int | None = None) -> "LocalOmega":
        """Truncated identities for all prototypes."""
        one = _truncated_identity(dimension, latent_dim)
        return cls(jnp.broadcast_to(one, (prototypes, *one.shape)))

    @property
    def local(self) -> bool:
        return True

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Dense(self.matrices)


def _truncated_identity(dimension: int, latent_dim: int | None) -> Float[Array, "d l"]:
    latent_dim = dimension if latent_dim is None else latent_dim
    _check_rank((dimension, latent_dim))
    return jnp.eye(dimension, latent_dim)


def _check_rank(shape: tuple[int, ...]) -> None:
    d, latent = shape[-2:]
    if not 1 <= latent <= d:
        raise ValueError(f"`latent_dim` must lie between 1 and the number of features {d}, got {latent}.")
