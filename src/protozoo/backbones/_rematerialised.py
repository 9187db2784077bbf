"""An encoder that trades time for memory."""

from collections.abc import Callable

import equinox as eqx

from .._module import part
from .._types import Array, Float
from ._lipschitz import lipschitz


class Rematerialised(eqx.Module):
    """The same encoder, of which the backward pass remembers the input only and computes the rest
    again.

    **Arguments:**

    - `encoder`: any callable of one sample.
    """

    encoder: Callable = part()

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return eqx.filter_checkpoint(self.encoder)(x)

    def lipschitz(self) -> float | None:
        """That of the encoder."""
        return lipschitz(self.encoder)
