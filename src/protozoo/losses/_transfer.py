"""Transfer functions f(t, steepness), from the relative distance difference to a sample's loss."""

from collections.abc import Callable

import jax

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
    return transfer


def with_numbers(
    transfer: str | Callable, margin: ArrayLike, steepness: ArrayLike | None
) -> tuple[Callable, Scalar, Scalar]:
    """A transfer function, the margin and the steepness that it is used with (10 by default).

    **Raises:** `ValueError` for an unknown name, a steepness that is not positive, and numbers that
    the identity would ignore.
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
