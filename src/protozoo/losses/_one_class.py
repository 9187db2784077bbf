"""Losses of one class: samples of it are targets, all others are outliers, and no prototype stands
for these."""

from collections.abc import Callable
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, hyper, part, static, with_parts_in_units
from .._schedules import positive, within
from .._types import Array, ArrayLike, Bool, Float, MaybeLabels, PerPrototype, PerSample, Scalar
from ..cooperation import AbstractCooperation, WinnerTakesAll
from ._base import AbstractLoss, AbstractSampleLoss, PrototypeLabels, nearness
from ._open_set import Radii, log_ratio, refuse_no_share, with_none
from ._pooling import class_minimum
from ._transfer import with_numbers


class RejectedShare(AbstractHomogeneous):
    """\\(\\rho = \\max(0, \\log\\delta/\\theta) + \\nu\\log\\theta/s\\), by which radii become
    quantiles: of the targets that a prototype answers for, the share ν lies beyond its radius where
    the derivative by \\(\\log\\theta\\) is zero.

    **Arguments:**

    - `share`: ν in (0, 1), the wished share of rejected targets.
    - `scale`: s > 0, in the units of δ, so that ρ has none. It changes no derivative.

    Without outliers, nothing else keeps radii from growing for ever. Where the winner alone
    answers, ν is the share of all targets that is rejected; where answers are soft, about.

    **Raises:** `ValueError` for a share outside (0, 1), a scale that is not positive.

    Source: R. Koenker, G. Bassett, *Regression quantiles*, Econometrica 46, 1978.
    """

    share: Scalar = hyper(default=0.05)
    scale: Scalar = hyper(default=1.0)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        refuse_no_share(self.share, "share")
        positive(self.scale, "scale")

    def __call__(self, delta: Float[Array, "n p"], radii: PerPrototype) -> Float[Array, "p n"]:
        """ρ for each prototype and sample."""
        beyond = jnp.maximum(log_ratio(delta, radii), 0)
        # A difference of logarithms: compiled, the derivative of a ratio has the product of both as
        # its denominator.
        return beyond + self.share * (jnp.log(radii) - jnp.log(self.scale))[:, None]

    def in_units(self, unit: Scalar) -> "RejectedShare":
        return RejectedShare(self.share, self.scale / unit)


class AbstractOneClass(AbstractLoss, AbstractHomogeneous):
    """What losses of one class share.

    Prototypes stand for the targets, class 0. Class 1, all others, has none: a sample is of it
    where no prototype sees it. In the same way, c classes of targets are learned together, each by
    prototypes of its own, and c is the class of the others.
    """

    #: Who sees what, and with it the decision.
    visibility: eqx.AbstractVar[Radii]
    #: What keeps radii where they leave out a wished share of targets; `None`: outliers alone do.
    rejected: eqx.AbstractVar[RejectedShare | None]
    supervised: ClassVar[bool] = True
    open_set: ClassVar[bool] = True

    @property
    def targets_only(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it is told how many targets to reject."""
        return self.rejected is not None

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return with_none(
            nearness(class_minimum(delta, labels)), self.visibility.log_odds(delta, labels)
        )

    def learning(self) -> Radii:
        """The visibility as the classification learns it: where radii follow targets alone, it
        moves everything else."""
        return self.visibility if self.rejected is None else self.visibility.held()

    def rejection(
        self, delta: Float[Array, "n p"], log_shares: Float[Array, "p n"], target: Bool[Array, " n"]
    ) -> PerSample:
        """What moves radii to the quantile of the targets."""
        if self.rejected is None:
            return jnp.zeros_like(delta, shape=len(delta))
        # Those who do not answer may be infinitely far away.
        of_each = jnp.where(
            jnp.isfinite(log_shares), self.rejected(delta, self.visibility.radii), 0
        )
        return jnp.where(target, jnp.sum(jnp.exp(log_shares) * of_each, axis=0), 0)


class OneClass(AbstractSampleLoss, AbstractOneClass):
    """\\(\\ell = \\sum_j h_j\\,f(s\\mu_j + m)\\) with \\(\\mu_j = (\\delta_j -
    \\theta_j)/(\\delta_j + \\theta_j)\\): GLVQ, whose rival is at the distance θ_j from everywhere.
    s is 1 for targets and -1 for outliers.

    **Arguments:**

    - `visibility`: the radii θ, and whether the winner alone decides. With another steepness than
      one, \\(\\mu_j = (\\delta_j^\\beta - \\theta_j^\\beta)/(\\delta_j^\\beta +
      \\theta_j^\\beta)\\).
    - `cooperation`: the shares h_j in training, scaled to sum one: `RankCooperation`,
      `GaussianShares`, or the product of both. Whether it takes part in scoring is another
      question: scores have the shares of `visibility.response`.
    - `transfer`, `margin`, `steepness`: f, m and its steepness, as `GLVQ` has them.
    - `rejected`: `RejectedShare(ν)` adds \\(\\sum_j h_j\\rho_j\\) for targets and holds radii fixed
      in μ, so that the share ν of targets is rejected. Needed where there are no outliers.

    Decision: \\(v = \\sum_j h_j\\theta_j/(\\delta_j + \\theta_j)\\) is the probability of the
    target. No unit of the data matters.

    **Raises:** `ValueError` for an unknown transfer, and numbers that it does not take (`GLVQ`).

    Source: A. Sato, K. Yamada, *Generalized learning vector quantization*, NIPS 8, 1995; D. Staps,
    R. Schubert, M. Kaden, A. Lampe, W. Hermann, T. Villmann, *Prototype-based
    one-class-classification learning using local representations*, IJCNN 2022.
    """

    visibility: Radii = part()
    cooperation: AbstractCooperation = part()
    margin: Scalar = hyper()
    steepness: Scalar = hyper()
    rejected: RejectedShare | None = part()
    transfer: Callable = static()
    degree: ClassVar[int] = 0

    def __init__(
        self,
        visibility: Radii,
        cooperation: AbstractCooperation = WinnerTakesAll(),  # noqa: B008 (a module never changes)
        transfer: str | Callable = "identity",
        margin: ArrayLike = 0.0,
        steepness: ArrayLike | None = None,
        rejected: RejectedShare | None = None,
    ):
        self.visibility, self.cooperation, self.rejected = visibility, cooperation, rejected
        self.transfer, self.margin, self.steepness = with_numbers(transfer, margin, steepness)

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        group, target = _answering(delta, labels, y)
        log_shares = self.cooperation.log_shares(group, progress)
        difference = 2 * jax.nn.sigmoid(self.learning().excess(delta)) - 1
        cost = self.transfer(
            jnp.where(target, difference, -difference) + self.margin, self.steepness
        )
        return jnp.sum(jnp.exp(log_shares) * cost, axis=0) + self.rejection(
            delta, log_shares, target
        )

    def in_units(self, unit: Scalar) -> "OneClass":
        return with_parts_in_units(self, unit)


class SVQOCC(AbstractSampleLoss, AbstractOneClass):
    """\\(\\ell = \\alpha\\,t\\sum_j h_j\\delta_j/s + (1-\\alpha)\\,c(t, v)\\): prototypes represent
    the targets (t = 1), as neural gas does, and see them, and no outliers (t = 0). v is the
    probability that a sample is visible.

    **Arguments:**

    - `visibility`: the radii, how steep their borders are, and the response of prototypes to a
      sample: the winner, `GaussianShares`, `StudentShares` or `EqualShares`.
    - `cooperation`: h, scaled to sum one and held fixed by the derivative.
    - `balance`: α in [0, 1].
    - `cost`: c: `"cross-entropy"` or `"brier"`, \\((t - v)^2\\). `ContrastiveSVQOCC` has a third
      one.
    - `scale`: s > 0, a typical dissimilarity, so that no unit matters.
    - `rejected`: as `OneClass` has it.

    Computed in the log domain: it is finite for a target that nobody sees.

    **Raises:** `ValueError` for a balance outside [0, 1], a scale that is not positive.

    Source: D. Staps, R. Schubert, M. Kaden, A. Lampe, W. Hermann, T. Villmann, *Prototype-based
    one-class-classification learning using local representations*, IJCNN 2022.
    """

    visibility: Radii = part()
    cooperation: AbstractCooperation = part(default=WinnerTakesAll())
    balance: Scalar = hyper(default=0.5)
    cost: Literal["cross-entropy", "brier"] = static(default="cross-entropy")
    scale: Scalar = hyper(default=1.0)
    rejected: RejectedShare | None = part(default=None)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        within(self.balance, "balance", "[0, 1]")
        positive(self.scale, "scale")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        group, target = _answering(delta, labels, y)
        log_shares = self.visibility.response.log_shares(group, progress)
        seen, unseen = self.learning().log_visibility(delta, log_shares)
        wrong = jnp.where(target, unseen, seen)
        cost = (
            -jnp.where(target, seen, unseen) if self.cost == "cross-entropy" else jnp.exp(2 * wrong)
        )
        represented = _represented(self.cooperation, delta, group, progress) / self.scale
        value = self.balance * jnp.where(target, represented, 0) + (1 - self.balance) * cost
        return value + self.rejection(delta, log_shares, target)

    def in_units(self, unit: Scalar) -> "SVQOCC":
        return with_parts_in_units(self, unit, scale=self.scale / unit)


class ContrastiveSVQOCC(AbstractOneClass):
    """`SVQOCC` with the cost \\(2 - \\mathrm{PPV} - \\mathrm{NPV}\\) of a whole batch: of what is
    visible the share of outliers, and of what is not the share of targets.

    The arguments are those of `SVQOCC`. \\(\\mathrm{PPV} = \\sum tv / \\sum v\\), \\(\\mathrm{NPV}
    = \\sum (1-t)(1-v) / \\sum (1-v)\\): no sum over samples, so that batches are not worked through
    in pieces, and small ones are biased.

    **Raises:** `ValueError` for a balance outside [0, 1], a scale that is not positive.

    Source: D. Staps, R. Schubert, M. Kaden, A. Lampe, W. Hermann, T. Villmann, *Prototype-based
    one-class-classification learning using local representations*, IJCNN 2022.
    """

    visibility: Radii = part()
    cooperation: AbstractCooperation = part(default=WinnerTakesAll())
    balance: Scalar = hyper(default=0.5)
    scale: Scalar = hyper(default=1.0)
    rejected: RejectedShare | None = part(default=None)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        within(self.balance, "balance", "[0, 1]")
        positive(self.scale, "scale")

    def total(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        group, target = _answering(delta, labels, y)
        log_shares = self.visibility.response.log_shares(group, progress)
        seen, unseen = (jnp.exp(log) for log in self.learning().log_visibility(delta, log_shares))
        of_targets = jnp.where(target, weight, 0)
        wrong = _share((weight - of_targets) * seen, weight * seen) + _share(
            of_targets * unseen, weight * unseen
        )
        of_each = self.balance * _represented(self.cooperation, delta, group, progress) / self.scale
        of_each = of_each + self.rejection(delta, log_shares, target)
        return _share(of_targets * of_each, of_targets) + (1 - self.balance) * wrong

    def in_units(self, unit: Scalar) -> "ContrastiveSVQOCC":
        return with_parts_in_units(self, unit, scale=self.scale / unit)


class DataDescription(AbstractSampleLoss, AbstractOneClass):
    """\\(\\ell = \\sum_j h_j\\bigl(\\nu\\theta_j + \\max(0, \\delta_j - \\theta_j)\\bigr)\\) for
    targets, \\(\\sum_j h_j\\max(0, \\theta_j - \\delta_j)\\) for outliers: the smallest balls that
    hold the targets, of which the share ν may lie outside.

    **Arguments:**

    - `visibility`: the radii θ: with a squared distance, those of the balls, squared.
    - `rejected`: ν, a `RejectedShare` (whose scale means nothing here). Where there are no
      outliers, radii are trimmed: they are the quantile 1 - ν of what a prototype answers for.
    - `cooperation`: the shares h_j, scaled to sum one.

    With one prototype and a kernel it is the support vector data description: centres move by the
    targets at the border and beyond it alone.

    Source: D. Tax, R. Duin, *Support vector data description*, Machine Learning 54, 2004; L. Ruff,
    R. Vandermeulen, N. Görnitz, L. Deecke, S. Siddiqui, A. Binder, E. Müller, M. Kloft, *Deep
    one-class classification*, ICML 2018.
    """

    visibility: Radii = part()
    rejected: RejectedShare = part()
    cooperation: AbstractCooperation = part(default=WinnerTakesAll())
    degree: ClassVar[int] = 1

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        group, target = _answering(delta, labels, y)
        shares, radii = (
            jnp.exp(self.cooperation.log_shares(group, progress)),
            self.visibility.radii[:, None],
        )
        beyond = delta.T - radii
        cost = jnp.where(
            target, self.rejected.share * radii + jnp.maximum(beyond, 0), jnp.maximum(-beyond, 0)
        )
        return jnp.sum(shares * cost, axis=0)

    def in_units(self, unit: Scalar) -> "DataDescription":
        return with_parts_in_units(self, unit)


def _answering(
    delta: Float[Array, "n p"], labels: PrototypeLabels, y: MaybeLabels
) -> tuple[Float[Array, "p n"], Bool[Array, " n"]]:
    """The dissimilarities to those that answer for a sample, and whether it is a target. For a
    target, prototypes of its own class answer (the others are infinitely far away), for an outlier
    all do."""
    classes = int(labels[-1]) + 1
    if classes == 1:
        return delta.T, y < classes
    answers = (jnp.asarray(labels)[:, None] == y[None]) | (y >= classes)[None]
    return jnp.where(answers, delta.T, jnp.inf), y < classes


def _represented(
    cooperation: AbstractCooperation,
    delta: Float[Array, "n p"],
    group: Float[Array, "p n"],
    progress: Float[ArrayLike, ""],
) -> PerSample:
    """\\(\\sum_j h_j\\delta_j\\), shares held fixed."""
    return jnp.sum(
        jnp.exp(jax.lax.stop_gradient(cooperation.log_shares(group, progress))) * delta.T, axis=0
    )


def _share(part: PerSample, whole: PerSample) -> Scalar:
    """The sum of a part in that of the whole; zero where there is nothing."""
    total = jnp.sum(whole)
    return jnp.sum(part) / jnp.where(total > 0, total, 1)
