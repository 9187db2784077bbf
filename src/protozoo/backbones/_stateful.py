"""Networks that were trained with running statistics."""

from typing import Any

import equinox as eqx
import jax

from .._module import said
from .._types import Array, Float


class Stateful(eqx.Module):
    """A trained module with an `eqx.nn.State` (running means of `eqx.nn.BatchNorm` and the like),
    in inference mode.

    **Arguments:**

    - `module`: called as `module(x, state) -> (y, state)`.
    - `state`: its state, as `eqx.nn.make_with_state` made it and training left it.

    The state is remembered and never changes: weights can be tuned further, or frozen, and a sample
    is mapped the same alone or among others. Each call takes one sample.

    **Raises:** `ValueError` for a module without state: it can be used as it is.
    """

    module: Any
    statistics: dict[str, Any] = eqx.field(metadata=said("hyper"))

    def __init__(self, module: Any, state: eqx.nn.State):
        indices = [node for node in jax.tree.leaves(module, is_leaf=_is_index) if _is_index(node)]
        if not indices:
            raise ValueError("`module` has no state: use it as an encoder directly.")
        self.statistics = {str(index.marker): state.get(index) for index in indices}
        self.module = _with_statistics(eqx.nn.inference_mode(module), {})

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        module = _with_statistics(self.module, self.statistics)
        return module(x, eqx.nn.State(module))[0]


def _is_index(node: Any) -> bool:
    return isinstance(node, eqx.nn.StateIndex)


def _with_statistics(module: Any, statistics: dict[str, Any]) -> Any:
    """`module` with what each index should find in the state; nothing where there is nothing to
    find."""

    def put(node: Any) -> Any:
        if not _is_index(node):
            return node
        return eqx.tree_at(
            lambda i: i.init,
            node,
            statistics.get(str(node.marker)),
            is_leaf=lambda leaf: leaf is None,
        )

    return jax.tree.map(put, module, is_leaf=_is_index)
