"""By how much an encoder moves points apart at most."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


#: The steepest slopes of elementwise functions.
_SLOPES: tuple[tuple[Callable, float], ...] = (
    (jnp.tanh, 1.0),
    (jax.nn.relu, 1.0),
    (jax.nn.relu6, 1.0),
    (jax.nn.leaky_relu, 1.0),
    (jax.nn.elu, 1.0),
    (jax.nn.softplus, 1.0),
    (jax.nn.hard_tanh, 1.0),
    (jax.nn.sigmoid, 0.25),
    (jax.nn.soft_sign, 1.0),
    (jax.nn.silu, 1.1),
    (jax.nn.gelu, 1.13),
    (jnp.abs, 1.0),
    (jnp.sin, 1.0),
    (jnp.cos, 1.0),
)


def lipschitz(encoder: Callable) -> float | None:
    r"""An upper bound L of \(\lVert f(x) - f(x')\rVert_2 / \lVert x - x'\rVert_2\); `None` where
    none is known.

    Known are affine maps, usual activations, and what is composed of them (`eqx.nn.Sequential`,
    `MLP`); an encoder of your own says it by a method `lipschitz()`, which returns a number or
    `None`.

    **Arguments:**

    - `encoder`: any callable of one sample.
    """
    own = getattr(encoder, "lipschitz", None)
    if callable(own):
        known = own()
        return None if known is None else float(np.asarray(known))
    if isinstance(encoder, eqx.nn.Identity):
        return 1.0
    if isinstance(encoder, eqx.nn.Linear):
        weight = np.asarray(encoder.weight, np.float64)
        return float(np.linalg.norm(weight.reshape(-1, weight.shape[-1]), 2))
    if isinstance(encoder, eqx.nn.Lambda):
        return lipschitz(encoder.fn)
    if isinstance(encoder, eqx.nn.Sequential):
        return lipschitz_of_chain(encoder.layers)
    return next((slope for function, slope in _SLOPES if encoder is function), None)


def lipschitz_of_chain(encoders: "tuple[Callable, ...]") -> float | None:
    """That of functions one after the other: the product, if all are known."""
    known = [lipschitz(encoder) for encoder in encoders]
    return None if None in known else float(np.prod([one for one in known if one is not None]))
