"""The classes and functions that a saved model may name.

A file is data, and data must not choose what code runs. So a name in a file is looked up here, and
only here; it is never imported. What is not on the list can be neither saved nor loaded.
"""

import inspect
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ..losses import identity, sigmoid, swish


Thing = TypeVar("Thing")

# Layers whose fields are arrays, plain values and functions of this list. BatchNorm, SpectralNorm
# and WeightNorm hold more than that: state that lives outside the module, or a closure.
_LAYERS = (
    "BatchNorm",
    "StateIndex",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AdaptivePool",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Embedding",
    "GRUCell",
    "GroupNorm",
    "Identity",
    "LSTMCell",
    "Lambda",
    "LayerNorm",
    "Linear",
    "MLP",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MultiheadAttention",
    "PReLU",
    "Pool",
    "RMSNorm",
    "Sequential",
)

# Pure functions of arrays. Where one function has several names, the first one is written, and all
# of them are read.
_FUNCTIONS = {
    jax.nn: (
        *(
            "celu",
            "elu",
            "gelu",
            "glu",
            "hard_sigmoid",
            "hard_silu",
            "hard_swish",
            "hard_tanh",
            "identity",
            "leaky_relu",
        ),
        *(
            "log_sigmoid",
            "log_softmax",
            "mish",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
            "silu",
            "soft_sign",
            "softmax",
        ),
        *(
            "softplus",
            "sparse_plus",
            "sparse_sigmoid",
            "squareplus",
            "standardize",
            "swish",
            "tanh",
        ),
    ),
    jnp: (
        *(
            "abs",
            "add",
            "arctan",
            "arcsinh",
            "cos",
            "cosh",
            "exp",
            "expm1",
            "log",
            "log1p",
            "max",
            "maximum",
            "mean",
        ),
        *(
            "min",
            "minimum",
            "multiply",
            "negative",
            "ravel",
            "sign",
            "sin",
            "sinc",
            "sinh",
            "sqrt",
            "square",
            "squeeze",
        ),
        *("sum", "tan", "tanh"),
    ),
    # What the pooling layers reduce with.
    jax.lax: ("add", "max", "min", "mul"),
}


def _listed() -> dict[str, Any]:
    listed = {}
    for module, names in {eqx.nn: _LAYERS, **_FUNCTIONS}.items():
        # A name that another version does not have is not known there; importing the library must
        # not fail for it.
        listed |= {
            f"{module.__name__}.{name}": getattr(module, name)
            for name in names
            if hasattr(module, name)
        }
    # The identity that ends an equinox MLP by default is a lambda without a name of its own.
    final = inspect.signature(eqx.nn.MLP.__init__).parameters["final_activation"].default
    listed["equinox.nn.MLP.final_activation"] = final
    return listed | {f"protozoo.losses.{f.__name__}": f for f in (identity, sigmoid, swish)}


_LISTED = _listed()
_REGISTERED: dict[str, Any] = {}


def qualified(thing: Any) -> str:
    """Module and name of a class or a function; of any other object, those of its class."""
    thing = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{thing.__module__}.{thing.__qualname__}"


def instantiable(cls: type) -> bool:
    """Whether instances of a module class exist."""
    return not (inspect.isabstract(cls) or cls.__abstractvars__ or cls.__abstractclassvars__)  # pyright: ignore


def register(thing: Thing, name: str | None = None) -> Thing:
    """Let models that hold this class or function be saved and loaded.

    A name in a file is never imported. It is looked up among protozoo's own classes, the usual
    layers and activations, and what was registered: so register before saving, and in the program
    that loads.

    **Arguments:**

    - `thing`: a module class, or a function. A function is not saved, only its name: it must
      compute the same tomorrow.
    - `name`: how files name it; module and name by default. A further name for the same thing is
      only read: after a class was renamed, `pz.register(New, "package.Old")` loads the files of
      old.

    **Returns:** `thing`, so that it serves as a decorator.

    **Raises:** `ValueError` for anything but a function or a concrete `eqx.Module` class, without a
    name for something that has no unique one (a lambda, a local function, a partial), and for a
    name that means something else already.
    """
    given: Any = thing
    if isinstance(given, type):
        if not issubclass(given, eqx.Module) or not instantiable(given):
            raise ValueError(
                f"`thing` must be a concrete `eqx.Module` class or a function, got the class "
                f"{qualified(given)}."
            )
    elif isinstance(given, eqx.Module) or not callable(given):
        raise ValueError(
            f"`thing` must be a concrete `eqx.Module` class or a function, got an instance of "
            f"{qualified(type(given))}."
        )
    if name is None:
        if not hasattr(given, "__qualname__") or "<" in given.__qualname__:
            raise ValueError(
                f"{given!r} has no unique name of its own: give it one, `register(thing, name)`."
            )
        name = qualified(given)
    other = known().get(name, given)
    # The cell of a notebook that defines and registers a class runs more than once.
    if other is not given and not (name in _REGISTERED and qualified(other) == qualified(given)):
        raise ValueError(f"the name {name!r} means {other!r} already: choose another `name`.")
    _REGISTERED[name] = given
    return thing


def known() -> dict[str, Any]:
    """What names in files mean, now."""
    own = {}
    for cls in subclasses(eqx.Module):
        if (
            cls.__module__.split(".")[0] == "protozoo"
            and "<" not in cls.__qualname__
            and instantiable(cls)
        ):
            # Private modules are an arrangement of today; files outlive it.
            public = [part for part in cls.__module__.split(".") if not part.startswith("_")]
            own[".".join([*public, cls.__qualname__])] = cls
    return own | _LISTED | _REGISTERED


def has_name(thing: Any) -> bool:
    """Whether files have a name for this class or function."""
    return any(one is thing for one in known().values())


def subclasses(cls: type) -> list[type]:
    """All classes below a class."""
    direct = cls.__subclasses__()
    return direct + [below for child in direct for below in subclasses(child)]
