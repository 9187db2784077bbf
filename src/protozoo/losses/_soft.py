"""Soft learning vector quantisation: prototypes are the components of a Gaussian mixture, each of
one class."""

from collections.abc import Collection
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, learned, part, static, with_parts_in_units
from .._schedules import Scaled, Schedule, positive, scheduled
from .._types import Array, ArrayLike, Float, MaybeLabels, PerPrototype, PerSample, PyTree, Scalar
from ..cooperation import AbstractCooperation, EqualShares
from ._base import AbstractSampleLoss, PrototypeLabels
from ._pooling import class_logsumexp, log_total, own_class


class AbstractSoftLoss(AbstractSampleLoss, AbstractHomogeneous):
    """What soft losses share: the components' logits
    \\(\\log\\pi_j - \\tfrac k2 \\log v_j - \\delta_j/2\\sigma^2v_j\\), and the posterior as the
    decision."""

    #: σ² > 0, in the units of δ: a number, or a schedule of training progress (annealing).
    variance: eqx.AbstractVar[Schedule]
    #: log v_j, learned: shape `(p,)`, or a scalar for all prototypes; `None`: v = 1.
    log_scales: eqx.AbstractVar[Float[Array, "*p"] | None]
    #: log π_j up to a constant, learned: shape `(p,)`; `None`: all components are equally likely.
    log_priors: eqx.AbstractVar[PerPrototype | None]
    #: k, the dimension in which components are normalised; needed for learned variances only.
    dimension: eqx.AbstractVar[int]
    degree: ClassVar[int] = 0

    def __check_init__(self):
        for progress in (0.0, 1.0):
            positive(self.variance(progress), "variance")
        if self.dimension < 0:
            raise ValueError(f"`dimension` must not be negative, got {self.dimension}.")
        if self.log_scales is not None and self.dimension < 1:
            raise ValueError(
                "`dimension` must be that of the adapted space if variances are learned "
                "(`log_scales`)."
            )

    def logits(
        self, delta: Float[Array, "n p"], progress: Float[ArrayLike, ""]
    ) -> Float[Array, "n p"]:
        """The logarithms of the components' joint densities, up to a constant for each sample."""
        # Differences are taken before anything is divided by a variance that may be small.
        least = jax.lax.stop_gradient(jnp.min(delta.T, axis=0))[:, None]
        excess = delta - least

        def of_each(values: Float[Array, "*p"]) -> Float[Array, "n p"]:
            return jnp.broadcast_to(values, delta.shape)

        if self.log_scales is not None:
            precisions = jnp.exp(-self.log_scales)
            excess = excess * of_each(precisions) + least * of_each(
                precisions - jnp.min(precisions)
            )
        logits = -excess / (2 * self.variance(progress))
        if self.log_scales is not None:
            logits = logits - of_each(0.5 * self.dimension * self.log_scales)
        if self.log_priors is not None:
            logits = logits + self.log_priors[None]
        return logits

    @property
    def relative(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether all components have the same variance."""
        return self.log_scales is None

    def in_units(self, unit: Scalar) -> "AbstractSoftLoss":
        return with_parts_in_units(self, unit, variance=Scaled(self.variance, 1 / unit))

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return class_logsumexp(self.logits(delta, 1.0), labels)


def refuse_other_dimension(decision: PyTree, dimensions: Collection[int], name: str) -> None:
    """Raise `ValueError` for components that are normalised in another dimension than one of those
    that they have."""
    for one in jax.tree.leaves(decision, is_leaf=learns_variances):
        if learns_variances(one) and one.dimension not in dimensions:
            raise ValueError(
                f"`{name}`: components of {type(one).__name__} are normalised in "
                f"`dimension={one.dimension}`, and the adapted space has {max(dimensions)}."
            )


def learns_variances(part: Any) -> bool:
    """Whether it is a soft loss of components that have variances of their own."""
    return isinstance(part, AbstractSoftLoss) and part.log_scales is not None


class RSLVQ(AbstractSoftLoss):
    """\\(\\ell = -\\log P(y\\,|\\,x)\\), the posterior of a mixture of which each component belongs
    to one class:
    \\(P(k\\,|\\,x) = \\sum_{j \\in k} \\pi_j e^{-\\delta_j/2\\sigma^2} /
    \\sum_j \\pi_j e^{-\\delta_j/2\\sigma^2}\\).

    **Arguments:**

    - `variance`: σ² > 0, in the units of δ: a number, or a schedule (annealing).
    - `log_scales`: learned factors of the variance, \\(\\sigma_j^2 = \\sigma^2 e^{s_j}\\), `(p,)`
      or a scalar; one by default.
    - `log_priors`: learned logarithms of the π_j, `(p,)`; equal by default.
    - `dimension`: of the adapted space, to normalise components of different variances.
    - `cooperation`: multiplies each component by its share h_j, of all prototypes.
      `RankCooperation` makes those that are near count more; without a cooperation (`EqualShares`),
      the densities alone decide. It takes part in training only; the posterior is that of the
      mixture.

    Computed in the log domain: badly misclassified samples keep their gradient however small σ² is.

    **Raises:** `ValueError` if the variance is not positive, or is learned without a `dimension`,
    and for a cooperation of the winner alone.

    Source: S. Seo, K. Obermayer, *Soft learning vector quantization*, Neural Computation 15, 2003;
    learned variances: P. Schneider, M. Biehl, B. Hammer, *Hyperparameter learning in probabilistic
    prototype-based models*, Neurocomputing 73, 2010.
    """

    variance: Schedule = scheduled(default=1.0)
    log_scales: Float[Array, "*p"] | None = learned(axis="prototype", default=None)
    log_priors: PerPrototype | None = learned(axis="prototype", default=None)
    dimension: int = static(default=0)
    cooperation: AbstractCooperation = part(default=EqualShares())
    supervised: ClassVar[bool] = True

    def __check_init__(self):
        if self.cooperation.winner_alone:
            raise ValueError(
                "`cooperation` must leave every prototype a share: with the winner alone, the "
                "loss of a misclassified sample is infinite."
            )

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        shares = self.cooperation.log_weights(delta.T, progress).T
        totals = class_logsumexp(self.logits(delta, progress) + shares, labels).T
        return log_total(totals) - own_class(totals, y)


class SoftLVQ(AbstractSoftLoss):
    """\\(\\ell = -\\log \\bigl(P(y\\,|\\,x) / (1 - P(y\\,|\\,x))\\bigr)\\): the negative
    log-likelihood ratio of the sample's own
    class and all others, under the mixture of `RSLVQ`.

    The arguments are those of `RSLVQ`, without the cooperation. The ratio has no lower bound:
    correct samples keep pulling.

    **Raises:** `ValueError` if the variance is not positive, or is learned without a `dimension`.

    Source: S. Seo, K. Obermayer, *Soft learning vector quantization*, Neural Computation 15, 2003.
    """

    variance: Schedule = scheduled(default=1.0)
    log_scales: Float[Array, "*p"] | None = learned(axis="prototype", default=None)
    log_priors: PerPrototype | None = learned(axis="prototype", default=None)
    dimension: int = static(default=0)
    supervised: ClassVar[bool] = True

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        totals = class_logsumexp(self.logits(delta, progress), labels).T
        own = jax.nn.one_hot(y, len(totals), axis=0, dtype=bool)
        return log_total(jnp.where(own, -jnp.inf, totals)) - own_class(totals, y)
