"""Rows of features, and matrix products of low-precision factors, accumulated in float32."""

from typing import Any

import jax
import jax.numpy as jnp

from ._types import Array, Float


def flattened(x: Float[Array, "n ..."]) -> Float[Array, "n d"]:
    """Samples as rows of features; how many there are need not be known yet."""
    return x.reshape(x.shape[0], -1)


def is_low(dtype: Any) -> bool:
    """Whether numbers are below float32: too coarse to keep sums in."""
    return jnp.dtype(dtype).itemsize < 4


def accumulated(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` in a precision that sums may be kept in: float32 for anything below."""
    return x.astype(jnp.float32) if is_low(x.dtype) else x


def product(a: Float[Array, "n d"], b: Float[Array, "d p"]) -> Float[Array, "n p"]:
    """AB. Factors below float32 are multiplied as they are and summed in float32, forwards and
    backwards."""
    return _low_product(a, b) if is_low(jnp.promote_types(a.dtype, b.dtype)) else a @ b


@jax.custom_jvp
def _low_product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


@_low_product.defjvp
def _low_product_jvp(
    factors: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (a, b), (da, db) = factors, tangents
    return _low_product(a, b), linear_product(da, b) + linear_product(db.T, a.T).T


def linear_product(a: Float[Array, "n d"], b: Float[Array, "d p"]) -> Float[Array, "n p"]:
    """The same as a linear function of A alone, for derivative rules: its transpose multiplies low
    factors, too."""
    if not is_low(jnp.promote_types(a.dtype, b.dtype)):
        return a @ b

    def forward(b: Array, a: Array) -> Array:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)

    def backward(b: Array, cotangent: Array) -> Array:
        return jnp.matmul(
            cotangent.astype(b.dtype), b.T, preferred_element_type=jnp.float32
        ).astype(a.dtype)

    return jax.custom_derivatives.linear_call(forward, backward, b, a)
