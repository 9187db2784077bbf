"""Transfer functions f(t, steepness), from the relative distance difference to a sample's loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._checks import known_value
from .._schedules import as_scalar, positive
from .._types import Array, ArrayLike, Float, Scalar


def identity(t: Float[Array, "*n"], steepness: Float[ArrayLike, ""]) -> Float[Array, "*n"]:
    """f(t) = t."""
    return t


def sigmoid(t: Float[Array, "*n"], steepness: Float[ArrayLike, ""]) -> Float[Array, "*n"]:
    """\\(f(t) = 1/(1 + e^{-\\beta t})\\), β the steepness."""
    return jax.nn.sigmoid(steepness * t)


def swish(t: Float[Array, "*n"], steepness: Float[ArrayLike, ""]) -> Float[Array, "*n"]:
    """\\(f(t) = t / (1 + e^{-\\beta t})\\), β the steepness."""
    return t * jax.nn.sigmoid(steepness * t)


TRANSFERS: dict[str, Callable] = {"identity": identity, "sigmoid": sigmoid, "swish": swish}


def as_transfer(transfer: str | Callable) -> Callable:
    """A transfer function by name, or the caller's own."""
    if isinstance(transfer, str):
        if transfer not in TRANSFERS:
            raise ValueError(
                f"`transfer` must be one of {sorted(TRANSFERS)} or a function f(t, steepness), got "
                f"{transfer!r}."
            )
        return TRANSFERS[transfer]
    if not callable(transfer):
        raise TypeError(
            f"`transfer` must be a name or a function f(t, steepness), got {transfer!r}."
        )
    return _elementwise(transfer)


def _elementwise(transfer: Callable) -> Callable:
    """A function of one's own, if it makes a number of each number."""
    of_each = "`transfer` must be a function f(t, steepness) of an array t, entry by entry"
    t, steepness = (jax.ShapeDtypeStruct(shape, jnp.result_type(float)) for shape in ((3,), ()))
    try:
        found = jax.eval_shape(transfer, t, steepness)
    except Exception as error:  # of any kind: NumPy's functions, other numbers of arguments
        raise ValueError(f"{of_each}, written with `jax.numpy`: {error}") from error
    if not isinstance(found, jax.ShapeDtypeStruct) or found.shape != t.shape:
        made = getattr(found, "shape", type(found).__name__)
        raise ValueError(f"{of_each}, and of shape {t.shape} makes {made}.")
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"{of_each}, and makes {found.dtype} of floats.")
    return transfer


def with_numbers(
    transfer: str | Callable, margin: ArrayLike, steepness: ArrayLike | None
) -> tuple[Callable, Scalar, Scalar]:
    """A transfer function, the margin and the steepness that it is used with (10 by default).

    **Raises:** `ValueError` for an unknown name, a function that is none of each number, a
    steepness that is not positive, and numbers that the identity would ignore.
    """
    function, shift = as_transfer(transfer), as_scalar(margin, "margin")
    beta = as_scalar(10.0 if steepness is None else steepness, "steepness")
    positive(beta, "steepness")
    if function is identity and (steepness is not None or (known_value(shift) not in (None, 0))):
        raise ValueError(
            "`margin` and `steepness` do nothing with the identity transfer; choose "
            "transfer='sigmoid' or 'swish', or leave them out."
        )
    return function, shift, beta
