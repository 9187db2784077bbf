"""None of these: where a model has been shown samples, and what it says of those that lie
elsewhere."""

import abc
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._checks import (
    as_samples,
    as_weights,
    known_value,
    of_kinds,
    of_values,
    on_device,
    refuse_negative,
    refuse_nonfinite,
)
from .._constraints import Positive
from .._module import (
    AbstractHomogeneous,
    degree,
    hyper,
    learned,
    part,
    replaced,
    with_parts_in_units,
)
from .._schedules import as_scalar, positive
from .._statistics import counting, weighted_mean, weighted_quantile
from .._types import Array, ArrayLike, Float, PerPrototype, PerSample, Scalar
from ..cooperation import AbstractCooperation, WinnerTakesAll
from ._base import AbstractLoss
from ._decision import AbstractDecision, PrototypeLabels
from ._pooling import log_total


class AbstractVisibility(AbstractHomogeneous):
    """Whether a model sees a sample: whether it lies where the model has been shown some. One of
    your own needs `log_odds`, and `in_units` and a `degree` of zero if it has a number with the
    unit of dissimilarities."""

    @abc.abstractmethod
    def log_odds(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> PerSample:
        """\\(\\log v/(1-v)\\), v the probability that it sees the sample: zero at the border of
        what is visible."""


class Radii(AbstractVisibility):
    """Each prototype sees as far as its radius: \\(v_j = \\theta_j^\\beta/(\\theta_j^\\beta +
    \\delta_j^\\beta)\\), and the model what those see that answer for the sample, \\(v = \\sum_j
    h_j v_j\\).

    **Arguments:**

    - `radii`: θ_j > 0, `(p,)`, in the units of δ (mostly a *squared* distance).
    - `steepness`: β ≥ 1, of the border. With one, \\(1 - 2v =
      (\\delta-\\theta)/(\\delta+\\theta)\\): a rival prototype at the distance θ from everywhere
      would make the same of GLVQ.
    - `response`: the prototypes' shares h_j in the answer, scaled to sum one: the nearest one
      alone, or `GaussianShares`. With `EqualShares`, about half of all prototypes have to see a
      sample.

    At δ = θ, v is ½, whatever β is. As θ → ∞ everything is visible, as θ → 0 nothing.

    **Raises:** `ValueError` for a radius that is not positive, or a steepness below one.

    Source: A. Sato, K. Yamada, *Generalized learning vector quantization*, NIPS 8, 1995; D. Staps,
    R. Schubert, M. Kaden, A. Lampe, W. Hermann, T. Villmann, *Prototype-based
    one-class-classification learning using local representations*, IJCNN 2022.
    """

    radii: PerPrototype = learned(axis="prototype", constraint=Positive())
    steepness: Scalar = hyper(default=1.0)
    response: AbstractCooperation = part(default=WinnerTakesAll())
    degree: ClassVar[int] = 0

    def __check_init__(self):
        positive(self.radii, "radii")
        if (known := known_value(self.steepness)) is not None:
            refuse_negative(known - 1, "steepness - 1")

    @classmethod
    @of_values
    @of_kinds
    def from_distances(
        cls,
        delta: Float[ArrayLike, "n p"],
        rejected: float | None = None,
        steepness: ArrayLike = 1.0,
        response: AbstractCooperation = WinnerTakesAll(),  # noqa: B008 (a module never changes)
        sample_weight: ArrayLike | None = None,
    ) -> "Radii":
        """The radius of a prototype is the mean dissimilarity of the samples that it is nearest to.

        **Arguments:**

        - `delta`: the dissimilarities of samples that are to be seen, in the model's own metric.
        - `rejected`: the share of samples that lie beyond; radii are the means times what makes it
          so. The quantile of few samples would be a matter of chance, as their mean is not.
        - `steepness`, `response`: as `Radii` takes them.
        - `sample_weight`: how many copies of each sample there are, `(n,)`.

        A prototype that is nearest to no sample, or only to those that differ from it by rounding,
        takes the radius of all samples together.

        **Raises:** `ValueError` for a share outside (0, 1).
        """
        if rejected is not None:
            refuse_no_share(rejected, "rejected")
        floats = as_samples(delta, None, "delta")
        given = np.asarray(floats, np.float64)
        weight, known = counting(as_weights(sample_weight, len(given)), given)
        refuse_nonfinite(known, "delta")
        winner, nearest = known.argmin(axis=1), known.min(axis=1)
        typical = weighted_mean(nearest, weight)
        rounding = 2.0**10 * float(jnp.finfo(floats.dtype).eps) ** 2 * typical
        # Where all samples are prototypes there is no scale at all.
        radii = np.full(known.shape[1], typical if typical > 0 else 1.0)
        for j in range(len(radii)):
            mine = winner == j
            own = weighted_mean(nearest[mine], weight[mine]) if weight[mine].any() else 0.0
            radii[j] = own if own > rounding else radii[j]
        if rejected is not None:
            factor = weighted_quantile(nearest / radii[winner], 1 - rejected, weight)
            radii *= factor if factor > 0 else 1.0
        return cls(on_device(radii, float), steepness, response)

    def excess(self, delta: Float[Array, "n p"]) -> Float[Array, "p n"]:
        """\\(\\beta\\log(\\delta_j/\\theta_j)\\), positive beyond a prototype's radius: minus the
        log-odds of v_j."""
        return self.steepness * log_ratio(delta, self.radii)

    def log_odds(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> PerSample:
        seen, unseen = self.log_visibility(delta, self.response.log_shares(delta.T, 1.0))
        return seen - unseen

    def log_visibility(
        self, delta: Float[Array, "n p"], log_shares: Float[Array, "p n"]
    ) -> tuple[PerSample, PerSample]:
        """log v and log(1 - v), for these shares in the answer."""
        excess = self.excess(delta)
        return log_total(log_shares + jax.nn.log_sigmoid(-excess)), log_total(
            log_shares + jax.nn.log_sigmoid(excess)
        )

    def held(self) -> "Radii":
        """The same with radii that no derivative moves."""
        return replaced(self, radii=jax.lax.stop_gradient(self.radii))

    def in_units(self, unit: Scalar) -> "Radii":
        return with_parts_in_units(self, unit, radii=self.radii / unit)


class Level(AbstractVisibility):
    """A model sees what it represents well: \\(\\log v/(1-v) = (t - \\ell)/w\\), ℓ the loss of a
    sample.

    **Arguments:**

    - `loss`: a loss that needs no labels, such as `Mixture`, whose ℓ is the negative logarithm of a
      density.
    - `level`: t, the loss at the border.
    - `width`: w > 0, over which the border is soft. With one, what is not visible is as likely as
      under a uniform density \\(e^{-t}\\).

    **Raises:** `ValueError` for a loss that learns from labels or is no sum over samples, and a
    width that is not positive.

    Source: C. Bishop, *Novelty detection and neural network validation*, IEE Proceedings - Vision,
    Image and Signal Processing 141, 1994.
    """

    loss: AbstractLoss = part()
    level: Scalar = hyper()
    width: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.width, "width")
        if self.loss.supervised:
            raise ValueError(
                f"`loss` must need no labels, and {type(self.loss).__name__} learns from them."
            )
        if not self.loss.additive:
            raise ValueError(
                f"`loss` must have a value for each sample, and {type(self.loss).__name__} has "
                f"none."
            )

    @property
    def degree(self) -> int | None:
        """Zero, if that of the loss is known: the level has its units."""
        return None if degree(self.loss) is None else 0

    def log_odds(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> PerSample:
        of_each: Any = self.loss
        return (self.level - of_each(delta, labels, None)) / self.width

    def in_units(self, unit: Scalar) -> "Level":
        factor = unit ** (degree(self.loss) or 0)
        return with_parts_in_units(self, unit, level=self.level / factor, width=self.width / factor)


class OpenSet(AbstractDecision, AbstractHomogeneous):
    """A decision between the classes that a model knows and one more, the last: *none of these*.

    It is none of them where \\(v < \\tfrac12\\), and otherwise the class that it would be without
    this question. The probability of none has the odds \\((1-v)/v\\) against that of the best
    class; with `Radii` and a decision by distance, it is that of a class whose nearest prototype is
    at the distance θ.

    **Arguments:**

    - `decision`: between the classes that are known: any decision or loss.
    - `visibility`: v, `Radii` or a `Level`.

    `PrototypeModel.open_set` makes one from samples. **Raises:** `ValueError` for a decision that
    knows none already.

    Source: W. Scheirer, A. de Rezende Rocha, A. Sapkota, T. Boult, *Toward open set recognition*,
    IEEE Trans. Pattern Analysis and Machine Intelligence 35, 2013.
    """

    decision: AbstractDecision = part()
    visibility: AbstractVisibility = part()
    open_set: ClassVar[bool] = True

    def __check_init__(self):
        if self.decision.open_set:
            raise ValueError(
                f"`decision`: {type(self.decision).__name__} can say 'none of these' already."
            )

    @property
    def degree(self) -> int | None:
        """Zero, if both parts know what a change of units makes of them."""
        return None if degree(self.decision) is None or degree(self.visibility) is None else 0

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return with_none(
            self.decision.scores(delta, labels), self.visibility.log_odds(delta, labels)
        )

    def in_units(self, unit: Scalar) -> "OpenSet":
        return with_parts_in_units(self, unit)


class Calibrated(AbstractDecision, AbstractHomogeneous):
    """Another decision, with the border of what is visible elsewhere: the log-odds of v are less by
    an offset.

    **Arguments:**

    - `decision`: one that can say "none of these".
    - `offset`: how much less.

    `PrototypeModel.calibrated` finds the offset that rejects a wished share of samples.

    **Raises:** `ValueError` for a decision that knows all classes.

    Source: V. Vovk, A. Gammerman, G. Shafer, *Algorithmic learning in a random world*, Springer,
    2005.
    """

    decision: AbstractDecision = part()
    offset: Scalar = hyper(default=0.0)
    open_set: ClassVar[bool] = True

    def __check_init__(self):
        refuse_closed(self.decision)

    @property
    def degree(self) -> int | None:
        """That of the decision."""
        return degree(self.decision)

    @property
    def relative(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the decision is one by differences."""
        return self.decision.relative

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        scores = self.decision.scores(delta, labels)
        return scores.at[:, -1].add(self.offset)

    def in_units(self, unit: Scalar) -> "Calibrated":
        return with_parts_in_units(self, unit)


def with_none(known: Float[Array, "n c"], log_odds: PerSample) -> Float[Array, "n k"]:
    """Scores of the known classes, and of none of these, which has the odds (1 - v)/v against the
    best of them."""
    return jnp.concatenate([known, (jnp.max(known, axis=1) - log_odds)[:, None]], axis=1)


def log_odds_of(scores: Float[Array, "n c"]) -> PerSample:
    """\\(\\log v/(1-v)\\) from the scores of a decision of which the last class is none of the
    others."""
    return jnp.max(scores[:, :-1], axis=1) - scores[:, -1]


@jax.custom_jvp
def log_ratio(delta: Float[Array, "n p"], radii: PerPrototype) -> Float[Array, "p n"]:
    """log(δ/θ), finite where δ is zero (a sample on a prototype is seen as well as any) and where
    the ratio is beyond all numbers."""
    delta, radii = delta.T, radii[:, None]
    ratio = delta / radii
    # Elsewhere, a difference of logarithms would have fewer digits than the logarithm of a ratio.
    beyond = jnp.isinf(ratio)
    within = jnp.maximum(ratio, float(jnp.finfo(delta.dtype).tiny))
    return jnp.log(jnp.where(beyond, delta, within)) - jnp.where(beyond, jnp.log(radii), 0)


@log_ratio.defjvp
def _log_ratio_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # Not by the derivative of a ratio: squares of radii are out of range long before radii are.
    (delta, radii), (d_delta, d_radii) = primals, tangents
    tiny = float(jnp.finfo(delta.dtype).tiny)
    relative = jnp.where(delta > tiny * radii[None], d_delta / jnp.maximum(delta, tiny), 0)
    return log_ratio(delta, radii), relative.T - (d_radii / radii)[:, None]


def refuse_closed(decision: AbstractDecision) -> None:
    """Raise `ValueError` for a decision between known classes alone."""
    if not decision.open_set:
        raise ValueError(
            f"{type(decision).__name__} decides between classes that are known, and cannot say "
            "'none of these': `model.open_set(x)` gives a model that can."
        )


def refuse_no_share(value: ArrayLike, name: str) -> None:
    """Raise `ValueError` for a number outside (0, 1), where its value is known."""
    known = known_value(value if isinstance(value, Tracer) else as_scalar(value, name))
    if known is not None and not 0 < known < 1:
        raise ValueError(f"`{name}` is a share and must lie between 0 and 1, got {float(known):g}.")
