"""Losses that are added."""

from typing import Any

import jax.numpy as jnp

from .._checks import known_value, on_device
from .._module import AbstractHomogeneous, degree, hyper, replaced
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ._base import AbstractLoss, AbstractMemberships, AbstractTypicalities, PrototypeLabels


class Sum(AbstractLoss, AbstractMemberships, AbstractTypicalities, AbstractHomogeneous):
    """\\(\\ell = \\sum_k a_k \\ell_k\\): `Sum((1.0, Fuzzy()), (0.5, Possibilistic(Cauchy(g))))`.

    **Arguments:**

    - `terms`: pairs of a number \\(a_k \\ge 0\\) and a loss.

    ∂ℓ/∂δ is the sum of the weights that the losses give. Decision: that of the first loss.

    **Raises:** `ValueError` if there is no term, or a number is negative.
    """

    losses: tuple[AbstractLoss, ...]
    weights: Float[Array, " k"] = hyper()

    def __init__(self, *terms: tuple[ArrayLike, AbstractLoss]):
        if not terms:
            raise ValueError("`terms` must hold at least one pair of a number and a loss.")
        for term in terms:
            if not (
                isinstance(term, tuple) and len(term) == 2 and isinstance(term[1], AbstractLoss)
            ):
                raise TypeError(f"`terms` must be pairs of a number and a loss, got {term!r}.")
        numbers, losses = zip(*terms, strict=True)
        known = [known_value(number) for number in numbers]
        self.losses = losses
        self.weights = (
            jnp.stack([jnp.asarray(a, jnp.result_type(float)) for a in numbers])
            if any(number is None for number in known)
            else on_device(known, float)
        )

    def __check_init__(self):
        known = known_value(self.weights)
        if known is not None and not (known >= 0).all():
            raise ValueError(f"`terms`: numbers must not be negative, got {known.min():g}.")

    @property
    def supervised(self) -> bool:
        """If a term is."""
        return any(loss.supervised for loss in self.losses)

    @property
    def differentiable(self) -> bool:
        """If all terms are."""
        return all(loss.differentiable for loss in self.losses)

    @property
    def additive(self) -> bool:
        """If all terms are."""
        return all(loss.additive for loss in self.losses)

    @property
    def relative(self) -> bool:
        """As the first term, which decides."""
        return self.losses[0].relative

    @property
    def degree(self) -> int | None:
        """That of all terms, if it is the same."""
        degrees = {degree(loss) for loss in self.losses}
        return degrees.pop() if len(degrees) == 1 else None

    def in_units(self, unit: Float[Array, "*d"]) -> "Sum":
        inner: Any = self.losses
        return replaced(self, losses=tuple(loss.in_units(unit) for loss in inner))

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        inner: Any = self.losses
        terms = (
            a * loss(delta, labels, y, progress)
            for a, loss in zip(self.weights, inner, strict=True)
        )
        return sum(terms, start=jnp.zeros((), delta.dtype))

    def total(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""],
    ) -> Scalar:
        terms = zip(self.weights, self.losses, strict=True)
        values = (a * loss.total(delta, labels, y, weight, progress) for a, loss in terms)
        return sum(values, start=jnp.zeros((), delta.dtype))

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return self.losses[0].scores(delta, labels)

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        for loss in self.losses:
            if isinstance(loss, AbstractMemberships):
                return loss.memberships(delta)
        raise ValueError("`memberships`: in no term do prototypes share samples.")

    def typicalities(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        for loss in self.losses:
            if isinstance(loss, AbstractTypicalities):
                return loss.typicalities(delta)
        raise ValueError("`typicalities`: no term knows how far away is untypical.")
