"""Generalized learning vector quantization."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp

from .._module import AbstractScaleFree, hyper, part, static
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample, Scalar
from ..cooperation import AbstractCooperation, WinnerTakesAll
from ._base import AbstractWinnerLoss, PrototypeLabels, Winners, nearness
from ._pooling import class_columns, class_minimum, find_winners, fold, own_class
from ._transfer import with_numbers


class GLVQ(AbstractWinnerLoss, AbstractScaleFree):
    """\\(\\ell = f(\\mu + m)\\) with \\(\\mu = (d^+ - d^-)/(d^+ + d^-) \\in [-1, 1]\\), negative
    for a correct decision.

    d⁺ is the dissimilarity to the nearest prototype of the sample's own class, d⁻ to the nearest of
    any other.

    **Arguments:**

    - `transfer`: f: `"identity"`, `"sigmoid"`, `"swish"` or a function f(t, steepness).
    - `margin`: m, shifts the point at which a nonlinear f pays attention. The identity has no such
      point, and refuses one.
    - `steepness`: β of the transfer function; likewise (10 by default).
    - `cooperation`: `RankCooperation` averages f over all prototypes of the sample's own class, by
      rank.

    Decision: classes have probability ∝ 1/d_k, d_k the dissimilarity to the nearest prototype of
    class k: between two classes, μ is exactly the difference of their probabilities, and no unit of
    the data matters.

    **Raises:** `ValueError` for an unknown transfer, a margin or steepness that the identity would
    ignore, a steepness that is not positive.

    Source: A. Sato, K. Yamada, *Generalized learning vector quantization*, NIPS 8, 1995.
    """

    margin: Scalar = hyper()
    steepness: Scalar = hyper()
    cooperation: AbstractCooperation = part()
    transfer: Callable = static()
    degree: ClassVar[int] = 0
    supervised: ClassVar[bool] = True
    nearest_wins: ClassVar[bool] = True

    def __init__(
        self,
        transfer: str | Callable = "identity",
        margin: ArrayLike = 0.0,
        steepness: ArrayLike | None = None,
        cooperation: AbstractCooperation = WinnerTakesAll(),  # noqa: B008 (a module never changes)
    ):
        self.transfer, self.margin, self.steepness = with_numbers(transfer, margin, steepness)
        self.cooperation = cooperation

    @property
    def few(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the winner of the own class stands for all of it."""
        return self.cooperation.winner_alone

    def winners(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
    ) -> Winners:
        winners = find_winners(delta, labels, y)
        if self.few:
            return winners
        own = own_class(fold(delta, labels), y), jnp.asarray(class_columns(labels))[y].T
        return Winners(
            *(
                jnp.concatenate([all_own, two[1:]])
                for all_own, two in zip(own, winners, strict=True)
            )
        )

    def of_winners(
        self,
        entries: Float[Array, "k n"],
        progress: Float[ArrayLike, ""],
    ) -> PerSample:
        own, rival = entries[:-1], entries[-1]

        def cost(closest: Float[Array, "*m n"]) -> Float[Array, "*m n"]:
            difference = _relative_difference(closest, jnp.broadcast_to(rival, closest.shape))
            return self.transfer(difference + self.margin, self.steepness)

        return self.cooperation.pool(cost, own, progress)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(class_minimum(delta, labels))


@jax.custom_jvp
def _relative_difference(a: Float[Array, "*m n"], b: Float[Array, "*m n"]) -> Float[Array, "*m n"]:
    """(a - b)/(a + b) for numbers that are not negative; zero where both are."""
    total = a + b
    return (a - b) / jnp.where(total == 0, 1, total)


@_relative_difference.defjvp
def _relative_difference_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # In ratios: the square of a sum is out of range long before the sum is.
    (a, b), (da, db) = primals, tangents
    total = a + b
    safe = jnp.where(total == 0, 1, total)
    change = 2 * ((b / safe) * da - (a / safe) * db) / safe
    return _relative_difference(a, b), jnp.where(total == 0, 0, change)
