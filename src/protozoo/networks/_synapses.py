"""How the states of one layer become a field of another: messages."""

import abc
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_key, known_value, of_kinds, positive_integer
from .._module import hyper, learned, part, said, static
from .._products import accumulated, is_low, product
from .._schedules import positive
from .._types import Array, Float, PRNGKeyArray
from ..metrics import AbstractMetric, SquaredEuclidean
from ..prototypes import Prototypes
from ._constraints import KINDS


class AbstractSynapses(eqx.Module):
    """Messages from one layer to another: any function of the senders' states."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """How many units send, and how many receive."""

    @property
    @abc.abstractmethod
    def fan_in(self) -> int:
        """How many senders a unit listens to: its loss is divided by the square root."""

    @property
    @abc.abstractmethod
    def hollow(self) -> bool:
        """Whether, between the units of one layer, none sends to itself."""

    @abc.abstractmethod
    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        """What each receiver is told, in float32 at least."""


class Dense(AbstractSynapses):
    """\\(m = sW\\): every unit listens to all senders.

    **Arguments:**

    - `matrix`: W, shape `(senders, receivers)`.
    - `kind`: `"free"`; between the units of one layer `"hollow"`, without a diagonal, or
      `"symmetric"`, which is hollow, too. Learning keeps it (and what it is not, `matrix` loses).

    **Raises:** `ValueError` for a matrix that is not square, or has no entry beside its diagonal,
    where the kind asks for it.
    """

    matrix: Float[Array, "j i"] = learned(constraint=lambda synapses: KINDS[synapses.kind])
    kind: Literal["free", "hollow", "symmetric"] = static(default="free")

    def __check_init__(self):
        shape = self.matrix.shape
        if 0 in shape:
            raise ValueError(f"`matrix` has no entries: its shape is {shape}.")
        if self.kind != "free" and (shape[0] != shape[1] or shape[0] < 2):
            raise ValueError(
                f"`matrix` must be square, of two units at least, to be {self.kind}, got shape "
                f"{shape}."
            )
        known = known_value(self.matrix)
        if self.kind != "free" and known is not None and np.diag(known).any():
            raise ValueError(
                f"`matrix` must have a zero diagonal to be {self.kind}: what units tell themselves "
                "is the `self_coupling` of `Recurrent`."
            )
        if self.kind == "symmetric" and known is not None and not np.array_equal(known, known.T):
            raise ValueError("`matrix` is not symmetric: pass `(matrix + matrix.T) / 2`.")

    @classmethod
    @of_kinds
    def normal(
        cls,
        senders: int,
        receivers: int,
        strength: float = 1.0,
        kind: Literal["free", "hollow", "symmetric"] = "free",
        *,
        key: PRNGKeyArray | int,
    ) -> "Dense":
        """Independent normal entries with standard deviation `strength`/√senders: fields of about
        this size, from states of about one."""
        positive_integer(senders, "senders")
        positive_integer(receivers, "receivers")
        positive(strength, "strength")
        scale = strength / senders**0.5
        matrix = scale * jax.random.normal(as_key(key), (senders, receivers))
        if kind != "free":
            if senders != receivers:
                raise ValueError(
                    f"`receivers` must be as many as senders for a {kind} matrix, got {receivers}."
                )
            # The mean of two entries varies less than one.
            matrix = KINDS[kind].project(matrix * (2**0.5 if kind == "symmetric" else 1))
        return cls(matrix, kind)

    @property
    def shape(self) -> tuple[int, int]:
        senders, receivers = self.matrix.shape
        return senders, receivers

    @property
    def fan_in(self) -> int:
        return self.shape[0]

    @property
    def hollow(self) -> bool:
        return self.kind != "free"

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        # States of ±1 are exact in any precision.
        low = is_low(self.matrix.dtype)
        return product(state.astype(self.matrix.dtype) if low else state, self.matrix)


class AbstractWrappedSynapses(AbstractSynapses):
    """Synapses that are made of others, between the same units."""

    synapses: eqx.AbstractVar[AbstractSynapses]

    @property
    def shape(self) -> tuple[int, int]:
        return self.synapses.shape

    @property
    def fan_in(self) -> int:
        return self.synapses.fan_in


class Recurrent(AbstractWrappedSynapses):
    """\\(m = sJ + J_D s\\): between the units of one layer, and from each unit to itself.

    The self-coupling is what makes the dynamics settle: a unit holds on to its state. It is set,
    and learning does not touch it.

    **Arguments:**

    - `synapses`: J, of a layer with itself, without a diagonal: `Dense(kind="hollow")` for
      instance.
    - `self_coupling`: J_D, one number or one for each unit.

    **Raises:** `ValueError` for synapses by which a unit sends to itself.

    Source: D. Badalotti, C. Baldassi, M. Mézard, M. Scardecchia, R. Zecchina, *Dynamical learning
    in deep asymmetric recurrent neural networks*, arXiv:2509.05041, 2025.
    """

    synapses: AbstractSynapses = part()
    self_coupling: Float[Array, "*i"] = hyper(default=0.5)

    def __check_init__(self):
        senders, receivers = self.synapses.shape
        if senders != receivers:
            raise ValueError(
                f"`synapses` must lead from a layer to itself, got {senders} senders and "
                f"{receivers} receivers."
            )
        if self.self_coupling.shape not in ((), (receivers,)):
            raise ValueError(
                f"`self_coupling` must be one number or one for each of the {receivers} units, got "
                f"shape {self.self_coupling.shape}."
            )
        if not self.synapses.hollow:
            raise ValueError(
                "`synapses` must be hollow, `Dense(matrix, 'hollow')` for instance: what units "
                "tell themselves is the `self_coupling`."
            )

    @property
    def hollow(self) -> bool:
        return False

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        return self.synapses(state) + self.self_coupling * state


class Ferromagnetic(AbstractSynapses):
    """\\(m_i = c_i s_i\\): each unit tells its partner in another layer to be like itself.

    **Arguments:**

    - `strength`: c, one number for each unit, `(units,)`. It is set, not learned.

    **Raises:** `ValueError` if there is no unit.

    Source: Badalotti et al. 2025 (see `Recurrent`), couplings between the modules of a deep
    network.
    """

    strength: Float[Array, " i"] = hyper()

    def __check_init__(self):
        if not self.strength.size:
            raise ValueError("`strength` must hold a number for each unit, got none.")

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.strength), len(self.strength)

    @property
    def fan_in(self) -> int:
        return 1

    @property
    def hollow(self) -> bool:
        return False

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        return accumulated(state) * self.strength


class Frozen(AbstractWrappedSynapses):
    """Any synapses, which do not learn: neither a gradient nor weight decay reaches them.

    **Arguments:**

    - `synapses`: the synapses.
    """

    synapses: AbstractSynapses = part(metadata=said("hyper"))

    @property
    def hollow(self) -> bool:
        return self.synapses.hollow

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        return self.synapses(state)


class Standardised(AbstractWrappedSynapses):
    """Any synapses, told a code of classes with mean zero and variance one over its units.

    Of c units, the one of a sample's class is 1 and the others -1; they become \\(\\sqrt{c-1}\\)
    and \\(-1/\\sqrt{c-1}\\). So what labels tell a hidden layer has one size, however many classes
    there are.

    **Arguments:**

    - `synapses`: the synapses, from two units at least.

    **Raises:** `ValueError` for synapses from a single unit.
    """

    synapses: AbstractSynapses = part()

    def __check_init__(self):
        if self.synapses.shape[0] < 2:
            raise ValueError(
                "`synapses` must lead from two units at least: one alone is no code of classes."
            )

    @property
    def hollow(self) -> bool:
        return False

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        own = (self.shape[0] - 1) ** 0.5
        return self.synapses((own + 1 / own) / 2 * state + (own - 1 / own) / 2)


class Similarities(AbstractSynapses):
    """\\(m_i = -\\delta(s, w_i)\\): how similar the senders' state is to each of p prototypes.

    The receiving layer has a unit for each prototype. Prototypes learn by the local loss of their
    edge, in any metric.

    **Arguments:**

    - `prototypes`: w, points of the senders' states.
    - `metric`: δ.
    - `scale`: m is multiplied by it, a positive number. The squared distance of two states of ±1 is
      four times the number of units in which they differ.

    **Raises:** `ValueError` for a scale that is not positive.
    """

    prototypes: Prototypes = part()
    metric: AbstractMetric = part(default=SquaredEuclidean())
    scale: Float[Array, ""] = hyper(default=1.0)

    def __check_init__(self):
        positive(self.scale, "scale")

    @property
    def shape(self) -> tuple[int, int]:
        return self.prototypes.points[0].size, len(self.prototypes)

    @property
    def fan_in(self) -> int:
        return self.shape[0]

    @property
    def hollow(self) -> bool:
        return False

    def __call__(self, state: Float[Array, "n j"]) -> Float[Array, "n i"]:
        points = state.reshape(len(state), *self.prototypes.space.point_shape)
        return -self.scale * accumulated(self.metric(points, self.prototypes))


def matrix_of(synapses: AbstractSynapses) -> Float[np.ndarray, "j i"]:
    """What linear synapses multiply a state by."""
    return np.asarray(synapses(jnp.eye(synapses.shape[0])))
