"""A recurrent network that classifies: clamped while it learns, free while it answers."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._checks import (
    as_key,
    as_labels,
    as_samples,
    of_kinds,
    positive_integer,
    refuse_negative,
    refuse_nonfinite,
    refuse_unknown_classes,
)
from .._module import all_finite, as_dtype, part, static, trainable
from .._schedules import as_scalar, positive
from .._sources import bibtex, sources_of
from .._types import (
    Array,
    ArrayLike,
    Bool,
    Float,
    Int,
    MaybeLabels,
    PerSample,
    PRNGKeyArray,
    PyTree,
    Scalar,
)
from ..models import AbstractTrainable
from ..models.internal import (
    as_share,
    confidence,
    decided,
    finite_rows,
    known_rows,
    map_chunks,
    probabilities,
    rows_per_chunk,
    transformable,
    where_known,
)
from ._dynamics import (
    Phase,
    Settling,
    check_learning,
    check_phases,
    clamped,
    learned,
    settle,
    settling,
    start,
)
from ._encoder import Settled
from ._layer_map import Edge, LayerMap, State
from ._local_losses import AbstractLocalLoss, Perceptron
from ._sparse import Sparse
from ._synapses import Dense, Frozen, Recurrent, Similarities, matrix_of
from ._units import Binary, Linear


#: Settle while the last layer holds the class; let go of it, settle again, and learn what stays.
CLAMPED_THEN_FREE = (Phase(10), Phase(10, "forward", learns=1.0))

#: Settle without knowing the class.
FREE = (Phase(10, "forward"),)


class RecurrentNetwork(AbstractTrainable):
    """Layers of units that settle in the field of a sample, and synapses that learn from where they
    settle.

    A sample is the state of layer 0. In training, the last layer is the code of its class, 1 for
    the class and -1 for the others. The states of the other layers follow from the phases of
    `training`. At the end of each phase that learns, every edge (i, j) has its local loss
    \\(\\ell_{ij}(h_i, s_i)/\\sqrt{f_{ij}}\\), of the fields of its receivers and the states that
    they are in: hidden layers learn to stay where they are, the last layer to be what it is told.
    What training lowers is the sum over edges. States carry no gradient: of two synapses, none
    knows of the other.

    Answers come from the phases of `inference`, which do not know the class. The field of the last
    layer then holds the scores.

    **Arguments:**

    - `layers`: layers and the edges between them.
    - `training`: the phases of a sample whose class is known; one at least learns.
    - `inference`: those of a sample whose class is not known.
    - `stop_early`: whether a phase ends when no unit of any sample moves any more. It changes no
      state (graded units are at rest when they move by no more than a millionth).

    The gradient of the mean loss is the published rules', divided by √n for a batch of n: they take
    sums over samples divided by √n. Rules that divide a gradient by its size (Adam) do not notice;
    others want a rate √n times as large.

    **Raises:** `ValueError` for phases that ask for layers that there are not, and edges that could
    learn and never do, by name.

    Source: D. Badalotti, C. Baldassi, M. Mézard, M. Scardecchia, R. Zecchina, *Dynamical learning
    in deep asymmetric recurrent neural networks*, arXiv:2509.05041, 2025; why the energy falls: A.
    Yuille, A. Rangarajan, *The concave-convex procedure*, Neural Computation 15, 2003.
    """

    layers: LayerMap = part()
    training: tuple[Phase, ...] = part(default=CLAMPED_THEN_FREE)
    inference: tuple[Phase, ...] = part(default=FREE)
    stop_early: bool = static(default=True)

    def __check_init__(self):
        check_phases(self.layers, self.training, "training")
        check_phases(self.layers, self.inference, "inference")
        if self.classes < 2:
            raise ValueError(
                "`layers`: the last layer needs a unit for each of two classes at least, got one "
                "unit."
            )
        check_learning(self.layers, self.training, "training")

    @classmethod
    @of_kinds
    def layered(
        cls,
        sizes: Sequence[int],
        margin: float = 2.0,
        feedback: float = 0.3,
        self_coupling: float = 0.5,
        recurrent_margin: float = 0.5,
        recurrent_strength: float = 0.5,
        sparsity: float = 0.0,
        readout: AbstractLocalLoss | None = None,
        *,
        key: PRNGKeyArray | int,
    ) -> "RecurrentNetwork":
        """Layers of binary units, one behind the other, each of them recurrent.

        **Arguments:**

        - `sizes`: d, the sizes of the hidden layers, c.
        - `margin`: κ of the perceptron rule for synapses from one layer to the next.
        - `feedback`: the strength of frozen random synapses that tell each hidden layer of the one
          behind it, while that is clamped; zero for none.
        - `self_coupling`: J_D of the hidden units.
        - `recurrent_margin`: κ within a layer. A small one: states that are too stable forget the
          sample.
        - `recurrent_strength`: how large fields from the own layer are at first, those of others
          being about one.
        - `sparsity`: the share of recurrent synapses that there are not.
        - `readout`: the local loss of the last layer, if it is to be another one.
        - `key`: a random key.

        **Raises:** `ValueError` for fewer than three sizes, sizes that are not positive, and
        numbers out of their range.
        """
        if len(sizes) < 3:
            raise ValueError(
                f"`sizes` must hold three numbers at least (d, hidden sizes, c), got "
                f"{tuple(sizes)}."
            )
        for size in sizes:
            positive_integer(size, "sizes")
        refuse_negative(as_scalar(feedback, "feedback"), "feedback")
        positive(recurrent_strength, "recurrent_strength")
        loss = Perceptron(as_scalar(margin, "margin"))
        within = Perceptron(as_scalar(recurrent_margin, "recurrent_margin"))
        own_coupling, last = as_scalar(self_coupling, "self_coupling"), len(sizes) - 1
        keys = jax.random.split(as_key(key), (last, 3))
        edges = {}
        for i in range(1, last + 1):
            own = readout if i == last and readout is not None else loss
            edges[i, i - 1] = Edge(Dense.normal(sizes[i - 1], sizes[i], key=keys[i - 1, 0]), own)
            if i == last:
                break
            if sparsity:
                lateral: Any = Sparse.normal(
                    sizes[i], sizes[i], sparsity, recurrent_strength, True, key=keys[i - 1, 1]
                )
            else:
                lateral = Dense.normal(
                    sizes[i], sizes[i], recurrent_strength, "hollow", key=keys[i - 1, 1]
                )
            edges[i, i] = Edge(Recurrent(lateral, own_coupling), within)
            if feedback:
                back = Dense.normal(sizes[i + 1], sizes[i], feedback, key=keys[i - 1, 2])
                edges[i, i + 1] = Edge(Frozen(back))
        hidden = [Binary(size) for size in sizes[1:-1]]
        return cls(LayerMap([Linear(sizes[0]), *hidden, Linear(sizes[-1])], edges))

    # What a trainer asks.

    @property
    def supervised(self) -> bool:
        """Always: the last layer is told the class."""
        return True

    @property
    def classes(self) -> int:
        """The number of units in the last layer."""
        return self.layers.units[-1].size

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One number for each unit of layer 0."""
        return (self.layers.units[0].size,)

    @property
    def loss_name(self) -> str:
        """What its local losses are called, together."""
        return "a recurrent network"

    @property
    def additive(self) -> bool:
        """Always: samples settle alone."""
        return True

    @property
    def flat(self) -> bool:
        """Whether prototypes among its synapses lie in flat spaces."""
        return all(s.prototypes.space.displacement_is_difference for s in _similarities(self))

    def check_samples(self, x: ArrayLike, name: str = "x") -> Array:
        """`x` as an array that this network can take.

        **Raises:** `ValueError` naming the argument, its shape and the shape that fits.
        """
        return as_samples(x, self.sample_shape, name)

    def check_values(self, x: ArrayLike, name: str = "x") -> Array:
        x = self.check_samples(x, name)
        refuse_nonfinite(x, name)
        return x

    def check_training(self, x: Float[Array, "n ..."]) -> None:
        pass

    def check_differentiable(self) -> None:
        for synapses in _similarities(self):
            if not synapses.metric.differentiable:
                raise ValueError(
                    f"{type(synapses.metric).__name__} has no derivative: choose another metric."
                )

    def encode(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Samples as they are."""
        return x

    def encoder_in(self, tree: PyTree) -> PyTree:
        return None

    def losses(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
        already_encoded: bool = False,
    ) -> PerSample:
        """The sum of the local losses of each sample, over edges and over the phases that learn."""
        code = 2 * jax.nn.one_hot(y, self.classes, dtype=jnp.result_type(float)) - 1
        begun = lambda state, phase: clamped(self.layers, state, code, phase)  # noqa: E731
        return learned(
            self.layers, start(self.layers, x, code), self.training, self.stop_early, begun
        )[1]

    def loss_of(
        self,
        x: Float[Array, "n ..."],
        y: MaybeLabels,
        weight: PerSample,
        progress: Float[ArrayLike, ""] = 1.0,
        already_encoded: bool = False,
    ) -> Scalar:
        """What training lowers: the local losses of these samples, `weight` holding each one's
        share."""
        return jnp.sum(weight * self.losses(x, y, progress, already_encoded))

    def chunk_rows(self, n: int, features: int) -> int:
        return rows_per_chunk(n, self._width)

    def lowered(self, dtype: str) -> "RecurrentNetwork":
        # Metrics find their maps in full precision, and choose what to lower by themselves.
        def lower(node: Any) -> Any:
            return node if isinstance(node, Similarities) else as_dtype(node, dtype)

        learning, rest = eqx.partition(self, trainable(self))
        return eqx.combine(jax.tree.map(lower, learning, is_leaf=_is_similarities), rest)

    def outline(self) -> str:
        """The kinds and sizes of its layers."""
        kinds = " → ".join(f"{type(layer).__name__}({layer.size})" for layer in self.layers.units)
        return f"RecurrentNetwork({kinds}, {len(self.layers)} edges)"

    def citation(self) -> str:
        """The sources of this network's parts as a BibTeX file."""
        return bibtex(sources_of(self))

    # Answers.

    @transformable
    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n c"]:
        """The scores of the classes: the field of the last layer once the others have settled.

        Nothing is checked, and nothing happens on the host. Where nothing can be known, scores are
        NaN.
        """
        scores = _scores(self, x)
        return where_known(_known(self, x) & finite_rows(scores), scores)

    @transformable
    def predict_proba(self, x: Float[ArrayLike, "n d"]) -> Float[Array, "n c"]:
        """Probabilities of the classes, the softmax of the scores; rows sum to one.

        They are posteriors where the readout learns by `CrossEntropy`. Elsewhere they order the
        classes, and nothing has made them frequencies.
        """
        return self._ask(_probabilities, x)

    @transformable
    def predict(self, x: Float[ArrayLike, "n d"]) -> Int[Array, " n"]:
        """The most probable class of each sample, exactly `predict_proba(x).argmax(axis=1)`."""
        return self._ask(_predict, x)

    @transformable
    def confidence(self, x: Float[ArrayLike, "n d"]) -> PerSample:
        """\\((p_1 - p_2)/(p_1 + p_2) \\in [0, 1]\\) of the two most probable classes."""
        return self._ask(_confidence, x)

    @transformable
    def predict_with_reject(
        self, x: Float[ArrayLike, "n d"], threshold: ArrayLike
    ) -> Int[Array, " n"]:
        """`predict(x)`, and -1 where the confidence is below `threshold`.

        **Raises:** `ValueError` if the threshold is not in [0, 1].
        """
        threshold = as_share(threshold, "threshold", "a confidence")
        label, sure = self._ask(_decide, x)
        return jnp.where(sure < threshold, -1, label)

    @transformable
    def transform(self, x: Float[ArrayLike, "n d"]) -> Float[Array, "n l"]:
        """The settled states of the layer before the last one."""
        return self._ask(_hidden, x)

    @transformable
    def energy(self, x: Float[ArrayLike, "n d"]) -> PerSample:
        """\\(E = \\sum_i \\left[-\\tfrac12 s_i \\cdot m_{ii} - s_i \\cdot
        \\sum_{j \\ne i} m_{ij} + F(s_i)\\right]\\)
        of the settled states, over the layers that move, each in the field of the others.

        With symmetric couplings within a layer, E does not rise from step to step as long as the
        matrix \\(J + J_D\\) has no negative eigenvalue: a step minimises a bound of E (the concave
        part is replaced by its tangent).

        **Raises:** `ValueError` for a layer whose couplings to itself are not symmetric: there is
        no energy.
        """
        for i in self._settled:
            own = self.layers[i, i].synapses if (i, i) in self.layers.pairs else None
            if own is None or any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(own)):
                continue
            if not np.array_equal(matrix := matrix_of(own), matrix.T):
                raise ValueError(
                    f"`energy`: the couplings of layer {i} to itself are not symmetric, and an "
                    "asymmetric network has no energy: `Dense(matrix, 'symmetric')` keeps them so."
                )
        return self._ask(_energy, x)

    def settling(
        self, x: Float[ArrayLike, "n d"], y: Int[ArrayLike, " n"] | None = None
    ) -> Settling:
        """How the states of samples come to rest: in inference, or with their classes `y` as in
        training.

        **Returns:** the states at the end, the share of units that moved in each step, and for each
        sample whether it is at rest, and since when.
        """
        x = self.check_values(x)
        labels = None
        if y is not None:
            labels = as_labels(y, len(x))
            refuse_unknown_classes(labels, self.classes)
        return _settling(self, x, None if labels is None else jnp.asarray(labels))

    def encoder(self) -> Settled:
        """What `transform` computes, as the encoder of a `PrototypeModel`: the network without its
        last layer.

        It settles as in inference, and learns from where it does, unless it is frozen.
        """
        *before, last = self.inference
        phases = [Phase(p.steps, p.messages, p.moving(self.layers)) for p in before]
        phases.append(Phase(last.steps, last.messages, last.moving(self.layers), learns=1.0))
        return Settled(self.layers.first(len(self.layers.units) - 1), phases, self.stop_early)

    # How it is asked.

    @property
    def _width(self) -> int:
        """The largest number of units in a layer."""
        return max(layer.size for layer in self.layers.units)

    @property
    def _settled(self) -> list[int]:
        """The layers that move in inference."""
        return sorted({i for phase in self.inference for i in phase.moving(self.layers)})

    def _ask(self, question: Callable, x: ArrayLike) -> Any:
        x = self.check_samples(x)
        answer, parameters, samples, answers = _answer(self, x, question)
        if not isinstance(answers, Tracer) and not (parameters and samples and answers):
            refuse_nonfinite(x)
            if not parameters:
                raise ValueError(
                    "the network has parameters that are NaN or infinite: it cannot decide. Train "
                    "it again."
                )
            raise ValueError(
                f"the answer for `x` exceeds the range of {x.dtype}: rescale the data."
            )
        return answer


def _is_similarities(node: Any) -> bool:
    return isinstance(node, Similarities)


def _similarities(tree: PyTree) -> list[Similarities]:
    return [
        node for node in jax.tree.leaves(tree, is_leaf=_is_similarities) if _is_similarities(node)
    ]


def _free(network: RecurrentNetwork, x: Float[Array, "n d"]) -> State:
    """The states in which a sample settles when its class is not known."""
    state = start(network.layers, x, None)
    for phase in network.inference:
        state = settle(
            network.layers, clamped(network.layers, state, None, phase), phase, network.stop_early
        )
    return state


def _scores(network: RecurrentNetwork, x: Float[Array, "n d"]) -> Float[Array, "n c"]:
    return network.layers.field(len(network.layers.units) - 1, _free(network, x))


def _hidden(network: RecurrentNetwork, x: Array) -> Array:
    return _free(network, x)[-2]


def _energy(network: RecurrentNetwork, x: Array) -> Array:
    state, layers, total = _free(network, x), network.layers, jnp.zeros(len(x))
    for phase in network.inference[-1:]:
        for i in phase.moving(layers):
            senders = layers.senders(i, phase.messages)
            field = jnp.zeros_like(state[i])
            for j in senders:
                message = layers[i, j].synapses(state[j])
                field += message / 2 if i == j else message
            total += jnp.sum(layers.units[i].potential(state[i]) - state[i] * field, axis=1)
    return total


def _probabilities(network: RecurrentNetwork, x: Array) -> Array:
    return probabilities(_held(_scores(network, x)))


def _predict(network: RecurrentNetwork, x: Array) -> Array:
    return decided(_held(_scores(network, x)))


def _confidence(network: RecurrentNetwork, x: Array) -> Array:
    return confidence(_held(_scores(network, x)))


def _decide(network: RecurrentNetwork, x: Array) -> tuple[Array, Array]:
    scores = _held(_scores(network, x))
    return decided(scores), confidence(scores)


def _held(scores: Array) -> Array:
    """The same for all who look at them: not computed again in other roundings."""
    return jax.lax.optimization_barrier(scores)


@eqx.filter_jit
def _answer(
    network: RecurrentNetwork, x: Array, question: Callable
) -> tuple[Any, Array, Array, Array]:
    """An answer, and whether parameters, samples and the answer are finite; what is not known is
    NaN, or -1."""
    parameters = all_finite(eqx.filter(network, eqx.is_inexact_array))

    def one_chunk(rows: Array) -> tuple[Any, Array]:
        answer, sound = question(network, rows), finite_rows(rows)
        answered = functools.reduce(jnp.logical_and, map(known_rows, jax.tree.leaves(answer)))
        known = parameters & sound & answered
        return jax.tree.map(lambda a: where_known(known, a), answer), jnp.stack(
            [sound, answered], axis=1
        )

    answer, found = map_chunks(one_chunk, x, rows_per_chunk(len(x), network._width))
    return answer, parameters, jnp.all(found[:, 0]), jnp.all(found[:, 1])


@eqx.filter_jit
def _settling(network: RecurrentNetwork, x: Array, y: Array | None) -> Settling:
    layers = network.layers
    code = None if y is None else 2 * jax.nn.one_hot(y, network.classes) - 1
    state, moved = start(layers, x, code), []
    for phase in network.inference if y is None else network.training:
        state, shares = settling(layers, clamped(layers, state, code, phase), phase)
        moved.append(shares)
    shares = jnp.concatenate(moved)
    count = len(shares)
    last = jnp.max(jnp.where(shares > 0, jnp.arange(1, count + 1)[:, None], 0), axis=0, initial=0)
    return Settling(state, jnp.mean(shares, axis=1), last < count, last)


def _known(network: RecurrentNetwork, x: Array) -> Bool[Array, " n"]:
    return finite_rows(x) & all_finite(eqx.filter(network, eqx.is_inexact_array))
