"""Prototypes that learn with their neighbours: lattices, self-organising maps, and what they are
worth."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from maps import growing, rings, som
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_iris
from zoo import blobs, matrices

import protozoo as pz
from protozoo.cooperation import Lattice, LatticeCooperation


LATTICES = [
    Lattice((7,)),
    Lattice((7,), toroidal=True),
    Lattice((3, 4)),
    Lattice((3, 4), toroidal=True),
    Lattice((3, 4), "hexagonal"),
    Lattice((4, 5), "hexagonal", toroidal=True),
    Lattice((2, 3, 4)),
    Lattice((3, 4, 3), "hexagonal", toroidal=True),
    Lattice((1, 1)),
]


def iris() -> np.ndarray:
    return load_iris().data.astype(np.float32)


def squares(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    return ((x[:, None].astype(float) - points[None]) ** 2).sum(-1)


def one_step(model: pz.PrototypeModel, x: np.ndarray, **settings) -> np.ndarray:
    trainer = pz.Trainer(pz.AlternatingOptimization(), 1, **settings)
    return np.asarray(trainer.fit(model, x, key=0).model.prototypes.points)


# Lattices.


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_lattice_distances_are_those_of_their_places(lattice):
    at, squared = lattice.coordinates, lattice.squared_distances
    assert at.shape == (lattice.size, len(lattice.shape)) and squared.shape == (
        lattice.size,
        lattice.size,
    )
    np.testing.assert_array_equal(squared, squared.T)
    np.testing.assert_array_equal(np.diag(squared), 0)
    plain = ((at[:, None] - at[None]) ** 2).sum(-1)
    if not lattice.toroidal:
        np.testing.assert_allclose(squared, plain, atol=1e-12)
        return
    assert (squared <= plain + 1e-12).all()
    # On a torus no place is special: all see the same distances.
    rows = np.sort(squared, axis=1)
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))


def test_hexagons_have_six_neighbours_and_squares_four():
    def neighbours(lattice: Lattice) -> np.ndarray:
        return np.bincount(lattice.edges.ravel(), minlength=lattice.size)

    assert (neighbours(Lattice((4, 5), "hexagonal", toroidal=True)) == 6).all()
    assert (neighbours(Lattice((4, 5), toroidal=True)) == 4).all()
    assert neighbours(Lattice((5, 5), "hexagonal"))[12] == 6
    assert neighbours(Lattice((3, 3, 3)))[13] == 6
    assert neighbours(Lattice((3, 4, 3), "hexagonal"))[18:].max() == 8
    assert Lattice((1, 1)).edges.shape == (0, 2)
    assert len(Lattice((2,), toroidal=True).edges) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 0),), "`shape` must be a positive integer"),
        (((2, 2, 2, 2),), "`shape` must have one, two or three axes"),
        (((5,), "hexagonal"), "`kind`: hexagons need two axes.*a chain is 'rectangular'"),
        (((3, 3), "hexagonal", True), "`toroidal`: 3 rows of hexagons do not close.*make it even"),
        (((3, 3), "round"), "`kind` must be"),
    ],
)
def test_lattices_that_there_are_not_are_refused(arguments, message, unchecked):
    with pytest.raises((ValueError, TypeError), match=message):
        Lattice(*arguments)


def test_a_lattice_has_a_place_for_each_prototype(unchecked):
    with pytest.raises(
        ValueError,
        match=r"`loss`.*`lattice` of shape \(2, 2\) has 4 places, and 3 prototypes cooperate",
    ):
        som(np.eye(3), LatticeCooperation(Lattice((2, 2)), 1.0))


# Cooperation.


@pytest.mark.parametrize("smoothed", [False, True])
@pytest.mark.parametrize("kernel", ["gaussian", "bubble"])
def test_the_limits_of_the_neighbourhood_are_the_winner_and_equal_shares(kernel, smoothed):
    group = jax.random.uniform(jax.random.key(0), (2, 6, 40))

    def shares(width: float) -> np.ndarray:
        cooperation = LatticeCooperation(Lattice((2, 3)), width, kernel, smoothed)
        return np.exp(cooperation.log_weights(group, 1.0))

    np.testing.assert_array_equal(shares(1e-3), np.exp(pz.WinnerTakesAll().log_weights(group, 1.0)))
    np.testing.assert_allclose(shares(1e4), 1 / 6 if smoothed else 1, rtol=1e-6)
    if smoothed:
        np.testing.assert_allclose(shares(0.7).sum(axis=-2), 1, rtol=1e-6)


@pytest.mark.parametrize("lattice", LATTICES[:8], ids=str)
@pytest.mark.parametrize("smoothed", [False, True])
def test_the_winner_of_prediction_is_that_of_training(lattice, smoothed):
    x = np.asarray(jax.random.normal(jax.random.key(0), (200, 3)))
    cooperation = LatticeCooperation(lattice, pz.Exponential(3.0, 0.6), smoothed=smoothed)
    model = som(x[: lattice.size], cooperation)
    shares = cooperation.log_weights(model.distances(x).T, 1.0)
    kernel = np.exp(-lattice.squared_distances / (2 * 0.6**2))
    kernel /= kernel.sum(axis=0) if smoothed else 1
    winner = np.asarray(model.predict(x))
    np.testing.assert_allclose(np.exp(shares), kernel[:, winner], rtol=1e-4)
    delta = squares(x, x[: lattice.size])
    expected = (delta @ kernel if smoothed else delta).argmin(axis=1)
    np.testing.assert_array_equal(winner, expected)


def test_the_batch_map_is_the_textbooks(x64):
    x, points = iris().astype(float), iris()[:12].astype(float)
    lattice = Lattice((3, 4), "hexagonal")
    kernel = np.exp(-lattice.squared_distances / (2 * 1.3**2))
    for smoothed in (False, True):
        h = kernel / kernel.sum(axis=0) if smoothed else kernel
        delta = squares(x, points)
        shares = h[:, (delta @ h if smoothed else delta).argmin(axis=1)]
        expected = shares @ x / shares.sum(axis=1, keepdims=True)
        found = one_step(som(points, LatticeCooperation(lattice, 1.3, smoothed=smoothed)), x)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_the_derivative_of_the_kernel_is_in_the_update(x64):
    """By the chain rule: far samples pull less, also where a kernel changes no rank."""
    x = np.random.default_rng(0).normal(size=(150, 4))
    points, width, lattice = x[:12], 1.5, Lattice((3, 4))
    metric = pz.metrics.GaussianKernel.with_bandwidths(pz.metrics.SquaredEuclidean(), width)
    delta = squares(x, points)
    pull = np.exp(-delta / (2 * width**2)).T
    ranks = delta.argsort(axis=1).argsort(axis=1).T
    lattices = np.exp(-lattice.squared_distances / 2)[:, delta.argmin(axis=1)]
    for shares, cooperation in (
        (lattices, LatticeCooperation(lattice, 1.0)),
        (np.exp(-ranks / 2.0), pz.RankCooperation(2.0)),
    ):
        expected = (shares * pull) @ x / (shares * pull).sum(axis=1, keepdims=True)
        found = one_step(som(points, cooperation, metric), x, freeze="metric")
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert np.abs(found - shares @ x / shares.sum(axis=1, keepdims=True)).max() > 0.1


def test_the_objective_of_a_smoothed_map_never_increases(x64):
    """Of 200 random problems, each with a width of its own."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 30, 2)) * rng.uniform(0.1, 10, size=(200, 1, 2)) + rng.normal(
        size=(200, 1, 2)
    )
    rule, objective, lattice = (
        pz.AlternatingOptimization(),
        pz.training.Objective(),
        Lattice((2, 3), "hexagonal"),
    )

    @eqx.filter_vmap
    def losses(x: jax.Array, width: jax.Array) -> jax.Array:
        model = som(x[:6], LatticeCooperation(lattice, width, smoothed=True))
        params, rest = eqx.partition(model, pz.training.trainable_mask(model))
        batch = pz.training.Batch(x, None, jnp.full(len(x), 1 / len(x)), False)

        def step(params, _):
            params, _, value = rule.step(
                params, rest, None, batch, objective, 1.0, key=jax.random.key(0)
            )
            return params, value

        return jax.lax.scan(step, params, length=15)[1]

    found = np.asarray(losses(jnp.asarray(x), jnp.asarray(rng.uniform(0.2, 2, size=200))))
    assert found.shape == (200, 15)
    assert (np.diff(found, axis=1) <= 1e-12 * found[:, :1]).all()
    assert (found[:, -1] < found[:, 0]).all()


def test_the_online_map_is_minisoms():
    minisom = pytest.importorskip("minisom")
    x, steps = blobs()[0], 240

    # Of its schedules, those that end at a definite number; its progress never quite gets to one.
    last = (steps - 1) / steps
    for kind in ("rectangular", "hexagonal"):
        other = minisom.MiniSom(
            *(4, 3, x.shape[1]),  # columns come first there
            sigma=2.0,
            learning_rate=0.5,
            decay_function="linear_decay_to_zero",
            sigma_decay_function="linear_decay_to_one",
            topology=kind,
        )
        other._weights = x[:12].reshape(3, 4, -1).swapaxes(0, 1).astype(float)
        other.train(x, steps)
        cooperation = LatticeCooperation(Lattice((3, 4), kind), pz.Linear(2.0, 2.0 - last))
        trainer = pz.Trainer(pz.GradientDescent("sgd", pz.Linear(0.25, 0.25 * (1 - last))), steps)
        state = trainer.init(som(x[:12], cooperation))
        for i in range(steps):
            state, _ = trainer.step(state, x[i % len(x)][None])
        expected = other.get_weights().swapaxes(0, 1).reshape(12, -1)
        np.testing.assert_allclose(state.model.prototypes.points, expected, rtol=1e-4, atol=1e-5)


# Rows.


def test_a_map_starts_in_the_principal_plane():
    """Spread like the data: with their mean and, along each axis of the lattice, their variance; in
    any unit."""
    x = iris()
    model = pz.zoo.KohonenSOM(x, key=0, grid=(4, 7), topology="rectangular")
    points = np.asarray(model.prototypes.points, float)
    np.testing.assert_allclose(points.mean(axis=0), x.mean(axis=0), rtol=1e-5)
    deviations = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / len(points) ** 0.5
    expected = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) / len(x) ** 0.5
    np.testing.assert_allclose(deviations, [*expected[:2], 0, 0], rtol=1e-4, atol=1e-5)
    along = points.reshape(4, 7, 4)
    # The longer axis, the larger variance.
    assert np.ptp(along[0], axis=0).max() > np.ptp(along[:, 0], axis=0).max()
    scaled = pz.zoo.KohonenSOM(
        1024 * x, key=0, grid=(4, 7), topology="rectangular"
    ).prototypes.points
    np.testing.assert_allclose(scaled, 1024 * points, rtol=1e-4)
    line = pz.zoo.KohonenSOM(x[:, :1], key=0, grid=(4, 7))  # there is no second direction
    assert np.isfinite(line.prototypes.points).all()
    curved = pz.zoo.RiemannianSOM(matrices()[0], key=0, grid=(5, 3))
    assert len(np.unique(np.round(np.asarray(curved.prototypes.points), 4), axis=0)) == 15


def test_maps_use_their_units():
    """The textbook's kernel, which is not normalised, leaves three units of 36 to the smoothed
    map."""
    for name in ("HeskesSOM", "KohonenSOM"):
        fit = pz.fit(name, iris(), key=0, grid=(6, 6))
        assert len(np.unique(fit.model.predict(iris()))) >= 15


def test_batch_neural_gas_quantises_as_well_as_k_means():
    x = iris()
    gas = pz.fit("NeuralGas", x, key=0, prototypes=20).model
    means = min(float(pz.fit("HCM", x, key=k, prototypes=20).history["loss"][-1]) for k in range(5))
    assert float(gas.distances(x).min(axis=1).mean()) <= 1.05 * means


# A graph that grows.


def fritzke(x, points, step, share, interval, max_age, split, decay, capacity):
    """The paper's algorithm, node by node."""
    nodes = {k: points[k].copy() for k in range(2)}
    errors, edges, since = {0: 0.0, 1: 0.0}, {}, 0
    for sample in x:
        order = sorted(nodes, key=lambda k: ((sample - nodes[k]) ** 2).sum())
        first, second = order[:2]
        for edge in edges:
            edges[edge] += first in edge
        errors[first] += ((sample - nodes[first]) ** 2).sum()
        neighbours = [k for edge in edges if first in edge for k in edge if k != first]
        nodes[first] = nodes[first] + step * (sample - nodes[first])
        for k in neighbours:
            nodes[k] = nodes[k] + step * share * (sample - nodes[k])
        edges[frozenset((first, second))] = 0
        edges = {edge: age for edge, age in edges.items() if age <= max_age}
        for k in [k for k in nodes if not any(k in edge for edge in edges)]:
            del nodes[k], errors[k]
        since += 1
        if since == interval:
            since = 0
            if len(nodes) < capacity:
                worst = max(nodes, key=errors.__getitem__)
                near = [k for edge in edges if worst in edge for k in edge if k != worst]
                other, new = max(near, key=errors.__getitem__), max(nodes) + 1
                nodes[new] = (nodes[worst] + nodes[other]) / 2
                del edges[frozenset((worst, other))]
                edges |= {frozenset((worst, new)): 0, frozenset((new, other)): 0}
                errors[worst], errors[other] = split * errors[worst], split * errors[other]
                errors[new] = errors[worst]
        errors = {k: decay * error for k, error in errors.items()}
    return nodes, errors, edges


@pytest.mark.parametrize("max_age", [50, 2])
def test_the_graph_grows_as_in_the_paper(max_age, x64):
    x = np.random.default_rng(0).normal(size=(400, 2))
    model, rule = growing(x), pz.training.GrowingGraph(0.2, 20, max_age, 0.5, 0.995)
    params, rest = eqx.partition(model, pz.training.trainable_mask(model, buffers=True))
    batch = pz.training.Batch(jnp.asarray(x), None, jnp.full(len(x), 1 / len(x)), False)
    state, key = rule.init(params, pz.training.Objective()), jax.random.key(3)
    params, _, _ = jax.jit(
        lambda p: rule.step(p, rest, state, batch, pz.training.Objective(), 0.0, key=key)
    )(params)
    found = pz.topology.compacted(eqx.combine(params, rest))
    order = np.asarray(jax.random.permutation(key, len(x)))
    nodes, errors, edges = fritzke(x[order], x, 0.2, 0.1, 20, max_age, 0.5, 0.995, 12)
    assert len(nodes) == len(found.prototypes)
    assert max_age > 2 or list(nodes) != list(range(len(nodes)))  # some have died

    def in_order(points: np.ndarray) -> np.ndarray:
        return np.lexsort(np.round(points, 8).T)

    expected = np.stack(list(nodes.values()))
    mine, theirs = in_order(np.asarray(found.prototypes.points)), in_order(expected)
    np.testing.assert_allclose(found.prototypes.points[mine], expected[theirs], rtol=1e-10)
    graph = found.loss.cooperation
    np.testing.assert_allclose(
        graph.errors[mine], np.array(list(errors.values()))[theirs], rtol=1e-8
    )
    names = list(nodes)
    ages = np.full((len(names), len(names)), -1)
    for (one, other), age in ((tuple(edge), age) for edge, age in edges.items()):
        i, j = names.index(one), names.index(other)
        ages[i, j] = ages[j, i] = age
    np.testing.assert_array_equal(graph.ages[mine][:, mine], ages[theirs][:, theirs])


def test_two_rings_are_two_components():
    x = rings()
    fit = pz.fit("GrowingNeuralGas", x, key=0, epochs=30, capacity=50)
    model = pz.topology.compacted(fit.model)
    graph = pz.topology.graph(model)
    count, component = connected_components(graph)
    assert count == 2
    np.testing.assert_array_equal(
        component[pz.topology.winners(model, x)] == component[model.predict(x)[0]], radii(x, model)
    )
    assert (graph != graph.T).nnz == 0 and graph.diagonal().sum() == 0
    assert graph.sum(axis=1).min() >= 1  # who has no edge is removed
    # Those that are not alive win nothing, neither before they are left out nor afterwards.
    np.testing.assert_array_equal(fit.model.predict(x), model.predict(x))
    np.testing.assert_allclose(
        fit.model.win_ratios(x)[: len(model.prototypes)], model.win_ratios(x)
    )
    assert fit.history["loss"][-1] < 0.05 * fit.history["loss"][0]


def radii(x: np.ndarray, model: pz.PrototypeModel) -> np.ndarray:
    """Which samples are in the ring of the first one."""
    outer = np.linalg.norm(x, axis=1) > 2
    return outer == outer[0]


def test_a_graph_grows_in_every_space_and_in_batches():
    x, _ = matrices()
    space = pz.manifolds.SPD(3)
    model = growing(x, space=space)
    trainer = pz.Trainer(pz.training.GrowingGraph(0.1, 20), 6, batch_size=25)
    fit = trainer.fit(model, x, key=0)
    grown = pz.topology.compacted(fit.model)
    assert len(grown.prototypes) > 6 and space.violation(grown.prototypes.points) is None
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    # A kernel that is wide pulls like none.
    x = rings()
    kernel = pz.metrics.GaussianKernel.with_bandwidths(pz.metrics.SquaredEuclidean(), 1e3)
    points = [
        pz.Trainer(pz.training.GrowingGraph(), 2, freeze="metric")
        .fit(growing(x, metric=metric), x, key=0)
        .model
        for metric in (pz.metrics.SquaredEuclidean(), kernel)
    ]
    np.testing.assert_allclose(*(model.prototypes.points for model in points), rtol=1e-2, atol=1e-2)


def test_what_cannot_grow_is_refused(unchecked):
    x, rule = rings(), pz.training.GrowingGraph()
    with pytest.raises(ValueError, match=r"needs the loss `Cooperative\(GraphCooperation"):
        pz.Trainer(rule, 1).fit(pz.zoo.HCM(x, key=0), x, key=0)
    kernel = pz.metrics.GaussianKernel.with_bandwidths(pz.metrics.SquaredEuclidean(), 1.0)
    with pytest.raises(ValueError, match="freeze the metric"):
        pz.Trainer(rule, 1).fit(growing(x, metric=kernel), x, key=0)
    local = pz.metrics.LocalOmega.identity(12, 2)
    with pytest.raises(ValueError, match="`metric`: LocalOmega has parameters of each prototype"):
        pz.Trainer(rule, 1, freeze="metric").fit(growing(x, metric=local), x, key=0)
    with pytest.raises(ValueError, match="`capacity` must be at least 2"):
        pz.zoo.GrowingNeuralGas(x, key=0, capacity=1)
    with pytest.raises(ValueError, match="`edges` must join two of the members 0…2"):
        pz.cooperation.GraphCooperation.of_edges([[0, 3]], 3)


def test_a_graph_that_is_given_shares():
    """The winner and its neighbours; alternating optimisation moves them together."""
    graph = pz.cooperation.GraphCooperation.of_edges([[0, 1], [1, 2]], 4, share=0.5)
    delta = jnp.asarray([[0.1, 1.0, 2.0, 3.0], [3.0, 0.5, 1.0, 2.0], [5.0, 4.0, 3.0, 1.0]])
    shares = np.exp(graph.log_weights(delta.T, 1.0)).T
    np.testing.assert_allclose(shares, [[1, 0.5, 0, 0], [0.5, 1, 0.5, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(graph.edges, [[0, 1], [1, 2]])
