"""Which samples count when."""

import jax.numpy as jnp

from .._checks import known_value
from .._schedules import AbstractSchedule, as_schedule
from .._types import ArrayLike, Float, PerSample
from ._objective import AbstractCurriculum


class SelfPaced(AbstractCurriculum):
    """Begin with the samples that the model finds easy: those with the smallest losses count, a
    growing share of them.

    **Arguments:**

    - `share`: of the weight of a batch that counts, in (0, 1]: a number or a schedule of training
      progress, such as `pz.Linear(0.5, 1.0)`.

    Samples are ranked by loss, whatever its sign or scale, and the one at the border counts in
    part: the share is exact. At 1, training is what it is without. The factors are constants to the
    derivative, so that no loss is lowered by counting other samples.

    **Raises:** `ValueError` for a share outside (0, 1] at the start or the end.

    Source: M. P. Kumar, B. Packer, D. Koller, *Self-paced learning for latent variable models*,
    NIPS 2010.
    """

    share: AbstractSchedule

    def __init__(self, share: AbstractSchedule | ArrayLike):
        self.share = as_schedule(share, "share")
        for progress in (0.0, 1.0):
            known = known_value(self.share(progress))
            if known is not None and not 0 < known <= 1:
                raise ValueError(
                    f"`share` must lie in (0, 1], got {float(known):g} at progress {progress:g}."
                )

    def __call__(
        self, losses: PerSample, weight: PerSample, progress: Float[ArrayLike, ""]
    ) -> PerSample:
        order = jnp.argsort(losses)
        mass = weight[order]
        before = jnp.cumsum(mass) - mass
        left = self.share(progress) * jnp.sum(mass) - before
        counted = jnp.clip(left / jnp.where(mass > 0, mass, 1), 0, 1)
        return jnp.zeros_like(weight).at[order].set(counted)
