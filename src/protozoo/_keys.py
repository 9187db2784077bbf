"""Random keys on the host: `jax.random.split` and `fold_in` bit for bit, without a program each.

A fit derives a handful of keys before its loop, and compiling what derives them would take as long
as all the rest of building a model. Keys of another kind than JAX's default, and traced ones, go
the ordinary way.
"""

import jax
import numpy as np
from jax.core import Tracer, eval_context
from jaxtyping import PRNGKeyArray


_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)


def seeded(seed: int) -> PRNGKeyArray:
    """`jax.random.key(seed)`."""
    if not _known(jax.config.jax_default_prng_impl):  # pyright: ignore[reportAttributeAccessIssue]
        return jax.random.key(seed)
    words = (seed >> 32 if jax.config.jax_enable_x64 else 0, seed)  # pyright: ignore
    return _key(np.array([word & 0xFFFFFFFF for word in words], np.uint32))


def fold_in(key: PRNGKeyArray, number: int) -> PRNGKeyArray:
    """`jax.random.fold_in(key, number)`."""
    return jax.random.fold_in(key, number) if _traced_or_other(key) else _children(key, [number])[0]


def split(key: PRNGKeyArray, count: int = 2) -> list[PRNGKeyArray]:
    """`jax.random.split(key, count)`, one by one."""
    return (
        list(jax.random.split(key, count))
        if _traced_or_other(key)
        else _children(key, range(count))
    )


def words_of(key: PRNGKeyArray) -> np.ndarray:
    """The numbers of a key that is known, in a program that JAX traces, too."""
    words = jax.random.key_data(key)
    if isinstance(words, Tracer):
        with eval_context():
            words = jax.random.key_data(key)
    return np.asarray(words)


def _known(kind: str) -> bool:
    return kind == "threefry2x32" and jax.config.jax_threefry_partitionable  # pyright: ignore


def _traced_or_other(key: PRNGKeyArray) -> bool:
    return isinstance(key, Tracer) or not _known(str(jax.random.key_impl(key)))


def _children(key: PRNGKeyArray, numbers: "list[int] | range") -> list[PRNGKeyArray]:
    words = words_of(key)
    count = np.array(numbers, np.uint32)
    return [_key(child) for child in _threefry(words, np.zeros_like(count), count)]


def _key(words: np.ndarray) -> PRNGKeyArray:
    return jax.random.wrap_key_data(jax.device_put(words), impl="threefry2x32")


def _threefry(key: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Threefry-2x32 with 20 rounds, which adds another word of the key after every four (Salmon et
    al., *Parallel random numbers: as easy as 1, 2, 3*, Supercomputing 2011)."""
    words = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    with np.errstate(over="ignore"):
        a, b = a + words[0], b + words[1]
        for turn in range(5):
            for rotation in _ROTATIONS[turn % 2]:
                a = a + b
                b = a ^ (b << np.uint32(rotation) | b >> np.uint32(32 - rotation))
            a = a + words[(turn + 1) % 3]
            b = b + words[(turn + 2) % 3] + np.uint32(turn + 1)
    return np.stack([a, b], axis=-1)
