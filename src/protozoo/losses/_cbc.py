"""Classification by components."""

import abc
import math
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._argmin import smallest_row
from .._checks import known_value, of_kinds
from .._constraints import Box
from .._module import AbstractHomogeneous, hyper, learned
from .._schedules import positive, within
from .._types import Array, ArrayLike, Float, Labels, MaybeLabels, PerSample, Scalar
from ._base import AbstractSampleLoss, PrototypeLabels, as_logarithm
from ._hypothesis_margin import root
from ._pooling import own_class


Stable = TypeVar("Stable", bound="AbstractStable")


class AbstractComponents(AbstractSampleLoss, AbstractHomogeneous):
    """What decides by components, prototypes that belong to no class: from the probability d_j that
    component j is detected in a sample follows how much class k agrees,
    \\(p_k = b_k + \\sum_j a_{kj} d_j\\).

    So small changes of a sample change p_k by little, which `trust.certify` makes radii of.
    """

    degree: ClassVar[int] = 0
    supervised: ClassVar[bool] = True

    @abc.abstractmethod
    def detected(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """d_j in [0, 1], a falling function of δ_j alone."""

    @abc.abstractmethod
    def reasons(self) -> tuple[Float[Array, "c p"], Float[Array, " c"]]:
        """The numbers a and b."""

    def agreement(self, delta: Float[Array, "n p"]) -> Float[Array, "n c"]:
        """p_k in [0, 1] for each class; rows need not sum to one."""
        slopes, offsets = self.reasons()
        if slopes.shape[1] != delta.shape[1]:
            raise ValueError(
                f"the reasoning is about {slopes.shape[1]} components, but there are "
                f"{delta.shape[1]}."
            )
        return jnp.clip(self.detected(delta) @ slopes.T + offsets[None], 0, 1)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return as_logarithm(self.agreement(delta))


class CBC(AbstractComponents):
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
        wanted = _wanted(jnp.exp(-delta / (2 * jnp.asarray(variance))), y, classes, sample_weight)
        return cls(jnp.stack([wanted, jnp.full_like(wanted, 0.5)], axis=-1), margin, variance)

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return _lacking(self.agreement(delta), y, self.margin)

    def in_units(self, unit: Scalar) -> "CBC":
        return CBC(self.reasoning, self.margin, self.variance / unit)

    def detected(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jnp.exp(-delta / (2 * self.variance))

    def reasons(self) -> tuple[Float[Array, "c p"], Float[Array, " c"]]:
        wanted = self.reasoning[..., 0]
        unwanted = (1 - wanted) * self.reasoning[..., 1]
        asked = jnp.sum(wanted + unwanted, axis=1)
        asked = jnp.where(asked > 0, asked, 1)
        # Σ d r⁺ + (1 - d) r⁻ = d·(r⁺ - r⁻) + Σ r⁻: one matrix product.
        return (wanted - unwanted) / asked[:, None], jnp.sum(unwanted, axis=1) / asked


class AbstractStable(AbstractComponents):
    """What losses of stable reasoning share: every class has one unit of reasons to give, so that
    reasons against a component cannot be bought by indifference to all others.

    \\(p_k = \\sum_j d_j\\,r^+_{kj} + (1 - d_j)\\,r^-_{kj}\\), where
    \\(\\sum_j r^+_{kj} + r^-_{kj} = 1\\) and \\(d_j = e^{-\\sqrt{\\delta_j}/\\sigma}\\).
    """

    #: Logarithms of r⁺ and r⁻, up to a constant for each class.
    log_reasoning: eqx.AbstractVar[Float[Array, "c p 2"]]
    #: σ.
    bandwidth: eqx.AbstractVar[Scalar]

    def __check_init__(self):
        positive(self.bandwidth, "bandwidth")

    @classmethod
    @of_kinds
    def from_data(
        cls: type[Stable],
        delta: Float[Array, "n p"],
        y: Labels,
        classes: int,
        margin: ArrayLike,
        bandwidth: ArrayLike = 1.0,
        sample_weight: ArrayLike | None = None,
    ) -> Stable:
        """Every component is a reason, for a class if its samples show it more than those of other
        classes do, and otherwise against it.

        **Arguments:** `margin`, `bandwidth`, and those of `CBC.from_data`.
        """
        seen = jnp.exp(-root(delta) / jnp.asarray(bandwidth))
        # Neither is out of reach.
        wanted = jnp.clip(_wanted(seen, y, classes, sample_weight), 0.05, 0.95)
        made: Any = cls  # whose fields these are
        return made(jnp.log(jnp.stack([wanted, 1 - wanted], axis=-1)), margin, bandwidth)

    @property
    def reasoning(self) -> Float[Array, "c p 2"]:
        """r⁺ and r⁻; those of a class sum to one."""
        c, *shape = self.log_reasoning.shape
        return jax.nn.softmax(self.log_reasoning.reshape(c, -1), axis=1).reshape(c, *shape)

    def detected(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jnp.exp(-root(delta) / self.bandwidth)

    def reasons(self) -> tuple[Float[Array, "c p"], Float[Array, " c"]]:
        wanted, unwanted = jnp.moveaxis(self.reasoning, -1, 0)
        return wanted - unwanted, jnp.sum(unwanted, axis=1)


class StableCBC(AbstractStable):
    """\\(\\ell = \\max(0,\\ m + \\max_{k \\ne y} p_k - p_y)\\), with \\(p_k\\) the probability that
    the reasoning for class k agrees with which components were detected:

    \\(p_k = \\sum_j d_j\\,r^+_{kj} + (1 - d_j)\\,r^-_{kj}\\), where
    \\(\\sum_j r^+_{kj} + r^-_{kj} = 1\\), detected with probability
    \\(d_j = e^{-\\sqrt{\\delta_j}/\\sigma}\\).

    Beside `CBC`, a class cannot be indifferent to all components but one, which would then decide
    alone and contradict what the others say: it has one unit of reasons to give. With r⁻ = 0, this
    is a network of radial basis functions.

    **Arguments:**

    - `log_reasoning`: shape `(c, p, 2)`, logarithms of r⁺ and r⁻ up to a constant for each class:
      any value is a valid reasoning.
    - `margin`: m in [0, 1].
    - `bandwidth`: σ > 0, in the units of √δ.

    Decision: class probabilities ∝ p_k.

    **Raises:** `ValueError` for a margin outside [0, 1] and a bandwidth that is not positive.

    Source: S. Saralajew, A. Rana, T. Villmann, A. Shaker, *A robust prototype-based network with
    interpretable RBF classifier foundations*, AAAI 2025.
    """

    log_reasoning: Float[Array, "c p 2"] = learned(axis=("class", "prototype"))
    margin: Scalar = hyper(default=0.3)
    bandwidth: Scalar = hyper(default=1.0)

    def __check_init__(self):
        within(self.margin, "margin", "[0, 1]")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return _lacking(self.agreement(delta), y, self.margin)

    def in_units(self, unit: Scalar) -> "StableCBC":
        return StableCBC(self.log_reasoning, self.margin, self.bandwidth / jnp.sqrt(unit))


class RobustStableCBC(AbstractStable):
    """\\(\\ell = \\max(0,\\ m - r)/\\sigma\\): a sample costs what the radius r within which no
    change of it can change a right decision lacks of m. The decision is that of `StableCBC`.

    If a sample moves by ε, as the metric measures lengths, each distance \\(\\sqrt{\\delta_j}\\)
    changes by ε at most, and each \\(d_j = e^{-\\sqrt{\\delta_j}/\\sigma}\\) by a factor between
    \\(e^{-\\varepsilon/\\sigma}\\) and \\(e^{\\varepsilon/\\sigma}\\). With
    \\(p_k = b_k + \\sum_j a_{kj}d_j\\), what the right class y is ahead of class k is then still

    \\(p_y - p_k \\ge A^+ e^{-\\varepsilon/\\sigma} - A^- e^{\\varepsilon/\\sigma} + C\\) at least,
    \\(A^\\pm = \\sum_j d_j \\max(0,\\ \\pm(a_{yj} - a_{kj}))\\), \\(C = b_y - b_k\\).

    This falls with ε. Times \\(e^{\\varepsilon/\\sigma}\\) it is quadratic in it, and zero at

    \\[\\varepsilon_k = \\sigma \\ln\\dfrac{C + \\sqrt{C^2 + 4A^+A^-}}{2A^-}
    = \\sigma\\Bigl(\\tfrac12 \\ln\\dfrac{A^+}{A^-} +
    \\operatorname{arsinh}\\dfrac{C}{2\\sqrt{A^+A^-}}\\Bigr);\\]

    \\(r = \\min_{k \\ne y} \\varepsilon_k\\).

    For a wrong decision r is negative: no shorter change can make it right. Reasons that y and k
    have in common are left out of both sums, which makes r larger than if each were bounded by
    itself. `trust.certify` besides knows that no d_j exceeds one.

    **Arguments:**

    - `log_reasoning`: as `StableCBC` has it.
    - `margin`: m > 0, in the units of √δ: the radius that is wished for.
    - `bandwidth`: σ > 0, in the units of √δ.

    **Raises:** `ValueError` for a margin and a bandwidth that are not positive.

    Source: S. Saralajew, A. Rana, T. Villmann, A. Shaker, *A robust prototype-based network with
    interpretable RBF classifier foundations*, AAAI 2025.
    """

    log_reasoning: Float[Array, "c p 2"] = learned(axis=("class", "prototype"))
    margin: Scalar = hyper(default=1.0)
    bandwidth: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.margin, "margin")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return jnp.maximum(self.margin - self.radii(delta, y), 0) / self.bandwidth

    def radii(self, delta: Float[Array, "n p"], y: MaybeLabels) -> PerSample:
        """r for each sample, in the units of √δ."""
        slopes, offsets = self.reasons()
        own = jax.nn.one_hot(y, len(offsets), dtype=delta.dtype)
        far = root(delta) / self.bandwidth
        least = jax.lax.stop_gradient(jnp.min(far, axis=1, keepdims=True))
        seen = jnp.exp(least - far)
        # Of all pairs of classes by one matrix product, then of the own class.
        ahead, constant = slopes[:, None] - slopes[None], (own @ offsets)[:, None] - offsets[None]
        pairs = (jnp.einsum("np,jkp->njk", seen, jnp.maximum(sign * ahead, 0)) for sign in (1, -1))
        gains, losses = (as_logarithm(jnp.einsum("nj,njk->nk", own, a)) - least for a in pairs)
        # Its square, which the derivative has, stays a number.
        farthest = -0.49 * math.log(jnp.finfo(delta.dtype).tiny)
        inverse = jnp.exp(jnp.minimum(-(gains + losses) / 2, farthest))
        ratios = (gains - losses) / 2 + jnp.arcsinh(constant / 2 * inverse)
        return self.bandwidth * smallest_row(jnp.where(own > 0, jnp.inf, ratios).T)

    def in_units(self, unit: Scalar) -> "RobustStableCBC":
        factor = jnp.sqrt(unit)
        return RobustStableCBC(self.log_reasoning, self.margin / factor, self.bandwidth / factor)


def _wanted(
    seen: Float[Array, "n p"], y: Labels, classes: int, sample_weight: ArrayLike | None
) -> Float[Array, "c p"]:
    """How much the samples of each class show a component, beside the class that shows it most."""
    member = jax.nn.one_hot(y, classes, axis=0, dtype=seen.dtype)
    if sample_weight is not None:
        known = known_value(sample_weight)  # by the largest first, in double precision
        share = sample_weight if known is None else known / known.max()
        weight = jnp.asarray(share, seen.dtype)
        member = member * (weight / jnp.max(weight))[None]
    total = member.sum(axis=1, keepdims=True)
    shown = (member @ seen) / jnp.where(total > 0, total, 1)
    most = shown.max(axis=0, keepdims=True)
    return shown / jnp.where(most > 0, most, 1)


def _lacking(p: Float[Array, "n c"], y: MaybeLabels, margin: Scalar) -> PerSample:
    """What the right class lacks of being more probable than any other by a margin."""
    own = jax.nn.one_hot(y, p.shape[1], dtype=bool)
    rival = -smallest_row(jnp.where(own, jnp.inf, -p).T)
    return jnp.maximum(margin + rival - own_class(p.T, y), 0)
