"""A vote of the nearest neighbours."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._checks import positive_integer
from .._module import AbstractScaleFree, static
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample
from ._base import AbstractSampleLoss, PrototypeLabels, as_logarithm
from ._pooling import own_class


class NearestNeighbours(AbstractSampleLoss, AbstractScaleFree):
    """\\(\\ell = 1 - v_y\\), v_k the share of class k among the k nearest prototypes.

    **Arguments:**

    - `neighbours`: how many vote. With all samples as prototypes this is the k-nearest-neighbour
      classifier.

    Decision: probabilities v_k; of classes with equally many votes, the first. A vote has no
    derivative: train what else there is by another loss, and let a model of that metric vote,
    `PrototypeModel(samples, fit.model.metric, fit.model.loss, decision=NearestNeighbours(5))`.

    **Raises:** `ValueError` unless 1 ≤ neighbours ≤ p.

    Source: T. Cover, P. Hart, *Nearest neighbor pattern classification*, IEEE Trans. Information
    Theory 13, 1967.
    """

    neighbours: int = static(default=5)
    degree: ClassVar[int] = 0
    relative: ClassVar[bool] = True  # an order is one of differences
    supervised: ClassVar[bool] = True
    differentiable: ClassVar[bool] = False

    def __check_init__(self):
        positive_integer(self.neighbours, "neighbours")

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        return 1 - own_class(self._shares(delta, labels).T, y)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return as_logarithm(self._shares(delta, labels))

    def _shares(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        if self.neighbours > len(labels):
            raise ValueError(
                f"`neighbours` is {self.neighbours}, but there are only {len(labels)} prototypes."
            )
        nearest = jax.lax.top_k(-jax.lax.stop_gradient(delta), self.neighbours)[1]
        votes = jax.nn.one_hot(jnp.asarray(labels)[nearest], int(labels[-1]) + 1, dtype=delta.dtype)
        return jnp.mean(votes, axis=1)
