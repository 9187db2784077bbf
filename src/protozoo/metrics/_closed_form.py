"""What a closed form needs to know of the data, and who has one."""

import abc
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from .._products import flattened
from .._types import Array, Float, PerPrototype, Scalar
from ..manifolds import centred
from ..manifolds.internal import LOST, precise_product
from ..prototypes import Prototypes


#: Which second moments of the displacements a part needs.
Order = Literal["none", "diagonal", "full"]


class Moments(eqx.Module):
    """Weighted moments of the displacements x ⊖ w of all samples from each prototype: all that a
    closed form needs.

    With W = ∂(Σℓ)/∂s the weights by squared norms and V = ∂(Σℓ)/∂δ those by dissimilarities, they
    add up over batches, so that a pass over the data needs memory for one batch.
    """

    weight: PerPrototype  # Σ_i |W_ij|
    first: Float[Array, "p k"]  # Σ_i W_ij (x_i ⊖ w_j)
    #: Σ_i W_ij (x_i ⊖ w_j)², or its outer products; `None` where no part asked for them.
    second: Float[Array, "p k"] | Float[Array, "p k k"] | None
    #: Σ_i V_ij and Σ_i V_ij δ_ij: the share of each prototype, and what it costs.
    share: PerPrototype | None = None
    cost: PerPrototype | None = None

    @classmethod
    def of(
        cls, prototypes: Prototypes, x: Float[Array, "n ..."], w: Float[Array, "n p"], order: Order
    ) -> "Moments":
        """Those of samples under the weights W, by matrix products in a flat space."""
        space, points = prototypes.space, prototypes.points
        # Products with ones: a sum along the samples adds one number after the other.
        ones = jnp.ones_like(w[:, :1])
        weight = precise_product(jnp.abs(w.T), ones)[:, 0]
        if not space.displacement_is_difference:
            v = space.coordinates(points, x)
            return cls(weight, jnp.einsum("np,npk->pk", w, v), None)
        x, points = flattened(x), flattened(points)
        z, v = centred(x, points)
        total = precise_product(w.T, ones)
        sums = w.T @ z
        first = sums - total * v

        def about_each(moment: Callable[[Float[Array, " n"], Float[Array, "n d"]], Array]) -> Array:
            """A moment about each prototype itself: about a common reference, tight clusters far
            apart cancel to noise."""
            return jax.lax.map(lambda args: moment(args[0], x - args[1][None]), (w.T, points))

        second = None
        if order == "diagonal":
            squares = w.T @ (z * z)
            expanded = squares - v * (2 * sums - total * v)
            # What is left of them is computed again.
            terms = jnp.abs(squares) + jnp.abs(total) * v * v
            lost = jnp.abs(expanded) < LOST * jnp.finfo(x.dtype).eps * terms
            second = jax.lax.cond(
                jnp.any(lost), lambda: about_each(lambda w, v: w @ (v * v)), lambda: expanded
            )
        elif order == "full":
            second = about_each(lambda w, v: (v * w[:, None]).T @ v)
        return cls(weight, first, second)

    def mean(self) -> Float[Array, "p k"]:
        """The weighted mean displacement; zero for a prototype that no sample has any weight
        for."""
        weight = jnp.where(self.weight > 0, self.weight, 1)
        return jnp.where((self.weight > 0)[:, None], self.first / weight[:, None], 0)

    def scatter(self, moved: Float[Array, "p k"]) -> Float[Array, "p k"] | Float[Array, "p k k"]:
        """What covariances Σ move towards when prototypes move by m, a share η of the mean
        displacement μ: \\(S - m\\mu^\\top\\), S the weighted second moment about where they were.

        A step η from Σ is then the covariance about the new place of what was seen before, with the
        share 1-η, and of these samples; after a whole step, theirs about their mean:

        \\[(1-\\eta)(\\Sigma + mm^\\top) + \\eta\\,(S - m\\mu^\\top - \\mu m^\\top + mm^\\top)\\]
        """
        weight = jnp.where(self.weight > 0, self.weight, 1)
        mean, second = self.mean(), self.second
        assert second is not None
        if second.ndim == 2:
            return second / weight[:, None] - moved * mean
        return second / weight[:, None, None] - moved[:, :, None] * mean[:, None, :]

    def mean_cost(self) -> PerPrototype:
        """The weighted mean dissimilarity of each prototype's samples; zero where it has none."""
        assert self.share is not None and self.cost is not None
        seen = self.share > 0
        return jnp.where(seen, self.cost / jnp.where(seen, self.share, 1), 0)


class Step(NamedTuple):
    """How far closed forms move towards what minimises the loss of a batch: 1 is all the way."""

    each: PerPrototype  # numbers of one prototype
    whole: Scalar  # numbers that prototypes share

    @classmethod
    def of_running_sums(
        cls, mass: PerPrototype, weight: PerPrototype, share: Scalar
    ) -> "tuple[Step, PerPrototype]":
        """The steps to what minimises the loss under running sums of weights, in which the newest
        batch has this share: \\(N_j \\leftarrow (1-\\gamma) N_j + \\gamma \\sum_i W_{ij}\\). With
        them, the new sums N."""
        new = share * weight
        total = (1 - share) * mass + new

        def part(new: Array, total: Array) -> Array:
            return jnp.where(total > 0, new / jnp.where(total > 0, total, 1), 0)

        return cls(part(new, total), part(jnp.sum(new), jnp.sum(total))), total


class AbstractClosedForm(eqx.Module):
    """A part whose own numbers have a closed form; alternating optimisation calls it.

    The parameters of a part (`learned`) move to the minimiser of Σ W·δ in every step. Numbers of a
    `buffer` are estimates, such as a bandwidth; they move where the rule asks for it.
    """

    #: Whether what it estimates follows from the share and the cost of each prototype.
    needs_cost: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def second_moments(self) -> Order:
        """Which second moments of the displacements it needs."""

    @abc.abstractmethod
    def refit(
        self, moments: Moments, moved: Float[Array, "p k"], step: Step
    ) -> "AbstractClosedForm":
        """Move by `step` (1: all the way) towards the minimiser, the prototypes having moved by
        `moved`."""
