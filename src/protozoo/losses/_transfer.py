"""Transfer functions f(t, steepness), from the relative distance difference to a sample's loss."""

from collections.abc import Callable

import jax

from .._types import Array, ArrayLike, Float


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
            raise ValueError(f"`transfer` must be one of {sorted(TRANSFERS)} or a function f(t, steepness), got {transfer!r}.")
        return TRANSFERS[transfer]
    if not callable(transfer):
        raise TypeError(f"`transfer` must be a name or a function f(t, steepness), got {transfer!r}.")
    return transfer
