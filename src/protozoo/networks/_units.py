"""What the units of a layer do with the field that they are in."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import positive_integer
from .._module import static
from .._types import Array, Float


class AbstractUnits(eqx.Module):
    """A layer: how many units it has, and the state \\(s = \\phi(h)\\) that each takes in its field
    h."""

    size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def __call__(self, field: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        """φ(h), unit by unit."""

    @abc.abstractmethod
    def potential(self, state: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        """F(s), what a state costs a unit: the convex function with \\(F'(\\phi(h)) = h\\)."""


class Binary(AbstractUnits):
    """\\(s = \\mathrm{sign}(h) \\in \\{-1, 1\\}\\); a field of zero is as good as a positive one.

    **Arguments:**

    - `size`: how many units.

    **Raises:** `ValueError` unless it is a positive integer.

    Source: J. Hopfield, *Neural networks and physical systems with emergent collective
    computational abilities*, Proc. National Academy of Sciences 79, 1982.
    """

    size: int = static()

    def __check_init__(self):
        positive_integer(self.size, "size")

    def __call__(self, field: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        # A field that is not known, or has overflowed, leaves no state: nobody is to take it for a
        # decision.
        return jnp.where(jnp.isfinite(field), jnp.where(field >= 0, 1, -1), jnp.nan)

    def potential(self, state: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        return jnp.zeros_like(state)


class Graded(AbstractUnits):
    """\\(s = \\tanh h\\); F(s) is minus the entropy of a spin with mean s, but for a constant.

    **Arguments:**

    - `size`: how many units.

    **Raises:** `ValueError` unless it is a positive integer.

    Source: J. Hopfield, *Neurons with graded response have collective computational properties like
    those of two-state neurons*, Proc. National Academy of Sciences 81, 1984.
    """

    size: int = static()

    def __check_init__(self):
        positive_integer(self.size, "size")

    def __call__(self, field: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        return jnp.tanh(field)

    def potential(self, state: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        up, down = (1 + state) / 2, (1 - state) / 2
        entropy = jax.scipy.special.entr(up) + jax.scipy.special.entr(down)
        return jnp.log(2.0).astype(state.dtype) - entropy


class Linear(AbstractUnits):
    """\\(s = h\\): inputs, whose states are given, and readouts.

    **Arguments:**

    - `size`: how many units.

    **Raises:** `ValueError` unless it is a positive integer.
    """

    size: int = static()

    def __check_init__(self):
        positive_integer(self.size, "size")

    def __call__(self, field: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        return field

    def potential(self, state: Float[Array, "*n i"]) -> Float[Array, "*n i"]:
        return state**2 / 2
