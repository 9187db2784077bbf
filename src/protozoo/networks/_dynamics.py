"""How states settle: layer after layer, all units of a layer at once."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import of_kind
from .._module import converted, static
from .._types import Array, Bool, Float, Int
from ._layer_map import LayerMap, Messages, State, passes, without_gradient


#: A unit that moves by no more than this has not moved.
RESOLUTION = 1e-6


def _numbers(value: Any, annotation: Any, name: str) -> tuple[int, ...] | None:
    """Numbers of layers, which programs can be told apart by: a list has no hash."""
    value = of_kind(value, annotation, name)
    return None if value is None else tuple(value)


class Phase(eqx.Module):
    """Some steps of the dynamics: which layers move, which messages reach them, and whether they
    learn.

    A step visits the receivers in ascending order. Each layer takes the states
    \\(s_i \\leftarrow \\phi(\\sum_j m_{ij}(s_j))\\), all of its units at once; the layers behind it
    see it as it is then. All other layers are clamped: the input to the sample, the last layer to
    the class (or to zeros where the class is not known), those between to what they are.

    **Arguments:**

    - `steps`: how many.
    - `messages`: `"all"`; `"forward"`, those from the layer itself and from layers before it; or
      `"backward"`, those from the layer itself and from layers behind it.
    - `receivers`: the numbers of the layers that move; `None` for all but the first and the last.
    - `learns`: how much the local losses at the end of the phase count: 0 for a phase that is not
      learned from, -1 for the second term of a contrast.

    Its fields are structure: another number of steps is another program.

    **Raises:** `ValueError` for steps that are negative, messages of another kind and receivers
    that are no numbers of layers.
    """

    steps: int = static()
    messages: Messages = static(default="all")
    receivers: tuple[int, ...] | None = converted(_numbers, static=True, default=None)
    learns: float = static(default=0.0)

    def __check_init__(self):
        if not 0 <= self.steps < 2**31:
            raise ValueError(f"`steps` must not be negative, got {self.steps}.")
        passes((0, 0), self.messages)
        if self.receivers is not None:
            numbers = self.receivers
            if (
                not all(type(k) is int and k > 0 for k in numbers)
                or tuple(sorted(set(numbers))) != numbers
            ):
                raise ValueError(
                    f"`receivers` must be numbers of layers in ascending order, from 1, got "
                    f"{self.receivers}."
                )
        if not -1e9 < self.learns < 1e9:
            raise ValueError(f"`learns` must be finite, got {self.learns}.")

    def moving(self, layers: LayerMap) -> tuple[int, ...]:
        """The receivers of this phase."""
        return tuple(range(1, len(layers.units) - 1)) if self.receivers is None else self.receivers


class Settling(eqx.Module):
    """How states came to rest.

    - `states`: the states of all layers at the end, `(n, units)` each.
    - `flips`: the share of the units of the moving layers that moved in each step, mean over
      samples.
    - `settled`: for each sample whether nothing moved in the last step.
    - `steps`: for each sample after how many steps nothing moved any more.
    """

    states: tuple[Array, ...]
    flips: Float[Array, " steps"]
    settled: Bool[Array, " n"]
    steps: Int[Array, " n"]

    def __repr__(self) -> str:
        share = float(jnp.mean(self.settled))
        steps = float(jnp.mean(self.steps))
        return (
            f"Settling({share:.1%} of {len(self.settled)} samples at rest, after {steps:.1f} steps)"
        )


def start(layers: LayerMap, x: Float[Array, "n j"], output: Array | None = None) -> State:
    """The states before the first phase: the sample, the output if it is known, zeros elsewhere."""
    dtype = jnp.result_type(float)
    zeros = [jnp.zeros((len(x), layer.size), dtype) for layer in layers.units]
    return (x, *zeros[1:-1], zeros[-1] if output is None else output.astype(dtype))


def clamped(layers: LayerMap, state: State, output: Array | None, phase: Phase) -> State:
    """The states as a phase begins: the last layer is the output again, unless the phase moves
    it."""
    if len(layers.units) - 1 in phase.moving(layers):
        return state
    return (
        *state[:-1],
        jnp.zeros_like(state[-1]) if output is None else output.astype(state[-1].dtype),
    )


def stepper(layers: LayerMap, state: State, phase: Phase) -> Callable[[State], State]:
    """A function from the states of the layers that move, in order, to the same a step later."""
    moving = phase.moving(layers)
    senders = {i: layers.senders(i, phase.messages) for i in moving}
    # What clamped layers tell is the same in every step.
    constant = {
        i: layers.messages(i, state, [j for j in senders[i] if j not in moving]) for i in moving
    }

    def step(states: State) -> State:
        now = placed(state, moving, states)
        for i in moving:
            told = layers.messages(i, now, [j for j in senders[i] if j in moving])
            first, *more = [part for part in (constant[i], told) if part is not None]
            new = layers.units[i](sum(more, start=first))
            now = placed(now, [i], (new.astype(now[i].dtype),))
        return tuple(now[i] for i in moving)

    return step


def settle(layers: LayerMap, state: State, phase: Phase, stop_early: bool = True) -> State:
    """The states at the end of a phase. Stopping early changes nothing but the time it takes."""
    moving = phase.moving(layers)
    if not moving or not phase.steps:
        return state
    step = stepper(layers, state, phase)
    first = tuple(state[i] for i in moving)

    def on(carry: tuple) -> Array:
        count, _, moved = carry
        return (count < phase.steps) & moved

    def body(carry: tuple) -> tuple:
        count, states, _ = carry
        new = step(states)
        moved = jnp.any(
            jnp.stack([jnp.any(flipped(a, b)) for a, b in zip(states, new, strict=True)])
        )
        return count + 1, new, moved

    if stop_early:
        last = jax.lax.while_loop(on, body, (jnp.asarray(0), first, jnp.asarray(True)))[1]
    else:
        last = jax.lax.scan(lambda states, _: (step(states), None), first, length=phase.steps)[0]
    return placed(state, moving, last)


def learned(
    layers: LayerMap,
    state: State,
    phases: Sequence[Phase],
    stop_early: bool,
    begun: Callable[[State, Phase], State] = lambda state, phase: state,
) -> tuple[State, Float[Array, " n"]]:
    """The states after some phases, and the local losses at the ends of those that learn; `begun`
    says with which states a phase begins. No gradient goes through a state."""
    still, total = without_gradient(layers), jnp.zeros(len(state[0]), jnp.result_type(float))
    for phase in phases:
        state = settle(still, begun(state, phase), phase, stop_early)
        if phase.learns:
            total += phase.learns * layers.local_losses(state, phase.messages)
    return state, total


def settling(layers: LayerMap, state: State, phase: Phase) -> tuple[State, Float[Array, "steps n"]]:
    """The states at the end of a phase, and the share of units that moved in each step."""
    moving = phase.moving(layers)
    if not moving or not phase.steps:
        return state, jnp.zeros((phase.steps, len(state[0])))
    step, units = stepper(layers, state, phase), sum(layers.units[i].size for i in moving)

    def body(states: State, _: None) -> tuple[State, Array]:
        new = step(states)
        counts = [jnp.sum(flipped(a, b), axis=1) for a, b in zip(states, new, strict=True)]
        return new, sum(counts[1:], start=counts[0]) / units

    last, moved = jax.lax.scan(body, tuple(state[i] for i in moving), length=phase.steps)
    return placed(state, moving, last), moved


def placed(state: State, at: Sequence[int], states: State) -> State:
    """All states, with these in their places."""
    whole = list(state)
    for i, own in zip(at, states, strict=True):
        whole[i] = own
    return tuple(whole)


def flipped(old: Float[Array, "n i"], new: Float[Array, "n i"]) -> Bool[Array, "n i"]:
    """Which units have moved; one that is NaN never comes to rest."""
    return ~(jnp.abs(new - old) <= RESOLUTION)


def check_phases(layers: LayerMap, phases: Sequence[Phase], name: str) -> None:
    """Refuse phases that ask for layers that there are not."""
    of_kind(phases, Sequence[Phase], name)
    for k, phase in enumerate(phases):
        for i in phase.moving(layers):
            if i >= len(layers.units):
                raise ValueError(
                    f"`{name}[{k}]`: there is no layer {i} to move; layers are "
                    f"0…{len(layers.units) - 1}."
                )
            if not layers.senders(i, phase.messages):
                raise ValueError(
                    f"`{name}[{k}]`: layer {i} moves, and no message of kind {phase.messages!r} "
                    "reaches it: take it out of `receivers`."
                )


def check_learning(layers: LayerMap, phases: Sequence[Phase], name: str) -> None:
    """Refuse phases of which none learns, and edges that could learn and never do."""
    learning = [phase for phase in phases if phase.learns]
    if not learning:
        raise ValueError(f"`{name}` has no phase that learns: `Phase(10, 'forward', learns=1)`.")
    for pair, edge in layers.items():
        if edge.loss is not None and not any(passes(pair, phase.messages) for phase in learning):
            kinds = " or ".join(sorted({repr(phase.messages) for phase in learning}))
            raise ValueError(
                f"`{name}`: edge {pair} has a loss, and is not among the messages that phases "
                f"learn from, {kinds}: freeze its synapses, or let a phase learn from all messages."
            )
