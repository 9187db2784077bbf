"""The margin that certifies decisions, as a loss."""

from typing import ClassVar

import jax.numpy as jnp

from .._module import AbstractHomogeneous, hyper
from .._schedules import positive
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ._base import AbstractWinnerLoss, PrototypeLabels, Winners, nearness
from ._pooling import class_minimum, find_winners


class HypothesisMargin(AbstractWinnerLoss, AbstractHomogeneous):
    """\\(\\ell = \\max\\bigl(0,\\; m - \\tfrac12(\\sqrt{d^-} - \\sqrt{d^+})\\bigr)\\): a sample
    costs what its hypothesis margin lacks of m.

    d⁺ is the dissimilarity to the nearest prototype of the sample's own class, d⁻ to the nearest of
    any other; δ is the square of a seminorm. The margin is a lower bound of the change of a sample,
    in this seminorm, that changes a right decision: what `trust.certify` proves is what is trained.

    **Arguments:**

    - `margin`: m > 0, in the units of the seminorm: the radius that is wished for. Without it,
      prototypes could flee from each other for ever.

    A metric whose scale is learned can buy any margin by it: let `Omega` be `normalised`.

    **Raises:** `ValueError` if the margin is not positive.

    Source: S. Saralajew, L. Holdijk, T. Villmann, *Fast adversarial robustness certification of
    nearest prototype classifiers for arbitrary seminorms*, NeurIPS 2020.
    """

    margin: Scalar = hyper(default=1.0)
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def __check_init__(self):
        positive(self.margin, "margin")

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        return find_winners(delta, labels, y)

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        own, rival = root(entries)
        return jnp.maximum(self.margin - 0.5 * (rival - own), 0)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))

    def in_units(self, unit: Scalar) -> "HypothesisMargin":
        return HypothesisMargin(self.margin / jnp.sqrt(unit))


def root(squared: Float[Array, "a b"]) -> Float[Array, "a b"]:
    """The square root, with a derivative of zero at zero: a sample on its prototype pulls
    nowhere."""
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)
