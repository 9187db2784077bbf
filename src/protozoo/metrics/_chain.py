"""Adaptations one after the other."""

import jax
import jax.numpy as jnp

from .._module import part
from ..prototypes import Prototypes
from ._base import AbstractAdaptation
from ._linear_maps import AbstractLinearMap, Composed


class Chain(AbstractAdaptation):
    """\\(\\delta = \\lVert (x - w)\\,A_1 A_2 \\rVert^2\\): the second adaptation acts on what the
    first one leaves.

    **Arguments:**

    - `first`, `second`: adaptations, local or shared; more of them by nesting.
    """

    first: AbstractAdaptation = part()
    second: AbstractAdaptation = part()

    @property
    def local(self) -> bool:
        return self.first.local or self.second.local

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        def one_for_each(part: AbstractAdaptation) -> AbstractLinearMap:
            linear = part.linear_map(prototypes)
            if part.local or not self.local:
                return linear
            return jax.tree.map(lambda a: jnp.broadcast_to(a, (len(prototypes), *a.shape)), linear)

        return Composed(one_for_each(self.first), one_for_each(self.second))
