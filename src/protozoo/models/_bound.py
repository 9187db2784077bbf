"""Methods that every transformation of JAX takes."""

from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar

import equinox as eqx

from .._module import static


Method = TypeVar("Method", bound=Callable)


class Bound(eqx.Module):
    """A method and the module that it belongs to.

    It is a tree, like Equinox's bound methods, so that `eqx.filter_jit` takes the module's arrays
    as arguments. And like Python's it has a hash, by identity, which `jax.jit` and `jax.checkpoint`
    ask for: arrays have none.
    """

    function: Callable = static()
    owner: eqx.Module

    def __init__(self, function: Callable, owner: eqx.Module):
        self.function, self.owner = function, owner
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner, *args, **kwargs)

    @property
    def __wrapped__(self) -> Callable:
        """Where signatures are read from."""
        return MethodType(self.function, self.owner)

    def __hash__(self) -> int:
        return hash((self.function, id(self.owner)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Bound)
            and self.function is other.function
            and self.owner is other.owner
        )


if TYPE_CHECKING:

    def transformable(function: Method) -> Method:
        """A method that comes bound as `Bound`."""
        return function

else:

    class transformable:
        """A method that comes bound as `Bound`."""

        def __init__(self, function: Callable):
            self.function = function
            update_wrapper(self, function)

        def __get__(self, owner: eqx.Module | None, cls: type) -> Callable:
            return self.function if owner is None else Bound(self.function, owner)
