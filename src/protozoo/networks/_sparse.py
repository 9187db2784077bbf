"""Synapses of which each unit has a few."""

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_key, known_value, of_kinds, of_values, on_device, positive_integer, truth
from .._keys import split
from .._module import buffer, learned, static
from .._products import accumulated
from .._schedules import as_scalar, positive
from .._types import Array, Float, Int, PRNGKeyArray
from ._synapses import AbstractSynapses


class Sparse(AbstractSynapses):
    """\\(m_i = \\sum_{a=1}^{f} w_{ai}\\, s_{j(a, i)}\\): each unit listens to f senders, always the
    same.

    Weights are stored as f rows, beside the numbers of the senders: memory and time are those of
    the synapses that there are. Samples lie side by side, so that a message reads whole rows of
    them; and the gradient of a local loss, which no state carries on, reads the same rows and
    scatters nothing.

    **Arguments:**

    - `weights`: w, shape `(f, receivers)`.
    - `senders`: j, integers below `size`, of the same shape; none twice in a column.
    - `size`: how many units send, in all.

    **Raises:** `ValueError` for senders of another shape, that do not exist, or that repeat.
    """

    weights: Float[Array, "f i"] = learned()
    senders: Int[Array, "f i"] = buffer()
    size: int = static()

    def __check_init__(self):
        positive_integer(self.size, "size")
        if not self.weights.size:
            raise ValueError(f"`weights` has no entries: its shape is {self.weights.shape}.")
        if self.senders.shape != self.weights.shape or not jnp.issubdtype(
            self.senders.dtype, jnp.integer
        ):
            raise ValueError(
                f"`senders` must be integers of the shape of `weights`, {self.weights.shape}, got "
                f"{self.senders.dtype}{self.senders.shape}."
            )
        if (known := known_value(self.senders)) is not None:
            if known.min() < 0 or known.max() >= self.size:
                raise ValueError(
                    f"`senders` must be numbers of units below `size`, {self.size}, got "
                    f"{known.min()}…{known.max()}."
                )
            ordered = np.sort(known, axis=0)
            if (ordered[1:] == ordered[:-1]).any():
                raise ValueError("`senders` names a unit twice in a column: add up its weights.")

    @classmethod
    @of_values
    @of_kinds
    def normal(
        cls,
        senders: int,
        receivers: int,
        sparsity: float = 0.9,
        strength: float = 1.0,
        hollow: bool = False,
        *,
        key: PRNGKeyArray | int,
    ) -> "Sparse":
        """Random senders, as many for each unit, and independent normal weights with standard
        deviation `strength`/√f.

        **Arguments:**

        - `senders`, `receivers`: how many units there are.
        - `sparsity`: the share of pairs of units without a synapse, at least 0 and below 1.
        - `strength`: how large fields are, of states of about one.
        - `hollow`: of a layer with itself: no unit is its own sender.
        - `key`: a random key.

        **Raises:** `ValueError` for a sparsity out of its range, or that leaves a unit without a
        sender.
        """
        positive_integer(senders, "senders")
        positive_integer(receivers, "receivers")
        positive(strength, "strength")
        hollow = truth(hollow, "hollow")
        if hollow and (senders != receivers or senders < 2):
            raise ValueError(
                f"`hollow` is for a layer with itself, of two units at least, got {senders} "
                f"senders."
            )
        sparsity = float(as_scalar(sparsity, "sparsity"))
        if not 0 <= sparsity < 1:
            raise ValueError(f"`sparsity` must be at least 0 and below 1, got {sparsity:g}.")
        others = senders - hollow
        fan_in = min(round((1 - sparsity) * senders), others)
        if fan_in < 1:
            raise ValueError(
                f"`sparsity` {sparsity:g} leaves a unit without any of the {senders} `senders`."
            )
        keys = split(as_key(key))
        # On the host, where a choice without repetition needs no (senders, receivers) matrix of
        # keys.
        rng = np.random.default_rng(np.asarray(jax.random.key_data(keys[0])))
        chosen = np.stack(
            [rng.choice(others, fan_in, replace=False) for _ in range(receivers)], axis=1
        )
        if hollow:
            chosen += chosen >= np.arange(receivers)
        weights = strength / fan_in**0.5 * jax.random.normal(keys[1], chosen.shape)
        return cls(weights, on_device(np.sort(chosen, axis=0), jnp.int32), senders)

    @property
    def shape(self) -> tuple[int, int]:
        return self.size, self.weights.shape[1]

    @property
    def fan_in(self) -> int:
        return len(self.weights)

    @property
    def hollow(self) -> bool:
        known = known_value(self.senders)
        return known is None or not (known == np.arange(known.shape[1])).any()

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        told = accumulated(state).T[self.senders]
        return jnp.einsum("fi,fin->ni", accumulated(self.weights), told)
