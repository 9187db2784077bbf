"""Data parallelism: batches over devices, parameters on all of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._types import PyTree
from ._objective import Batch


def as_sharding(given: Mesh | NamedSharding | None) -> NamedSharding | None:
    """How batches are spread; of a mesh, over its first axis.

    **Raises:** `ValueError` for a sharding that does not spread samples alone.
    """
    if given is None:
        return None
    if isinstance(given, Mesh):
        given = NamedSharding(given, PartitionSpec(given.axis_names[0]))
    if (
        not isinstance(given, NamedSharding)
        or len(given.spec) != 1
        or given.mesh.size != given.num_devices
    ):
        raise ValueError(
            f"`sharding` must be a mesh or a `NamedSharding` over one axis, got {given!r}."
        )
    if given.is_fully_replicated and given.num_devices > 1:
        raise ValueError(f"`sharding` must spread samples over an axis of the mesh, got {given!r}.")
    return given


def spread(data: Batch, sharding: NamedSharding) -> Batch:
    """Samples over the devices, filled up with copies of the last one, without weight, to a
    multiple of their number."""
    beyond = -len(data.x) % sharding.num_devices

    def fill(a: jax.Array) -> np.ndarray:
        host = np.asarray(a)
        return np.concatenate([host, np.repeat(host[-1:], beyond, axis=0)])

    weight = np.pad(np.asarray(data.weight), (0, beyond))
    x, y, weight = placed(
        (fill(data.x), None if data.y is None else fill(data.y), weight), sharding
    )
    return Batch(x, y, weight, data.already_encoded, shards=sharding.num_devices)


def placed(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """All arrays as global ones, also in a program of several processes, each of which holds all
    numbers."""

    def place(leaf: jax.Array | np.ndarray) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(lambda leaf: place(leaf) if eqx.is_array(leaf) else leaf, tree)


def gathered(tree: PyTree) -> PyTree:
    """Arrays that are the same everywhere, as arrays of this process's own device."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf)) if eqx.is_array(leaf) else leaf, tree
    )


def speaks(sharding: NamedSharding | None) -> bool:
    """Whether this process talks to the user: the first one of those that train together."""
    return sharding is None or sharding.is_fully_addressable or jax.process_index() == 0


def agreed(value: float, sharding: NamedSharding | None) -> float:
    """What the first process found: decisions on which compiled loops depend must not differ
    between processes."""
    if sharding is None or sharding.is_fully_addressable:
        return value
    from jax.experimental import multihost_utils  # slow to import, and seldom needed

    return float(multihost_utils.broadcast_one_to_all(np.asarray(value, np.float32)))
