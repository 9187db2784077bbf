"""Matrix products of low-precision factors, accumulated in float32."""

import jax
import jax.numpy as jnp

from ._types import Array, Float


def accumulated(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` in a precision that sums may be kept in: float32 for anything below."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def product(a: Float[Array, "n d"], b: Float[Array, "d p"]) -> Float[Array, "n p"]:
    """AB. Factors below float32 are multiplied as they are and summed in float32, forwards and backwards."""
    return a @ b if jnp.promote_types(a.dtype, b.dtype).itemsize >= 4 else _low_product(a, b)


@jax.custom_vjp
def _low_product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _low_forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return _low_product(a, b), (a, b)


def _low_backward(factors: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    a, b = factors
    cotangent = cotangent.astype(a.dtype)
    return _low_product(cotangent, b.T).astype(a.dtype), _low_product(a.T, cotangent).astype(b.dtype)


_low_product.defvjp(_low_forward, _low_backward)
