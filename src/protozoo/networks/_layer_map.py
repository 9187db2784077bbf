"""Which layer sends to which: a static sparse graph, whose edges are synapses that learn
locally."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeVar, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_kind
from .._module import part, static, trainable
from .._types import Array, Float
from ._local_losses import AbstractLocalLoss
from ._synapses import AbstractSynapses
from ._units import AbstractUnits


#: Which messages reach a layer: all, those from itself and the layers before it, or from itself and
#: the layers behind it.
Messages = Literal["all", "forward", "backward"]

#: The numbers of the receiving and of the sending layer.
Pair = tuple[int, int]

#: The states of all layers, `(n, units)` each.
State = tuple[Array, ...]

Tree = TypeVar("Tree")


class Edge(eqx.Module):
    """Synapses, and the local loss that they learn by.

    The loss of an edge is a function of the receivers' whole fields, of which its own synapses
    alone are varied; it is divided by the square root of their fan-in, so that a rate means the
    same everywhere.

    **Arguments:**

    - `synapses`: messages from one layer to another, or to itself.
    - `loss`: a local loss; `None` for synapses that do not learn.

    **Raises:** `ValueError` for synapses that could learn, but have no loss, and the other way
    round.
    """

    synapses: AbstractSynapses = part()
    loss: AbstractLocalLoss | None = part(default=None)

    def __check_init__(self):
        kind = type(self.synapses).__name__
        learns = any(jax.tree.leaves(trainable(self.synapses)))
        if learns and self.loss is None:
            raise ValueError(
                f"`loss` is missing: {kind} can learn. Give it one, or freeze it, "
                f"`Frozen(synapses)`."
            )
        if self.loss is not None and not learns:
            raise ValueError(f"`loss` was given, but nothing in {kind} learns: leave it out.")

    def local_losses(
        self, field: Float[Array, "n i"], state: Float[Array, "n j"], target: Float[Array, "n i"]
    ) -> Array:
        """\\(\\ell/\\sqrt f\\) of each sample, as a function of these synapses alone.

        **Arguments:**

        - `field`: the whole fields of the receivers, this edge's message among them.
        - `state`: of the senders.
        - `target`: what the receivers should be.
        """
        field, state, target = jax.lax.stop_gradient((field, state, target))
        message = self.synapses(state)
        # The value is that of the field; the derivative, that by the message.
        varied = field + (message - jax.lax.stop_gradient(message))
        assert self.loss is not None
        return self.loss(varied, target) / self.synapses.fan_in**0.5


class LayerMap(eqx.Module):
    """Layers 0…L, and edges between them.

    Layer 0 holds the input and the last layer the output. An edge (i, j) leads to layer i, the
    receiver, from layer j, the sender; from a layer to itself, to the layers behind it, or back to
    those before.

    **Arguments:**

    - `units`: what each layer is made of, two layers at least.
    - `edges`: a mapping from (receiver, sender) to `Edge`.

    It is a mapping itself: `layers[i, j]` is an edge, and `for (i, j), edge in layers.items()` goes
    through them by receiver and sender. `str(layers)` is a table.

    **Raises:** `ValueError` naming the edge for layers that do not exist, synapses of another
    shape, an input that receives, and a layer that receives nothing.

    Source: Badalotti et al. 2025 (see `Recurrent`).
    """

    units: tuple[AbstractUnits, ...]
    edges: tuple[Edge, ...]
    pairs: tuple[Pair, ...] = static()

    def __init__(self, units: Sequence[AbstractUnits], edges: Mapping[Pair, Edge]):
        self.units = tuple(of_kind(units, Sequence[AbstractUnits], "units"))
        of_kind(edges, Mapping, "edges")
        for pair, edge in edges.items():
            numbers = (
                isinstance(pair, tuple)
                and len(pair) == 2
                and all(isinstance(k, int | np.integer) for k in pair)
            )
            if not numbers:
                raise ValueError(
                    f"`edges` is a mapping from (receiver, sender), two numbers of layers, got "
                    f"{pair!r}."
                )
            if not isinstance(edge, Edge):
                raise TypeError(
                    f"`edges`: edge {pair} must be an `Edge`, got {type(edge).__name__}."
                )
        ordered = sorted((int(i), int(j)) for i, j in edges)
        self.pairs, self.edges = tuple(ordered), tuple(edges[pair] for pair in ordered)

    def __check_init__(self):
        count = len(self.units)
        if count < 2:
            raise ValueError(
                f"`units` must be those of two layers at least, the input and the output, got "
                f"{count}."
            )
        for (i, j), edge in self.items():
            senders, receivers = edge.synapses.shape
            kind, here = type(edge.synapses).__name__, f"`edges`: edge {(i, j)}"
            for k in (i, j):
                if not 0 <= k < count:
                    raise ValueError(
                        f"{here} asks for layer {k}, and there are layers 0…{count - 1}."
                    )
            if i == 0:
                raise ValueError(
                    f"{here} leads to the input, whose state is given: let another layer receive."
                )
            for what, k, size in (("from", j, senders), ("to", i, receivers)):
                if self.units[k].size != size:
                    raise ValueError(
                        f"{here}: {kind} leads {what} {size} units, but layer {k} has "
                        f"{self.units[k].size}."
                    )
            self._check_edge(here, edge)
        for k in range(1, count):
            if not any(i == k for i, _ in self.pairs):
                raise ValueError(
                    f"`edges`: layer {k} receives nothing: give it an edge {(k, k - 1)}, or leave "
                    f"it out."
                )

    def _check_edge(self, here: str, edge: Edge) -> None:
        """Refuse parts that make something else of states than fields, or of fields than losses."""
        senders, receivers = edge.synapses.shape
        state, field = (
            jax.ShapeDtypeStruct((2, size), jnp.float32) for size in (senders, receivers)
        )
        try:
            message = eqx.filter_eval_shape(edge.synapses, state)
            loss = None if edge.loss is None else eqx.filter_eval_shape(edge.loss, field, field)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{here} does not fit {receivers} units: {error}") from error
        for what, shape, found in (("message", field.shape, message), ("loss", (2,), loss)):
            if found is not None and found.shape != shape:
                raise ValueError(
                    f"{here}: its {what} for 2 samples has shape {found.shape}, and should have "
                    f"{shape}."
                )

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def __getitem__(self, pair: Pair) -> Edge:
        if pair not in self.pairs:
            raise KeyError(f"there is no edge {pair}; there are {', '.join(map(str, self.pairs))}")
        return self.edges[self.pairs.index(pair)]

    def items(self) -> Iterator[tuple[Pair, Edge]]:
        """All edges with their pairs, by receiver and then by sender."""
        return zip(self.pairs, self.edges, strict=True)

    def senders(self, receiver: int, messages: Messages = "all") -> list[int]:
        """The layers whose messages reach a layer, in ascending order."""
        return [j for i, j in self.pairs if i == receiver and passes((i, j), messages)]

    def messages(
        self, receiver: int, state: State, senders: Sequence[int]
    ) -> Float[Array, "n i"] | None:
        """The sum of what these layers tell a layer; `None` if that is nothing."""
        told = [self[receiver, j].synapses(state[j]) for j in senders]
        return sum(told[1:], start=told[0]) if told else None

    def field(self, receiver: int, state: State, messages: Messages = "all") -> Float[Array, "n i"]:
        """The fields of the units of a layer: the sum of its messages."""
        told = self.messages(receiver, state, self.senders(receiver, messages))
        return jnp.zeros((len(state[0]), self.units[receiver].size)) if told is None else told

    def local_losses(self, state: State, messages: Messages) -> Float[Array, " n"]:
        """\\(\\sum_{(i, j)} \\ell_{ij}/\\sqrt{f_{ij}}\\) over the edges whose messages pass,
        targets being the states of the receivers. No gradient goes through a state."""
        still, total = without_gradient(self), jnp.zeros(len(state[0]), jnp.result_type(float))
        for i in range(1, len(self.units)):
            senders = self.senders(i, messages)
            learning = [j for j in senders if self[i, j].loss is not None]
            if learning:
                field = still.field(i, state, messages)
                total += sum(self[i, j].local_losses(field, state[j], state[i]) for j in learning)
        return total

    def first(self, count: int) -> "LayerMap":
        """The map of the first layers alone, with the edges among them."""
        edges = {pair: edge for pair, edge in self.items() if max(pair) < count}
        return LayerMap(self.units[:count], edges)

    def __str__(self) -> str:
        """A table: a row for each receiver, a column for each sender."""
        rows = [["", *(f"from {j}" for j in range(len(self.units))), "units"]]
        for i, units in enumerate(self.units):
            cells = [
                described(self[i, j]) if (i, j) in self.pairs else ""
                for j in range(len(self.units))
            ]
            rows.append(
                [f"to {i}" if i else "input", *cells, f"{type(units).__name__}({units.size})"]
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def without_gradient(tree: Tree) -> Tree:
    """The same, of which no derivative is asked: dynamics are run, not differentiated."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.lax.stop_gradient(arrays), rest)


def passes(pair: Pair, messages: Messages) -> bool:
    """Whether a kind of messages has those of an edge among them."""
    receiver, sender = pair
    if messages not in get_args(Messages):
        raise ValueError(
            f"`messages` must be {' or '.join(map(repr, get_args(Messages)))}, got {messages!r}."
        )
    return messages == "all" or (
        sender <= receiver if messages == "forward" else sender >= receiver
    )


def described(edge: Edge) -> str:
    """An edge in a word or two: its synapses, and the loss that they learn by."""
    names, synapses = [], edge.synapses
    while True:
        names.append(type(synapses).__name__)
        inner = getattr(synapses, "synapses", None)
        if inner is None:
            break
        synapses = inner
    return " ".join(names) + ("" if edge.loss is None else f": {type(edge.loss).__name__}")
