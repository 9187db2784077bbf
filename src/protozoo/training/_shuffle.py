"""Random permutations without sorting."""

import math

import jax
import jax.numpy as jnp

from .._types import Array, Int, PRNGKeyArray


def shuffled(key: PRNGKeyArray, positions: Int[Array, " b"], n: int) -> Int[Array, " b"]:
    """The images of `positions` under a random permutation of 0…n-1 that depends on the key alone.

    A Feistel network permutes the numbers of 2h bits; walking on until the image is below n
    restricts it to 0…n-1 (format- preserving encryption: J. Black, P. Rogaway, *Ciphers with
    arbitrary finite domains*, CT-RSA 2002). An epoch's order is thus a function: no sort and no
    array of length n, which cost more than the training step of a small batch.
    """
    half = max(1, math.ceil(math.log2(max(n, 2)) / 2))
    mask = jnp.uint32((1 << half) - 1)
    # Ten rounds: with six, pairs in very small data sets are not equally frequent by some percent.
    round_keys = jax.random.bits(key, (10,), jnp.uint32)

    def permute(value: Array) -> Array:
        left, right = value >> half, value & mask
        for k in round_keys:
            left, right = right, left ^ (_mix(right ^ k) & mask)
        return (left << half) | right

    walked = permute(positions.astype(jnp.uint32))
    walked = jax.lax.while_loop(
        lambda v: jnp.any(v >= n), lambda v: jnp.where(v >= n, permute(v), v), walked
    )
    return walked.astype(jnp.int32)


def _mix(value: Array) -> Array:
    """A 32-bit integer hash: multiply and shift until every input bit reaches every output bit."""
    value = (value ^ (value >> 16)) * jnp.uint32(0x7FEB352D)
    value = (value ^ (value >> 15)) * jnp.uint32(0x846CA68B)
    return value ^ (value >> 16)
