"""Kohonen's rules as costs: their derivatives by δ are the signed weights of his updates."""

from typing import ClassVar

import jax.numpy as jnp

from .._module import AbstractScaleFree, hyper
from .._schedules import within
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ._base import AbstractWinnerLoss, PrototypeLabels, Winners, nearness
from ._pooling import class_minimum, find_winners


class LVQ1(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+\\) if the winner is of the sample's own class, else \\(-d^-\\).

    ∂ℓ/∂δ is one or minus one at the winner: alternating optimisation with a small step is LVQ1, in
    batches or (with one sample at a time) online.

    Source: T. Kohonen, *Self-organizing maps*, Springer, 1995 (there learning vector quantization).
    """

    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        closest, rival = entries
        return jnp.where(closest <= rival, closest, -rival)

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        return find_winners(delta, labels, y)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


class LVQ21(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = d^+ - d^-\\) for samples in a window around the border between the two nearest
    prototypes, else zero.

    **Arguments:**

    - `window`: relative width ω in (0, 1): a sample counts if
      \\(\\min(d^+/d^-, d^-/d^+) > s^2\\), \\(s = (1-\\omega)/(1+\\omega)\\) (δ being a squared
      distance), and its two nearest prototypes are one of its own class and one of another. Without
      a window (ω = 1) the cost has no lower bound, and prototypes of wrong classes are driven to
      infinity.

    **Raises:** `ValueError` for a window outside (0, 1].

    Source: T. Kohonen, *Improved versions of learning vector quantization*, IJCNN 1990.
    """

    window: Scalar = hyper(default=0.3)
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def __check_init__(self):
        within(self.window, "window", "(0, 1]")

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        closest, rival = entries
        near, far = jnp.minimum(closest, rival), jnp.maximum(closest, rival)
        inside = near > ((1 - self.window) / (1 + self.window)) ** 2 * far
        return jnp.where(inside, closest - rival, 0)

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        (closest, rival), (own, other) = find_winners(delta, labels, y)
        # Its two nearest prototypes are the two winners if no third one is nearer than the second.
        nearer = jnp.sum(delta.T < jnp.maximum(closest, rival)[None], axis=0)
        # A sample that does not count is given its own winner for a rival: their difference is
        # zero, and so is its derivative.
        counts = nearer <= 1
        return Winners(
            jnp.stack([closest, jnp.where(counts, rival, closest)]),
            jnp.stack([own, jnp.where(counts, other, own)]),
        )

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))
