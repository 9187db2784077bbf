"""A convolutional network."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp

from .._argmin import smallest_row
from .._checks import as_key, of_kinds, positive_integer, refuse_other_shape
from .._keys import split
from .._module import static
from .._types import Array, Float, PRNGKeyArray


@eqx.filter_jit
def _layers(
    counts: tuple[int, ...],
    kernel_size: int,
    stride: int,
    latent_dim: int,
    keys: list[PRNGKeyArray],
) -> tuple[tuple[eqx.nn.Conv2d, ...], tuple[eqx.nn.LayerNorm, ...], eqx.nn.Linear]:
    """One program; without it, several for each layer."""
    *keys, last = keys
    pairs = zip(counts[:-1], counts[1:], keys, strict=True)
    convolutions = tuple(
        eqx.nn.Conv2d(before, count, kernel_size, stride, padding="SAME", key=key)
        for before, count, key in pairs
    )
    norms = tuple(eqx.nn.LayerNorm(count) for count in counts[1:])
    return convolutions, norms, eqx.nn.Linear(counts[-1], latent_dim, key=last)


class CNN(eqx.Module):
    """Convolution, layer normalisation, activation and pooling, several times; the mean over
    places; an affine map.

    **Arguments:**

    - `shape`: `(height, width, channels)` of one image.
    - `latent_dim`: l.
    - `channels`: the number of feature maps of each stage.
    - `kernel_size`, `stride`: of every convolution (zero padding keeps the size, but for the
      stride).
    - `pool`: width of the maximum pooling after each stage; 1 for none.
    - `normalise`: layer normalisation, which means the same for one image as for many.
    - `activation`: an elementwise function.
    - `key`: a random key.

    It acts on one image, channels last, as models store them; models vectorise it.

    **Raises:** `ValueError` for a shape that is no image, sizes that are not positive, or an image
    that the stages shrink to nothing.
    """

    convolutions: tuple[eqx.nn.Conv2d, ...]
    norms: tuple[eqx.nn.LayerNorm, ...]
    final: eqx.nn.Linear
    pool: int = static()
    activation: Callable = static()

    @of_kinds
    def __init__(
        self,
        shape: tuple[int, int, int],
        latent_dim: int,
        channels: Sequence[int] = (16, 32),
        kernel_size: int = 3,
        stride: int = 1,
        pool: int = 2,
        normalise: bool = True,
        activation: Callable[[Array], Array] = jax.nn.relu,
        *,
        key: PRNGKeyArray | int,
    ):
        if len(shape) != 3 or not all(1 <= size < 2**31 for size in shape):
            raise ValueError(f"`shape` must be (height, width, channels), got {shape!r}.")
        for name, value in dict(
            kernel_size=kernel_size, stride=stride, pool=pool, latent_dim=latent_dim
        ).items():
            positive_integer(value, name)
        if not channels:
            raise ValueError("`channels` must hold at least one positive number, got none.")
        for value in channels:
            positive_integer(value, "channels")
        refuse_other_shape(activation, "activation", *shape)
        size = shape[:2]
        for _ in channels:
            size = tuple(-(-s // stride) // pool for s in size)
            if min(size) < 1:
                raise ValueError(
                    f"`shape`: an image of shape {shape} is too small for {len(channels)} stages, "
                    f"the number of `channels`, of `stride` {stride} and `pool` {pool}: lower "
                    "them, or `kernel_size`."
                )
        counts = shape[2], *channels
        self.convolutions, norms, self.final = _layers(
            counts, kernel_size, stride, latent_dim, split(as_key(key), len(counts))
        )
        self.norms = norms if normalise else ()
        self.pool, self.activation = pool, activation

    def __call__(self, x: Float[Array, "height width channels"]) -> Float[Array, " l"]:
        # Convolutions do not promote types, as matrix products do.
        maps = jnp.moveaxis(x, -1, 0).astype(self.final.weight.dtype)
        for i, convolution in enumerate(self.convolutions):
            maps = convolution(maps)
            if self.norms:
                norm = partial(_normalised, self.norms[i])
                maps = jnp.moveaxis(jax.vmap(jax.vmap(norm))(jnp.moveaxis(maps, 0, -1)), -1, 0)
            maps = self.activation(maps)
            if self.pool > 1:
                maps = _largest(maps, self.pool)
        return self.final(maps.mean(axis=(1, 2)))


def _normalised(norm: eqx.nn.LayerNorm, features: Float[Array, " c"]) -> Float[Array, " c"]:
    """What is normalised has no unit, but its squares have a range: beyond, it is made smaller
    first."""
    bound = float(jnp.finfo(jnp.promote_types(features.dtype, jnp.float32)).max) ** 0.5 / 64
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(features)))
    # Below the bound nothing is rounded: the factor is one.
    return norm(features * (bound / jnp.maximum(largest, bound)))


def _largest(
    maps: Float[Array, "channels height width"], width: int
) -> Float[Array, "channels rows columns"]:
    """The maxima of squares of this width; what is left at the border belongs to none."""
    count, rows, columns = len(maps), *(size // width for size in maps.shape[1:])
    squares = maps[:, : rows * width, : columns * width].reshape(count, rows, width, columns, width)
    members = jnp.moveaxis(squares, (2, 4), (0, 1)).reshape(width**2, -1)
    # The derivative of a reduction is many times faster than that of a pooling window.
    return -smallest_row(-members).reshape(count, rows, columns)
