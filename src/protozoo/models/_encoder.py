"""What an encoder makes of a sample, found out before anything is compiled."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..backbones import Stateful


def encoded_shape(
    encoder: Callable, x: np.ndarray | Array | jax.ShapeDtypeStruct, name: str = "x"
) -> tuple[int, ...]:
    """The shape of the points that an encoder maps samples to.

    **Raises:** `ValueError` if it refuses them, with its reason and, where the reason is known, the
    remedy.
    """
    # Integers become floats before they are encoded.
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float)
    try:
        point = jax.eval_shape(encoder, jax.ShapeDtypeStruct(x.shape[1:], dtype))
    except Exception as error:
        # Without a state, whatever Python says of it is not what is wrong.
        state = _state(encoder)
        reason = f". {state}" if state else ": " + " ".join([str(error), *_hints(encoder)])
        raise ValueError(f"`encoder` refuses `{name}` of shape {x.shape}{reason}") from error
    if not isinstance(point, jax.ShapeDtypeStruct) or not point.shape:
        raise ValueError(
            f"`encoder` must map a sample of `{name}` to one array with an axis at least, and "
            f"returns {point}."
        )
    if not jnp.issubdtype(point.dtype, jnp.floating):
        raise ValueError(
            f"`encoder` must map a sample of `{name}` to floats, which distances are made of, and "
            f"returns {point.dtype}: let it end with `.astype(float)`, or of complex numbers with "
            "real and imaginary parts as features of their own."
        )
    return point.shape


def _state(encoder: Callable) -> str | None:
    """What to do about a network that has a state of its own."""
    nodes = jax.tree.leaves(encoder, is_leaf=_of_interest)
    if not any(isinstance(node, eqx.nn.StateIndex) for node in nodes):
        return None
    return (
        "It has a state (running statistics), which a model does not train: pass "
        "`pz.backbones.Stateful(encoder, state)`, which holds it as training left it."
    )


def _hints(encoder: Callable) -> list[str]:
    """What is known to keep a network from mapping a sample the same way whenever it is asked."""
    hints = []
    for path, node in jax.tree_util.tree_leaves_with_path(encoder, is_leaf=_of_interest):
        place = f"{type(node).__name__} at `encoder{jax.tree_util.keystr(path)}`"
        if isinstance(node, eqx.nn.Dropout) and not node.inference:
            hints = [
                f"There is a {place} in training mode, and a model maps a sample the same way "
                "whenever it is asked: pass `eqx.nn.inference_mode(encoder)`."
            ]
    return hints


def _of_interest(node: Any) -> bool:
    return isinstance(node, eqx.nn.Dropout | eqx.nn.StateIndex | Stateful)
