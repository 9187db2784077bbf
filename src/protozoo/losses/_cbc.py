"""Classification by components."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._checks import known_value, of_kinds
from .._constraints import Box
from .._module import AbstractHomogeneous, hyper, learned
from .._schedules import positive, within
from .._types import Array, ArrayLike, Float, Labels, MaybeLabels, PerSample, Scalar
from ._base import AbstractSampleLoss, PrototypeLabels, as_logarithm
from ._pooling import own_class


class CBC(AbstractSampleLoss, AbstractHomogeneous):
    """\\(\\ell = \\max(0,\\ m + \\max_{k \\ne y} p_k - p_y)\\), with \\(p_k\\) the probability that
    the reasoning for class k agrees with which components were detected:

    \\(p_k = \\dfrac{\\sum_j d_j\\,r^+_{kj} + (1 - d_j)\\,r^-_{kj}}{\\sum_j r^+_{kj} + r^-_{kj}}\\),
    detected with probability \\(d_j = e^{-\\delta_j/2\\sigma^2}\\).

    The prototypes are *components*, which belong to no class. A class may want to see a component
    (r⁺), want not to see it (r⁻), or not care (1 - r⁺ - r⁻).

    **Arguments:**

    - `reasoning`: shape `(c, p, 2)`, numbers in [0, 1]: the probability A that a component is
      wanted, and B that it is unwanted if it is not wanted; \\(r^+ = A\\), \\(r^- = (1 - A)B\\).
      Updates that leave the interval are clipped.
    - `margin`: m in [0, 1].
    - `variance`: σ² > 0, in the units of δ.

    Decision: class probabilities ∝ p_k.

    **Raises:** `ValueError` for a reasoning of another shape or outside [0, 1], a margin outside
    [0, 1], a variance that is not positive.

    Source: S. Saralajew, L. Holdijk, M. Rees, E. Asan, T. Villmann, *Classification-by-components:
    probabilistic modeling of reasoning over a set of components*, NeurIPS 2019 (with the Gaussian
    in place of the cosine as detection).
    """

    reasoning: Float[Array, "c p 2"] = learned(
        axis=("class", "prototype"), constraint=Box(0.0, 1.0)
    )
    margin: Scalar = hyper(default=0.3)
    variance: Scalar = hyper(default=1.0)
    degree: ClassVar[int] = 0
    supervised: ClassVar[bool] = True

    def __check_init__(self):
        known = known_value(self.reasoning)
        if known is not None and not (0 <= known.min() and known.max() <= 1):
            raise ValueError(
                f"`reasoning` holds probabilities, got values from {known.min():g} to "
                f"{known.max():g}."
            )
        within(self.margin, "margin", "[0, 1]")
        positive(self.variance, "variance")

    @classmethod
    @of_kinds
    def from_data(
        cls,
        delta: Float[Array, "n p"],
        y: Labels,
        classes: int,
        margin: ArrayLike = 0.3,
        variance: ArrayLike = 1.0,
        sample_weight: ArrayLike | None = None,
    ) -> "CBC":
        """A class wants the components that its samples show more than those of other classes do,
        and not the others.

        **Arguments:**

        - `delta`, `y`: the dissimilarities of samples to the components, and their classes.
        - `classes`: how many there are.
        - `sample_weight`: how much each sample counts, `(n,)`.
        """
        member = jax.nn.one_hot(y, classes, axis=0, dtype=delta.dtype)
        if sample_weight is not None:
            weight = jnp.asarray(sample_weight, delta.dtype)
            member = member * (weight / jnp.max(weight))[None]
        total = member.sum(axis=1, keepdims=True)
        shown = (member @ jnp.exp(-delta / (2 * jnp.asarray(variance)))) / jnp.where(
            total > 0, total, 1
        )
        most = shown.max(axis=0, keepdims=True)
        wanted = shown / jnp.where(most > 0, most, 1)
        return cls(jnp.stack([wanted, jnp.full_like(wanted, 0.5)], axis=-1), margin, variance)

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        p = self.agreement(delta)
        own = jax.nn.one_hot(y, p.shape[1], dtype=bool)
        return jnp.maximum(
            self.margin + jnp.max(jnp.where(own, -jnp.inf, p), axis=1) - own_class(p.T, y), 0
        )

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return as_logarithm(self.agreement(delta))

    def in_units(self, unit: Scalar) -> "CBC":
        return CBC(self.reasoning, self.margin, self.variance / unit)

    def agreement(self, delta: Float[Array, "n p"]) -> Float[Array, "n c"]:
        """p_k in [0, 1] for each class; rows need not sum to one."""
        if self.reasoning.shape[1] != delta.shape[1]:
            raise ValueError(
                f"`reasoning` is about {self.reasoning.shape[1]} components, but there are "
                f"{delta.shape[1]}."
            )
        wanted, unwanted = (
            self.reasoning[..., 0],
            (1 - self.reasoning[..., 0]) * self.reasoning[..., 1],
        )
        detected = jnp.exp(-delta / (2 * self.variance))
        # Σ d r⁺ + (1 - d) r⁻ = d·(r⁺ - r⁻) + Σ r⁻: one matrix product.
        agreed = detected @ (wanted - unwanted).T + jnp.sum(unwanted, axis=1)[None]
        asked = jnp.sum(wanted + unwanted, axis=1)
        return jnp.clip(agreed / jnp.where(asked > 0, asked, 1)[None], 0, 1)
