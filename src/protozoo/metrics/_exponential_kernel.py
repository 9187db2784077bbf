"""The squared distance in the feature space of the exponential kernel."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, of_values, present_samples
from .._module import AbstractHomogeneous, learned
from .._products import flattened, is_low
from .._statistics import mean_and_variance
from .._types import Array, ArrayLike, Float, Scalar
from ..manifolds import shared_squares, squared_lengths
from ..prototypes import Prototypes
from ._base import AbstractMetric, refuse_curved
from ._principal import flat


#: e^60 and its products stay within float32; samples beyond are as far as can be told.
LARGEST = 60.0


class ExponentialKernel(AbstractMetric, AbstractHomogeneous):
    """\\(\\delta = e^{\\lVert z\\rVert^2} + e^{\\lVert v\\rVert^2} - 2e^{z\\cdot v}\\) with
    \\(z = x\\hat\\Omega,\\ v = w\\hat\\Omega\\): the kernel
    \\(\\kappa(x, w) = e^{x\\hat\\Lambda w^\\top}\\), a function of the pair and not of its
    difference.

    **Arguments:**

    - `matrix`: \\(\\hat\\Omega\\), shape `(d, l)`; start it small, or from the data (`from_data`).

    Computed as \\((e^{a/2} - e^{b/2})^2 + 2e^{(a+b)/2}(1 - e^{-\\lVert z - v\\rVert^2/2})\\), a =
    ‖z‖², b = ‖v‖²: no term cancels, and δ is never negative. Not invariant to shifts of the data.
    Squared norms above 60 are cut, so that nothing overflows.

    Source: T. Villmann, S. Haase, M. Kaden, *Kernelized vector quantization in gradient-descent
    learning*, Neurocomputing 147, 2015.
    """

    matrix: Float[Array, "d l"] = learned(decays=False)
    degree: ClassVar[int] = 0

    def in_units(self, unit: Scalar) -> "ExponentialKernel":
        return ExponentialKernel(self.matrix * unit)

    @classmethod
    @of_values
    @of_kinds
    def from_data(
        cls,
        x: Float[ArrayLike, "n d"],
        latent_dim: int | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "ExponentialKernel":
        """A truncated identity, scaled such that ‖z‖² has mean 0.1: outliers and training have room
        before e^60."""
        x = flat(x)
        if latent_dim is not None and not 1 <= latent_dim <= x.shape[1]:
            raise ValueError(
                f"`latent_dim` must lie between 1 and the number of features {x.shape[1]}, got "
                f"{latent_dim}."
            )
        weight, x, _ = present_samples(x, sample_weight)
        mean, variance = mean_and_variance(x[:, :latent_dim], weight)
        square = float(np.sum(variance + mean**2))
        return cls(np.eye(x.shape[1], latent_dim) * np.sqrt(0.1 / square if square > 0 else 1.0))

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        refuse_curved(self, prototypes)
        matrix = self.matrix.astype(x.dtype) if is_low(x.dtype) else self.matrix
        z, v = flattened(x) @ matrix, flattened(prototypes.points) @ matrix
        squared = shared_squares(z, v).T
        a, b = (
            jnp.minimum(squared_lengths(z), LARGEST)[None],
            jnp.minimum(squared_lengths(v), LARGEST)[:, None],
        )
        apart = (jnp.exp(b / 2) * jnp.expm1((a - b) / 2)) ** 2
        return (apart - 2 * jnp.exp((a + b) / 2) * jnp.expm1(-squared / 2)).T
