"""What a package or a module shows to the outside."""

from types import ModuleType
from typing import Any


def public(namespace: dict[str, Any]) -> list[str]:
    """The names for `__all__`, from `globals()`: what a package re-exports from its private
    modules, what a module defines.

    So each name is written once, as `from ._x import X as X`, which type checkers read; `help` and
    `import *` read `__all__`.
    """
    package = "__path__" in namespace
    owner = namespace["__name__"].split(".")[0] if package else namespace["__name__"]

    def shown(name: str, value: Any) -> bool:
        if isinstance(value, ModuleType):
            return value.__name__ == f"{namespace['__name__']}.{name}"
        # A plain value does not say where it is from: in a package it was put there to be seen.
        origin = getattr(value, "__module__", None) or (owner if package else "")
        return f"{origin}.".startswith(f"{owner}.")

    return sorted(
        name for name, value in namespace.items() if not name.startswith("_") and shown(name, value)
    )
