"""A network without classes, as the encoder of a model of prototypes."""

from collections.abc import Sequence

import jax

from .._checks import of_kind
from .._module import part, static
from .._types import Array, Float
from ..backbones import AbstractLocalEncoder
from ._dynamics import Phase, check_learning, check_phases, learned, start
from ._layer_map import LayerMap, State


class Settled(AbstractLocalEncoder):
    """The states in which the last layer of a network settles, as the point that a sample is mapped
    to.

    Its synapses learn from where samples settle, by their local losses; the loss of the prototypes
    does not reach them. `freeze="encoder"` keeps them as they are.

    **Arguments:**

    - `layers`: layers and the edges between them; the last layer is the point.
    - `phases`: how a sample settles; `None`: ten steps of all layers but the first, learned from.
    - `stop_early`: whether a phase ends when no unit moves any more. It changes no state (graded
      units are at rest when they move by no more than a millionth).

    **Raises:** `ValueError` for phases that ask for layers that there are not, or never move the
    last one; and for edges that could learn and never do, by name.

    Source: D. Badalotti, C. Baldassi, M. Mézard, M. Scardecchia, R. Zecchina, *Dynamical learning
    in deep asymmetric recurrent neural networks*, arXiv:2509.05041, 2025.
    """

    layers: LayerMap = part()
    phases: tuple[Phase, ...]
    stop_early: bool = static()

    def __init__(
        self, layers: LayerMap, phases: Sequence[Phase] | None = None, stop_early: bool = True
    ):
        self.layers = of_kind(layers, LayerMap, "layers")
        if phases is None:
            phases = [Phase(10, "all", tuple(range(1, len(layers.units))), learns=1.0)]
        self.phases = tuple(of_kind(phases, Sequence[Phase], "phases"))
        self.stop_early = of_kind(stop_early, bool, "stop_early")

    def __check_init__(self):
        check_phases(self.layers, self.phases, "phases")
        check_learning(self.layers, self.phases, "phases")
        last = len(self.layers.units) - 1
        if not any(last in phase.moving(self.layers) for phase in self.phases):
            raise ValueError(
                f"`phases` never move the last layer: let {last} be one of the `receivers`."
            )

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " l"]:
        return self._settled(x)[0][-1][0]

    def with_loss(self, x: Float[Array, " d"]) -> tuple[Float[Array, " l"], Float[Array, ""]]:
        state, loss = self._settled(x)
        return state[-1][0], loss[0]

    def _settled(self, x: Float[Array, " d"]) -> tuple[State, Float[Array, " 1"]]:
        """The states of a single sample, and its local losses."""
        state, total = learned(
            self.layers, start(self.layers, x[None], None), self.phases, self.stop_early
        )
        return jax.lax.stop_gradient(state), total
