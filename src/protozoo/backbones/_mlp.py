"""A multilayer perceptron."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax

from .._checks import as_key, of_kinds, positive_integer, refuse_other_shape
from .._keys import split
from .._module import static
from .._types import Array, Float, PRNGKeyArray
from ._lipschitz import lipschitz_of_chain


@eqx.filter_jit
def _layers(sizes: tuple[int, ...], keys: list[PRNGKeyArray]) -> tuple[eqx.nn.Linear, ...]:
    """One program; without it, several for each layer."""
    pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
    return tuple(eqx.nn.Linear(a, b, key=key) for a, b, key in pairs)


class MLP(eqx.Module):
    """\\(f(x) = A_L\\,\\phi(A_{L-1} \\cdots \\phi(A_1 x))\\), affine maps A and an activation φ
    between them.

    **Arguments:**

    - `sizes`: d, the hidden widths, l: two numbers at least.
    - `activation`: φ, an elementwise function; none follows the last map, so that the latent space
      is unbounded.
    - `key`: a random key.

    It acts on one sample of any shape with d entries; models vectorise it.

    **Raises:** `ValueError` for fewer than two sizes, or a size that is not positive.
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: Callable = static()

    @of_kinds
    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Array], Array] = jax.nn.tanh,
        *,
        key: PRNGKeyArray | int,
    ):
        if len(sizes) < 2:
            raise ValueError(
                f"`sizes` must hold at least two positive numbers (d, …, l), got {tuple(sizes)}."
            )
        for size in sizes:
            positive_integer(size, "sizes")
        refuse_other_shape(activation, "activation", 3)
        self.layers = _layers(tuple(sizes), split(as_key(key), len(sizes) - 1))
        self.activation = activation

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " l"]:
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)

    def lipschitz(self) -> float | None:
        """The product of the maps' spectral norms and of the activations' slopes; `None` for an
        activation that is not known."""
        between = [self.activation] * (len(self.layers) - 1)
        return lipschitz_of_chain((*self.layers, *between))
