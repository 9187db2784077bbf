"""Kernels as distances."""

import equinox as eqx
import jax.numpy as jnp

from .._module import hyper
from .._schedules import positive
from .._types import Array, Float, Scalar


class KernelDistances(eqx.Module):
    """\\(d_k = 2(s - \\kappa_k)\\): the squared distances of a sample from N reference samples,
    from its values \\(\\kappa_k\\) of a normalised kernel, for which every sample has similarity s
    to itself.

    **Arguments:**

    - `own`: s > 0: one for Gaussian and cosine kernels. Of a kernel that is not normalised, take
      \\(\\kappa(x, y)/\\sqrt{\\kappa(x, x)\\,\\kappa(y, y)}\\), or distances by
      `metrics.dissimilarities_of`.

    No two samples are more alike than a sample is to itself: what rounding puts below zero is zero.

    **Raises:** `ValueError` unless s is positive.
    """

    own: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.own, "own")

    def __call__(self, x: Float[Array, " N"]) -> Float[Array, " N"]:
        return jnp.maximum(2 * (self.own.astype(x.dtype) - x), 0)
