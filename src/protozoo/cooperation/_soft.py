"""Members share by how near they are."""

from typing import ClassVar

import jax.numpy as jnp

from .._module import AbstractHomogeneous, AbstractScaleFree, hyper, part
from .._schedules import Scaled, Schedule, positive, scheduled
from .._types import Array, ArrayLike, Float, Scalar
from ._base import AbstractCooperation


class GaussianShares(AbstractCooperation, AbstractHomogeneous):
    """\\(h_j = e^{-\\delta_j/2\\sigma^2}\\): shares that sum to one are the posteriors of Gaussian
    components.

    **Arguments:**

    - `variance`: σ² > 0, in the units of δ: a number, or a schedule of training progress.

    σ → 0 recovers `WinnerTakesAll`, σ → ∞ `EqualShares`. Unlike ranks, shares have a derivative.

    **Raises:** `ValueError` if the variance is not positive.

    Source: S. Seo, K. Obermayer, *Soft learning vector quantization*, Neural Computation 15, 2003.
    """

    variance: Schedule = scheduled(default=1.0)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        for progress in (0.0, 1.0):
            positive(self.variance(progress), "variance")

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        return -group / (2 * self.variance(progress))

    def in_units(self, unit: Scalar) -> "GaussianShares":
        return GaussianShares(Scaled(self.variance, 1 / unit))


class StudentShares(AbstractCooperation, AbstractHomogeneous):
    """\\(h_j = (1 + \\delta_j/\\nu\\sigma^2)^{-(\\nu+1)/2}\\): as Gaussian shares, with the heavy
    tails of Student's distribution.

    **Arguments:**

    - `variance`: σ² > 0, in the units of δ.
    - `freedom`: ν > 0, the degrees of freedom; ν → ∞ recovers `GaussianShares`.

    **Raises:** `ValueError` if one of them is not positive.

    Source: L. van der Maaten, G. Hinton, *Visualizing data using t-SNE*, Journal of Machine
    Learning Research 9, 2008 (where neighbours share by it).
    """

    variance: Scalar = hyper(default=1.0)
    freedom: Scalar = hyper(default=1.0)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        positive(self.variance, "variance")
        positive(self.freedom, "freedom")

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        return -0.5 * (self.freedom + 1) * jnp.log1p(group / (self.freedom * self.variance))

    def in_units(self, unit: Scalar) -> "StudentShares":
        return StudentShares(self.variance / unit, self.freedom)


class ProductOfShares(AbstractCooperation, AbstractScaleFree):
    """\\(h_j = h^{(1)}_j h^{(2)}_j\\): near by one notion and by another, such as by distance and
    by rank.

    **Arguments:**

    - `first`, `second`: two cooperations.

    Source: T. Martinetz, S. Berkovich, K. Schulten, *"Neural-gas" network for vector quantization
    and its application to time-series prediction*, IEEE Trans. Neural Networks 4, 1993 (ranks as
    one of them).
    """

    first: AbstractCooperation = part()
    second: AbstractCooperation = part()
    degree: ClassVar[int] = 0

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        return self.first.log_weights(group, progress) + self.second.log_weights(group, progress)
