"""Kohonen's rules as costs: their derivatives by δ are the signed weights of his updates."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._checks import known_value
from .._module import AbstractScaleFree, hyper
from .._types import Array, ArrayLike, Bool, Float, Int, MaybeLabels, PerSample, Scalar
from ._base import AbstractWinnerLoss, PrototypeLabels, nearness
from ._pooling import class_minimum, winner_columns, winners


class LVQ1(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+\\) if the winner is of the sample's own class, else \\(-d^-\\).

    ∂ℓ/∂δ is one or minus one at the winner: alternating optimisation with a small step is LVQ1, in batches or (with one
    sample at a time) online.

    Source: T. Kohonen, *Self-organizing maps*, Springer, 1995 (there learning vector quantization).
    """

    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = True

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return self.of_columns(*winners(delta, labels, y))

    def of_columns(self, *entries: PerSample) -> PerSample:
        closest, rival = entries
        return jnp.where(closest <= rival, closest, -rival)

    def columns(
        self, delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
    ) -> tuple[Int[Array, " n"], ...] | None:
        return winner_columns(delta, labels, y)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


class LVQ21(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+ - d^-\\) for samples in a window around the border between the two nearest prototypes, else zero.

    **Arguments:**

    - `window`: relative width ω in (0, 1): a sample counts if \\(\\min(d^+/d^-, d^-/d^+) > ((1-\\omega)/(1+\\omega))^2\\) (δ
      being a squared distance) and its two nearest prototypes are one of its own class and one of another. Without a window
      (ω = 1) the cost has no lower bound, and prototypes of wrong classes are driven to infinity.

    **Raises:** `ValueError` for a window outside (0, 1].

    Source: T. Kohonen, *Improved versions of learning vector quantization*, IJCNN 1990.
    """

    window: Scalar = hyper(default=0.3)
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = True

    def __check_init__(self):
        known = known_value(self.window)
        if known is not None and not 0 < known <= 1:
            raise ValueError(f"`window` must lie in (0, 1], got {float(known):g}.")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        closest, rival = winners(delta, labels, y)
        return jnp.where(straddling(delta, closest, rival), self.of_columns(closest, rival), 0)

    def of_columns(self, *entries: PerSample) -> PerSample:
        closest, rival = entries
        near, far = jnp.minimum(closest, rival), jnp.maximum(closest, rival)
        inside = near > ((1 - self.window) / (1 + self.window)) ** 2 * far
        return jnp.where(inside, closest - rival, 0)

    def columns(
        self, delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
    ) -> tuple[Int[Array, " n"], ...] | None:
        # A sample that does not count is given its own winner for a rival: their difference is zero, and so is its derivative.
        own, rival = winner_columns(delta, labels, y)
        return own, jnp.where(straddling(delta, *winners(delta, labels, y)), rival, own)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


def straddling(delta: Float[Array, "n p"], closest: PerSample, rival: PerSample) -> Bool[Array, " n"]:
    """Whether the two nearest of all prototypes are the two winners: no other one lies between them."""
    far = jnp.maximum(closest, rival)
    return jnp.sum(jax.lax.stop_gradient(delta.T) < jax.lax.stop_gradient(far)[None], axis=0) <= 1
