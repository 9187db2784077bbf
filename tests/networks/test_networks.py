"""Networks that learn locally: rules and dynamics against NumPy, promises like those of every other
model."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from pages import ROOT, run

import protozoo as pz
from protozoo import testing
from protozoo.networks import (
    Binary,
    CrossEntropy,
    Delta,
    Dense,
    Edge,
    Ferromagnetic,
    Frozen,
    Graded,
    Hebbian,
    LayerMap,
    Linear,
    Perceptron,
    Phase,
    Recurrent,
    RecurrentNetwork,
    Settled,
    Similarities,
    Sparse,
    Standardised,
    TruncatedPerceptron,
)
from protozoo.networks._dynamics import settle, settling, start
from protozoo.training import trainable_mask


SIZES = (6, 8, 3)
N = 21
KEY = jax.random.key(0)


def samples(
    n: int = N, d: int = SIZES[0], classes: int = SIZES[-1]
) -> tuple[np.ndarray, np.ndarray]:
    """Random codes of the classes, a fifth of their bits flipped."""
    rng = np.random.default_rng(0)
    codes, y = rng.choice([-1.0, 1.0], (classes, d)), np.arange(n) % classes
    return np.where(rng.random((n, d)) < 0.2, -codes[y], codes[y]).astype(np.float32), y


X, Y = samples()


def zoo(units=Binary, loss=None, readout=None, seed: int = 0) -> LayerMap:
    """Every kind of synapses: two hidden layers, connected in all ways, and an input that reaches
    the second, too."""
    keys = jax.random.split(jax.random.key(seed), 9)
    loss = Perceptron(0.5) if loss is None else loss
    layers = [Linear(6), units(8), units(8), Linear(3)]
    edges = {
        (1, 0): Edge(Dense.normal(6, 8, key=keys[0]), loss),
        (1, 1): Edge(Recurrent(Dense.normal(8, 8, 0.5, "hollow", key=keys[1]), 0.5), loss),
        (1, 2): Edge(Frozen(Dense.normal(8, 8, 0.3, key=keys[2]))),
        (2, 0): Edge(Sparse.normal(6, 8, 0.5, key=keys[3]), loss),
        (2, 1): Edge(Ferromagnetic(jnp.full(8, 0.7))),
        (2, 2): Edge(
            Recurrent(
                Sparse.normal(8, 8, 0.5, hollow=True, key=keys[4]), jnp.linspace(0.2, 0.6, 8)
            ),
            loss,
        ),
        (2, 3): Edge(Frozen(Standardised(Dense.normal(3, 8, 0.3, key=keys[5])))),
        (3, 2): Edge(
            Dense.normal(8, 3, key=keys[6]), Perceptron(1.0) if readout is None else readout
        ),
    }
    return LayerMap(layers, edges)


TRAINING = (Phase(4), Phase(3, "forward", learns=1.0))


def network(units=Binary, loss=None, readout=None, seed: int = 0, **phases) -> RecurrentNetwork:
    return RecurrentNetwork(
        zoo(units, loss, readout, seed),
        **{"training": TRAINING, "inference": (Phase(5, "forward"),), **phases},
    )


# The same in NumPy.


def matrix(edge: Edge) -> np.ndarray:
    """What the synapses of an edge multiply by; those of `Standardised` also shift."""
    synapses = edge.synapses
    while isinstance(synapses, Frozen | Standardised):
        synapses = synapses.synapses
    if isinstance(synapses, Dense):
        return np.asarray(synapses.matrix, float)
    if isinstance(synapses, Ferromagnetic):
        return np.diag(np.asarray(synapses.strength, float))
    if isinstance(synapses, Recurrent):
        own = np.broadcast_to(np.asarray(synapses.self_coupling, float), synapses.shape[0])
        return matrix(Edge(Frozen(synapses.synapses))) + np.diag(own)
    full = np.zeros(synapses.shape)
    for weights, senders in zip(
        np.asarray(synapses.weights), np.asarray(synapses.senders), strict=True
    ):
        full[senders, np.arange(full.shape[1])] += weights
    return full


def told(layers: LayerMap, i: int, j: int, state: list[np.ndarray]) -> np.ndarray:
    sent = state[j]
    if isinstance(getattr(layers[i, j].synapses, "synapses", None), Standardised):
        c = np.sqrt(sent.shape[1] - 1)
        sent = (sent + 1) / 2 * (c + 1 / c) - 1 / c  # from -1 and 1 to -1/c and c
    return sent @ matrix(layers[i, j])


def heard(layers: LayerMap, i: int, messages: str) -> list[int]:
    kept = {"all": lambda j: True, "forward": lambda j: j <= i, "backward": lambda j: j >= i}[
        messages
    ]
    return [j for r, j in layers if r == i and kept(j)]


def field(layers: LayerMap, i: int, state: list[np.ndarray], messages: str) -> np.ndarray:
    return sum(told(layers, i, j, state) for j in heard(layers, i, messages))


def by_hand(
    layers: LayerMap, state: list[np.ndarray], steps: int, messages: str, moving=(1, 2)
) -> list[np.ndarray]:
    activations = {
        "Binary": lambda h: np.where(h >= 0, 1.0, -1.0),
        "Graded": np.tanh,
        "Linear": lambda h: h,
    }
    state = [s.copy() for s in state]
    for _ in range(steps):
        for i in moving:
            state[i] = activations[type(layers.units[i]).__name__](
                field(layers, i, state, messages)
            )
    return state


def code(y: np.ndarray, classes: int = 3) -> np.ndarray:
    return 2.0 * np.eye(classes)[y] - 1


def rule(loss, h: np.ndarray, s: np.ndarray) -> np.ndarray:
    """∂ℓ/∂h as the rules have it."""
    if isinstance(loss, Perceptron):
        return -np.where(s * h <= np.asarray(loss.margin), s, 0)
    if isinstance(loss, Delta):
        o = np.tanh(h)
        return -np.where(np.abs(s - o) >= loss.tolerance, (s - o) * (1 - o**2), 0)
    if isinstance(loss, TruncatedPerceptron):
        saturated = 1 - np.abs(np.tanh(h)) < float(loss.tolerance)
        return -np.where((s * h <= np.asarray(loss.margin)) & saturated, s, 0)
    if isinstance(loss, CrossEntropy):
        p = np.exp(h - h.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True) - (1 + s) / 2
    return -s


LOSSES = [
    Perceptron(0.5),
    Perceptron(np.linspace(0.1, 1, 8)),
    Delta(0.3),
    TruncatedPerceptron(2.0, 0.4),
    CrossEntropy(),
    Hebbian(),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_gradient_of_a_local_loss_is_the_rule(loss, x64):
    """Weights play the part of the gate; the constants are 1/√f, and 1/n in place of the rules'
    1/√n."""
    rng = np.random.default_rng(1)
    x, target, gate = rng.normal(size=(N, 6)), rng.choice([-1.0, 1.0], (N, 8)), rng.random(N)
    if isinstance(loss, CrossEntropy):
        target = code(rng.integers(0, 8, N), 8)
    rest = rng.normal(size=(N, 8))
    edge = Edge(Dense(rng.normal(size=(6, 8))), loss)
    h = x @ matrix(edge) + rest

    def objective(edge):
        return jnp.sum(
            gate / N * edge.local_losses(jnp.asarray(h), jnp.asarray(x), jnp.asarray(target))
        )

    found = eqx.filter_grad(objective)(edge).synapses.matrix
    expected = (x * gate[:, None]).T @ rule(loss, h, target) / (N * np.sqrt(6))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    published = (x * gate[:, None]).T @ rule(loss, h, target) / (np.sqrt(N) * np.sqrt(6))
    np.testing.assert_allclose(np.sqrt(N) * found, published, rtol=1e-6, atol=1e-9)


def test_rules_by_hand():
    """One unit, two senders; a tie is a mistake."""
    edge = Edge(Dense([[1.0], [-0.5]]), Perceptron(0.5))
    x, s = jnp.array([[1.0, 1.0], [1.0, -1.0]]), jnp.ones((2, 1))
    loss, gradient = eqx.filter_value_and_grad(
        lambda e: jnp.sum(e.local_losses(x @ e.synapses.matrix, x, s))
    )(edge)
    assert float(loss) == 0.0  # fields are .5, on the margin, and 1.5
    np.testing.assert_allclose(gradient.synapses.matrix, [[-(2**-0.5)], [-(2**-0.5)]], rtol=1e-6)
    units = Binary(2)(jnp.array([[0.0, -0.0], [1e-30, -1e-30], [jnp.nan, jnp.inf]]))
    np.testing.assert_array_equal(units, [[1, 1], [1, -1], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("units", "messages"),
    [(Binary, "all"), (Binary, "forward"), (Binary, "backward"), (Graded, "all")],
)
def test_the_dynamics_are_those_of_a_loop(units, messages, x64):
    layers = jax.tree.map(lambda a: a.astype(float) if eqx.is_inexact_array(a) else a, zoo(units))
    if messages == "backward":  # nothing but the input drives a layer then
        layers = LayerMap(layers.units, {**dict(layers.items()), (2, 2): layers[2, 2]})
    state = start(layers, jnp.asarray(X, float), jnp.asarray(code(Y)))
    expected = [np.asarray(s) for s in state]
    for steps, moving in ((1, (1, 2)), (5, (1, 2)), (4, (2, 3))):
        if messages == "backward" and 3 in moving:
            continue
        phase = Phase(steps, messages, moving)
        state, (other, moved) = eqx.filter_jit(
            lambda m, s, p: (settle(m, s, p), settling(m, s, p))
        )(layers, state, phase)
        before, expected = expected, by_hand(layers, expected, steps, messages, moving)
        for a, b, c in zip(state, other, expected, strict=True):
            np.testing.assert_allclose(a, c, rtol=1e-7, atol=2e-6 if units is Graded else 0)
            np.testing.assert_allclose(b, c, rtol=1e-7, atol=1e-9)
        one = by_hand(layers, before, 1, messages, moving)
        flips = sum((np.abs(one[i] - before[i]) > 1e-6).sum(axis=1) for i in moving) / sum(
            one[i].shape[1] for i in moving
        )
        np.testing.assert_allclose(moved[0], flips)


@pytest.mark.parametrize(
    ("units", "loss", "readout"),
    [
        (Binary, None, None),
        (Binary, Perceptron(0.5), CrossEntropy()),
        (Graded, Delta(0.1), Perceptron(1.0)),
    ],
    ids=["binary", "cross-entropy", "graded"],
)
def test_the_gradient_of_the_objective_is_every_rule_at_once(units, loss, readout, x64):
    model = network(units, loss, readout)
    model = jax.tree.map(lambda a: a.astype(float) if eqx.is_inexact_array(a) else a, model)
    layers, weight = model.layers, np.random.default_rng(2).random(N)
    state = by_hand(
        layers, [X.astype(float), np.zeros((N, 8)), np.zeros((N, 8)), code(Y)], 4, "all"
    )
    state = by_hand(layers, state, 3, "forward")
    params, rest = eqx.partition(model, trainable_mask(model))

    def objective(params):
        return eqx.combine(params, rest).loss_of(
            jnp.asarray(X, float), jnp.asarray(Y, jnp.int32), jnp.asarray(weight)
        )

    value, gradient = jax.jit(jax.value_and_grad(objective))(params)
    total = 0.0
    for (i, j), edge in layers.items():
        if edge.loss is None:
            continue
        h = field(layers, i, state, "forward")
        total += np.sum(
            weight * np.asarray(edge.loss(jnp.asarray(h), jnp.asarray(state[i])))
        ) / np.sqrt(edge.synapses.fan_in)
        full = (
            (state[j] * weight[:, None]).T
            @ rule(edge.loss, h, state[i])
            / np.sqrt(edge.synapses.fan_in)
        )
        inner = gradient.layers[i, j].synapses
        own = layers[i, j].synapses
        if isinstance(own, Recurrent):
            inner, own = inner.synapses, own.synapses
        if isinstance(own, Sparse):
            np.testing.assert_allclose(
                inner.weights, full[own.senders, np.arange(8)], rtol=1e-6, atol=1e-9
            )
        else:
            hollow = full - np.diag(np.diag(full)) if own.kind == "hollow" else full
            found = (
                pz.networks.Hollow().project(inner.matrix) if own.kind == "hollow" else inner.matrix
            )
            np.testing.assert_allclose(found, hollow, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(value, total, rtol=1e-9)


def test_stopping_early_changes_no_state():
    patient = network(stop_early=False, inference=[Phase(5, "forward", [1, 2])])
    for one, other in zip(
        jax.tree.leaves(fitted(network())), jax.tree.leaves(fitted(patient)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(network().transform(X), patient.transform(X))


def fitted(model, epochs: int = 3, **settings):
    settings = {
        "rule": pz.GradientDescent(optax.adamw(1e-2, weight_decay=0.1)),
        "batch_size": 8,
        **settings,
    }
    return pz.Trainer(epochs=epochs, **settings).fit(model, X, Y, key=KEY).model


def test_what_is_set_is_bit_identical_after_weight_decay():
    before, after = network(), fitted(network())
    mask = trainable_mask(before)
    names = {
        jax.tree_util.keystr(p).rsplit(".", 1)[1]
        for p, learns in jax.tree_util.tree_leaves_with_path(mask)
        if learns
    }
    assert names == {"matrix", "weights"}
    for learns, a, b in zip(*map(jax.tree.leaves, (mask, before, after)), strict=True):
        assert np.array_equal(a, b) != learns
    for i, j in ((1, 2), (2, 1), (2, 3)):
        assert eqx.tree_equal(before.layers[i, j], after.layers[i, j])
    np.testing.assert_array_equal(np.diag(after.layers[1, 1].synapses.synapses.matrix), 0)
    frozen = fitted(network(), freeze=lambda m: m.layers[1, 1])
    assert eqx.tree_equal(before.layers[1, 1], frozen.layers[1, 1])
    assert not eqx.tree_equal(before.layers[1, 0], frozen.layers[1, 0])


def test_symmetric_couplings_stay_so_and_have_an_energy_that_falls():
    for units in (Binary, Graded):
        lateral = Dense.normal(16, 16, 0.8, "symmetric", key=KEY)
        # No negative eigenvalue: a step minimises a bound of the energy.
        own = -np.linalg.eigvalsh(np.asarray(lateral.matrix)).min() + 0.01
        loss = Perceptron(0.5) if units is Binary else Delta()
        edges = {
            (1, 0): Edge(Dense.normal(6, 16, key=KEY), loss),
            (1, 1): Edge(Recurrent(lateral, own), loss),
            (2, 1): Edge(Dense.normal(16, 3, key=KEY), Perceptron(1.0)),
        }
        model = RecurrentNetwork(LayerMap([Linear(6), units(16), Linear(3)], edges))
        energies = [
            np.asarray(dataclasses.replace(model, inference=(Phase(steps, "forward"),)).energy(X))
            for steps in range(1, 8)
        ]
        assert (np.diff(energies, axis=0) <= 1e-4).all() and (energies[-1] < energies[0]).any()
        fit = fitted(model)
        matrix = fit.layers[1, 1].synapses.synapses.matrix
        np.testing.assert_array_equal(matrix, matrix.T)
        assert not np.array_equal(matrix, lateral.matrix)
        assert np.isfinite(fit.energy(X)).all()
    with pytest.raises(
        ValueError, match="`energy`: the couplings of layer 1 to itself are not symmetric"
    ):
        network().energy(X)


def test_sparse_synapses_are_those_of_a_matrix_with_zeros():
    sparse = Sparse.normal(30, 20, 0.9, key=KEY)
    assert sparse.fan_in == 3 and sparse.weights.shape == (3, 20)
    full = jnp.asarray(matrix(Edge(Frozen(sparse))), jnp.float32)
    assert np.count_nonzero(full) == 60
    x, s = jax.random.normal(KEY, (7, 30)), jnp.ones((7, 20))
    np.testing.assert_allclose(sparse(x), x @ full, rtol=1e-5, atol=1e-6)
    gradient = jax.grad(lambda w: jnp.sum(jnp.tanh(dataclasses.replace(sparse, weights=w)(x)) * s))(
        sparse.weights
    )
    dense = jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w) * s))(full)
    np.testing.assert_allclose(gradient, dense[sparse.senders, np.arange(20)], rtol=1e-4, atol=1e-5)
    hollow = Sparse.normal(20, 20, 0.0, hollow=True, key=KEY)
    assert hollow.fan_in == 19 and hollow.hollow


# Promises.

MODELS = {
    "binary": lambda: network(),
    "graded": lambda: network(Graded, Delta(0.1), CrossEntropy()),
    "layered": lambda: RecurrentNetwork.layered(SIZES, key=0),
    "sparse": lambda: RecurrentNetwork.layered(
        (6, 8, 8, 3), sparsity=0.5, readout=CrossEntropy(), key=0
    ),
    "contrastive": lambda: contrastive(),
    "prototypes": lambda: with_prototypes(),
}


def contrastive() -> RecurrentNetwork:
    """Free, then clamped: their difference is what is learned."""
    keys = jax.random.split(KEY, 4)
    edges = {
        (1, 0): Edge(Dense.normal(6, 8, key=keys[0]), Hebbian()),
        (1, 1): Edge(Recurrent(Dense.normal(8, 8, 0.5, "symmetric", key=keys[1]), 0.5), Hebbian()),
        (1, 2): Edge(Frozen(Dense.normal(3, 8, 0.5, key=keys[2]))),
        (2, 1): Edge(Dense.normal(8, 3, key=keys[3]), Hebbian()),
    }
    free, clamped = Phase(6, "all", (1, 2), learns=-1.0), Phase(6, "all", learns=1.0)
    return RecurrentNetwork(
        LayerMap([Linear(6), Binary(8), Binary(3)], edges),
        (free, clamped),
        (Phase(6, "all", (1, 2)),),
    )


def with_prototypes() -> RecurrentNetwork:
    """A layer of prototypes: each unit is on for the samples near to it."""
    prototypes = pz.Prototypes(X[:5])
    edges = {
        (1, 0): Edge(Similarities(prototypes, scale=0.25), CrossEntropy()),
        (2, 1): Edge(Dense.normal(5, 3, key=KEY), CrossEntropy()),
    }
    return RecurrentNetwork(LayerMap([Linear(6), Graded(5), Linear(3)], edges))


def each(*some: str):
    """Some in the ordinary suite, all of them nightly."""
    return pytest.mark.parametrize(
        "name", [pytest.param(n, marks=[] if n in some else pytest.mark.nightly) for n in MODELS]
    )


@each("binary", "contrastive", "prototypes")
def test_a_network_keeps_what_models_promise(name, unchecked):
    testing.check_network(MODELS[name](), X, Y)


@each("binary")
def test_it_is_trained_like_every_model(name, tmp_path):
    model = MODELS[name]()
    rule, key = pz.GradientDescent("adam", 1e-2), KEY
    settings = {"rule": rule, "epochs": 4, "batch_size": 8}
    trainer = pz.Trainer(**settings)
    fit = trainer.fit(model, X, Y, key=key, validation=(X, Y))
    assert np.isfinite(fit.history["validation_loss"]).all() and len(fit.history["loss"]) == 4
    np.testing.assert_allclose(
        fit.history["validation_loss"][-1],
        np.mean(fit.model.losses(jnp.asarray(X), jnp.asarray(Y))),
        rtol=1e-4,
        atol=1e-5,
    )
    # A whole weight is copies, and the batch may be worked through in pieces.
    weight, whole = np.arange(N) % 3, pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), 3)
    weighted = whole.fit(model, X, Y, key=key, sample_weight=weight).model
    repeated = whole.fit(model, np.repeat(X, weight, axis=0), np.repeat(Y, weight), key=key).model
    close(weighted, repeated)
    pieces = pz.Trainer(pz.GradientDescent(optax.sgd(0.1), accumulate=4), 3)
    close(pieces.fit(model, X, Y, key=key).model, whole.fit(model, X, Y, key=key).model)
    # Killed and continued, it gets to the same end.
    checkpoints = pz.Checkpoints(tmp_path, every=2)
    pz.Trainer(**settings | {"epochs": 2}, checkpoints=checkpoints).fit(model, X, Y, key=key)
    resumed = pz.Trainer(**settings, checkpoints=checkpoints).fit(model, X, Y, key=key, resume=True)
    assert eqx.tree_equal(resumed.model, pz.Trainer(**settings).fit(model, X, Y, key=key).model)


def close(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_other_numbers_compile_nothing():
    def learn(seed: int, rate: float, x: np.ndarray) -> None:
        model = RecurrentNetwork.layered(
            SIZES, margin=1.0 + seed, self_coupling=0.5 + 0.1 * seed, key=seed
        )
        fit = pz.Trainer(pz.GradientDescent("adam", rate), 3 + seed, batch_size=8).fit(
            model, x, Y, key=KEY
        )
        fit.model.predict(x), fit.model.predict_proba(x), fit.model.transform(x)

    learn(0, 1e-2, X)
    with count_compilations() as compiled:
        learn(1, 2e-2, X[::-1].copy())
    assert compiled.names == []


def test_it_is_one_of_many_and_part_of_other_programs():
    models = [RecurrentNetwork.layered(SIZES, key=seed) for seed in range(2)]
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), 3, batch_size=8)
    for fit in pz.fit_many(trainer, models, X, Y, key=KEY):
        alone = trainer.fit(models[fit.member], X, Y, key=jax.random.split(KEY, 2)[fit.member])
        close(fit.model, alone.model)
    model = models[0]
    np.testing.assert_array_equal(jax.jit(model.predict)(X), model.predict(X))
    np.testing.assert_array_equal(eqx.filter_jit(model.predict)(X), model.predict(X))
    low = pz.Trainer(pz.GradientDescent("adam", 1e-2), 3, precision="bfloat16").fit(
        model, X, Y, key=KEY
    )
    assert (
        np.isfinite(low.history["loss"]).all()
        and low.model.layers[1, 0].synapses.matrix.dtype == jnp.float32
    )


@pytest.mark.nightly
def test_it_is_validated_like_a_row():
    def make(x, y, *, key, hidden=16):
        return RecurrentNetwork.layered((x.shape[1], hidden, int(y.max()) + 1), key=key)

    settings = {"rule": pz.GradientDescent("adam", 1e-2), "epochs": 10, "batch_size": 8}
    assert isinstance(pz.fit(make, X, Y, hidden=8, **settings).model, RecurrentNetwork)
    assert pz.cross_validate(make, X, Y, folds=3, **settings).mean > 0.6
    with pytest.raises(TypeError, match="a model, which `Trainer.fit` trains"):
        pz.fit(make(X, Y, key=KEY), X, Y)


def test_what_is_not_known_is_no_answer(unchecked):
    model = RecurrentNetwork.layered(SIZES, key=0)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="`x` has 1 values that are NaN or infinite"):
            model.predict(np.where(np.eye(6) * np.arange(6) == 2, value, 1.0))
    broken = eqx.tree_at(
        lambda m: m.layers[1, 1].synapses.synapses.matrix,
        model,
        replace_fn=lambda a: a.at[0, 1].set(jnp.nan),
    )
    with pytest.raises(ValueError, match="parameters that are NaN or infinite"):
        broken.predict(X)
    with pytest.raises(ValueError, match="exceeds the range"):
        model.predict(np.full((2, 6), 3e38, np.float32))
    assert (
        jax.jit(model.predict)(jnp.asarray([[jnp.nan] * 6, [1.0] * 6])) == jnp.array([-1, 0])
    ).tolist()[0]
    assert np.isnan(model(jnp.asarray([[jnp.nan] * 6]))).all()
    with pytest.raises(ValueError, match=r"`x` must have shape \(n, 6\)"):
        model.predict(X[:, :4])
    with pytest.raises(ValueError, match="class 3"):
        model.settling(X, Y + 1)


def test_settling_is_reported():
    model = RecurrentNetwork.layered(SIZES, key=0)
    how = model.settling(X)
    assert how.flips.shape == (10,) and float(how.flips[0]) == 1.0
    np.testing.assert_array_equal(how.states[1], model.transform(X))
    assert bool(how.settled.all()) and 1 <= int(how.steps.min()) <= int(how.steps.max()) < 10
    assert repr(how).startswith("Settling(100.0% of 21 samples at rest, after ")
    clamped = model.settling(X, Y)
    assert clamped.flips.shape == (20,)
    np.testing.assert_array_equal(clamped.states[2], code(Y))
    # Units without self-coupling that push each other turn for ever.
    edges = {
        (1, 0): Edge(Frozen(Dense(np.zeros((6, 2))))),
        (1, 1): Edge(Recurrent(Dense([[0.0, -1.0], [1.0, 0.0]], "hollow"), 0.0), Perceptron()),
        (2, 1): Edge(Dense.normal(2, 3, key=KEY), Perceptron()),
    }
    restless = RecurrentNetwork(LayerMap([Linear(6), Binary(2), Linear(3)], edges)).settling(X)
    assert not restless.settled.any() and float(restless.flips[-1]) == 0.5


def test_a_contrast_is_the_difference_of_two_phases():
    model = contrastive()
    x, y = jnp.asarray(X), jnp.asarray(Y)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m: jnp.mean(m.losses(x, y))))(model)
    layers, zero = model.layers, [X.astype(float), np.zeros((N, 8)), np.zeros((N, 3))]
    free = by_hand_binary(layers, [*zero[:2], code(Y)], 6, (1, 2))
    clamped = by_hand_binary(layers, [*free[:2], code(Y)], 6, (1,))
    for (i, j), scale in (((1, 0), 6**0.5), ((2, 1), 8**0.5)):
        expected = (free[j].T @ free[i] - clamped[j].T @ clamped[i]) / N / scale
        np.testing.assert_allclose(
            gradient.layers[i, j].synapses.matrix, expected, rtol=1e-5, atol=1e-6
        )


def by_hand_binary(layers, state, steps, moving):
    state = [s.copy() for s in state]
    for _ in range(steps):
        for i in moving:
            state[i] = np.where(field(layers, i, state, "all") >= 0, 1.0, -1.0)
    return state


# Composition with the zoo.


@pytest.mark.parametrize(
    "loss",
    [pz.losses.GLVQ(), pytest.param(pz.losses.RSLVQ(2.0), marks=pytest.mark.nightly)],
    ids=["GLVQ", "RSLVQ"],
)
def test_prototypes_read_what_a_network_settles_in(loss):
    trained = (
        pz.Trainer(pz.GradientDescent("adam", 1e-2), 5)
        .fit(RecurrentNetwork.layered(SIZES, key=0), X, Y, key=KEY)
        .model
    )
    encoder = trained.encoder()
    np.testing.assert_array_equal(jax.vmap(encoder)(jnp.asarray(X)), trained.transform(X))
    prototypes = pz.Prototypes.from_classes(trained.transform(X), Y, 2, key=KEY)
    model = pz.PrototypeModel(prototypes, pz.metrics.SquaredEuclidean(), loss, encoder)
    testing.check_model(model, X, Y)
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), 4, batch_size=8)
    frozen = dataclasses.replace(trainer, freeze="encoder").fit(model, X, Y, key=KEY).model
    assert eqx.tree_equal(frozen.encoder, encoder) and not eqx.tree_equal(
        frozen.prototypes, prototypes
    )
    both = trainer.fit(model, X, Y, key=KEY).model
    assert not eqx.tree_equal(both.encoder, encoder) and not eqx.tree_equal(
        both.prototypes, prototypes
    )
    # What is learned in the same fit: each by its own loss alone.
    x, y, weight = jnp.asarray(X), jnp.asarray(Y), jnp.linspace(0.5, 1.5, N) / N

    def slope(function, of):
        return eqx.filter_jit(eqx.filter_grad(function))(of)

    gradient = slope(lambda m: m.loss_of(x, y, weight), model)
    own = slope(lambda e: jnp.sum(weight * jax.vmap(e.with_loss)(x)[1]), encoder)
    of_prototypes = slope(
        lambda m: m.loss_of(jax.vmap(encoder)(x), y, weight, already_encoded=True), model
    )
    close(gradient.encoder, own)
    close(gradient.prototypes, of_prototypes.prototypes)
    again = (
        pz.Trainer(pz.GradientDescent("adam", 1e-2), 4, batch_size=8, rematerialise=True)
        .fit(model, X, Y, key=KEY)
        .model
    )
    close(again.encoder, both.encoder)
    siamese = pz.PrototypeModel(
        pz.Prototypes.from_classes(X, Y, key=0),
        model.metric,
        loss,
        encoder,
        encode_prototypes=True,
    )
    with pytest.raises(
        ValueError, match="`encode_prototypes`: no derivative leads through Settled"
    ):
        trainer.fit(siamese, X, Y, key=KEY)


# Maps.


def test_a_map_is_a_mapping_and_a_table():
    layers = zoo()
    assert list(layers)[:3] == [(1, 0), (1, 1), (1, 2)] and len(layers) == 8
    assert layers.senders(1, "forward") == [0, 1] and layers.senders(1, "backward") == [1, 2]
    assert layers.senders(2) == [0, 1, 2, 3] and layers.senders(3, "backward") == []
    rows = str(layers).splitlines()
    assert len(rows) == 5 and rows[0].split() == [
        "from",
        "0",
        "from",
        "1",
        "from",
        "2",
        "from",
        "3",
        "units",
    ]
    assert (
        "Recurrent Sparse: Perceptron" in rows[3]
        and "Frozen Standardised Dense" in rows[3]
        and rows[3].endswith("Binary(8)")
    )
    assert list(layers.first(3)) == [pair for pair in layers if max(pair) < 3]
    with pytest.raises(KeyError, match=r"no edge \(1, 3\)"):
        layers[1, 3]
    pz.plots.layer_map(layers)
    pz.plots.settling(network().settling(X))


@pytest.mark.nightly  # every build of the documentation runs it, without checks of shapes
def test_the_page_about_networks_runs(capsys):
    run(ROOT / "docs" / "networks.md")
    assert "accuracy 0.9" in capsys.readouterr().out


def edge(senders: int, receivers: int) -> Edge:
    return Edge(Dense(np.ones((senders, receivers))), Perceptron())


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (
            {(1, 0): edge(6, 7), (2, 1): edge(8, 3)},
            r"edge \(1, 0\): Dense leads to 7 units, but layer 1 has 8",
        ),
        (
            {(1, 0): edge(5, 8), (2, 1): edge(8, 3)},
            r"edge \(1, 0\): Dense leads from 5 units, but layer 0 has 6",
        ),
        ({(1, 0): edge(6, 8)}, r"layer 2 receives nothing: give it an edge \(2, 1\)"),
        (
            {(1, 0): edge(6, 8), (2, 1): edge(8, 3), (0, 1): edge(8, 6)},
            r"edge \(0, 1\) leads to the input",
        ),
        (
            {(1, 0): edge(6, 8), (2, 1): edge(8, 3), (3, 1): edge(8, 3)},
            r"edge \(3, 1\) asks for layer 3",
        ),
        (
            {(1, 0): Edge(Dense(np.ones((6, 8))), Perceptron(np.ones(3))), (2, 1): edge(8, 3)},
            r"edge \(1, 0\) does not fit",
        ),
        ({(1, 0): edge(6, 8), "a": edge(8, 3)}, "mapping from .receiver, sender."),
        (
            {(1, 0): edge(6, 8), (2, 1): Dense(np.ones((8, 3)))},
            r"edge \(2, 1\) must be an `Edge`, got Dense",
        ),
    ],
)
def test_a_map_that_does_not_fit_names_the_edge(edges, message, unchecked):
    with pytest.raises((ValueError, TypeError), match=message):
        LayerMap([Linear(6), Binary(8), Linear(3)], edges)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Edge(Dense(np.ones((2, 2)))), "`loss` is missing: Dense can learn"),
        (lambda: Edge(Frozen(Dense(np.ones((2, 2)))), Perceptron()), "nothing in Frozen learns"),
        (lambda: Recurrent(Dense(np.ones((2, 2)))), "`synapses` must be hollow"),
        (lambda: Recurrent(Dense(np.ones((2, 3)))), "from a layer to itself"),
        (
            lambda: Recurrent(Dense(np.zeros((2, 2)), "hollow"), np.ones(3)),
            "one for each of the 2 units",
        ),
        (lambda: Dense(np.ones((2, 2)), "hollow"), "zero diagonal"),
        (lambda: Dense([[0.0, 1.0], [2.0, 0.0]], "symmetric"), "not symmetric"),
        (lambda: Dense.normal(2, 3, kind="hollow", key=0), "as many as senders"),
        (lambda: Sparse.normal(20, 20, 0.99, key=0), "leaves a unit without"),
        (lambda: Sparse.normal(20, 20, 1.0, key=0), "below 1"),
        (lambda: Sparse(np.ones((2, 2)), [[0, 1], [0, 0]], 3), "names a unit twice"),
        (lambda: Sparse(np.ones((1, 2)), [[0, 3]], 3), "numbers of units below `size`, 3"),
        (
            lambda: Phase(3, "left"),
            "`messages` must be 'all' or 'forward' or 'backward', got 'left'",
        ),
        (lambda: Phase(-1), "`steps` must not be negative"),
        (lambda: Phase(1, "all", (2, 1)), "ascending order"),
        (lambda: network(training=(Phase(4),)), "no phase that learns"),
        (lambda: network(training=(Phase(4, "backward", learns=1),)), r"edge \(1, 0\) has a loss"),
        (
            lambda: network(inference=(Phase(4, "all", (4,)),)),
            r"`inference\[0\]`: there is no layer 4",
        ),
        (
            lambda: network(inference=(Phase(4, "backward", (3,)),)),
            "no message of kind 'backward' reaches it",
        ),
        (
            lambda: Settled(zoo().first(3), [Phase(2, "all", (1,), learns=1)]),
            "never move the last layer",
        ),
        (lambda: RecurrentNetwork.layered((4, 2), key=0), "three numbers at least"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message, unchecked):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.nightly
def test_the_tutorial_is_learned():
    """Ten codes of 100 bits, 30 % of them flipped; 1,000 samples, three epochs, other noise held
    out; eight networks."""
    scores = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        codes, y = rng.choice([-1.0, 1.0], (10, 100)), np.arange(6000) % 10
        x = np.where(rng.random((6000, 100)) < 0.3, -codes[y], codes[y]).astype(np.float32)
        model = RecurrentNetwork.layered((100, 256, 10), key=seed)
        trainer = pz.Trainer(pz.GradientDescent("adam", 5e-3), 3, batch_size=16)
        alone = dataclasses.replace(trainer, freeze=lambda m: (m.layers[1, 0], m.layers[1, 1]))
        fits = [t.fit(model, x[:1000], y[:1000], key=seed).model for t in (trainer, alone)]
        scores.append(
            [
                np.mean(np.asarray(m.predict(part)) == y[at])
                for m in fits
                for part, at in ((x[:1000], slice(1000)), (x[1000:], slice(1000, None)))
            ]
        )
    train, held_out, _, readout = np.mean(scores, axis=0)
    assert train >= 0.965 and held_out >= 0.95 and readout < held_out - 0.04
