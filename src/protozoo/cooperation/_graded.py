"""Shares between those that compete and those that do not."""

import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, replaced
from .._schedules import AbstractSchedule, Scaled, as_schedule, positive, value_at, within
from .._types import Array, ArrayLike, Float
from ._base import AbstractCooperation


class GradedShares(AbstractCooperation, AbstractHomogeneous):
    """Graded possibilistic shares: \\(h_j = v_j/Z\\) with \\(v_j = e^{-\\delta_j/\\beta}\\).

    **Arguments:**

    - `grade`: α in (0, 1], a number or a schedule of training progress. With α = 1, shares sum to
      one (soft competition); as α → 0, every prototype has its own share \\(v_j\\) (possibilistic).
    - `width`: β > 0 in units of δ, a number or a schedule, usually falling.

    Z keeps the shares within the constraint that \\(\\sum_j h_j^{\\xi} = 1\\) for some ξ in [α,
    1/α]: \\(Z = (\\sum_j v_j^{1/\\alpha})^{\\alpha}\\) if that is above one,
    \\((\\sum_j v_j^{\\alpha})^{1/\\alpha}\\) if that is below one, and 1 between them.

    **Raises:** `ValueError` for a grade outside (0, 1] and a width that is not positive, at either
    end.

    Source: F. Masulli, S. Rovetta, *Soft transition from probabilistic to possibilistic fuzzy
    clustering*, IEEE Trans. Fuzzy Systems 14, 2006.
    """

    grade: AbstractSchedule
    width: AbstractSchedule

    def __init__(self, grade: AbstractSchedule | ArrayLike, width: AbstractSchedule | ArrayLike):
        self.grade, self.width = as_schedule(grade, "grade"), as_schedule(width, "width")
        for progress in (0.0, 1.0):
            within(value_at(self.grade, progress), "grade", "(0, 1]")
            positive(value_at(self.width, progress), "width")

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        grade, width = self.grade(progress), self.width(progress)
        log_v = -jax.lax.stop_gradient(group) / width
        most = grade * jax.nn.logsumexp(log_v / grade, axis=-2, keepdims=True)
        least = jax.nn.logsumexp(grade * log_v, axis=-2, keepdims=True) / grade
        return log_v - jnp.where(most > 0, most, jnp.where(least < 0, least, 0))

    def in_units(self, unit: Float[Array, "*d"]) -> "GradedShares":
        return replaced(self, width=Scaled(self.width, 1 / unit))
