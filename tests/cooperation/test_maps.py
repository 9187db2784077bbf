"""What maps tell, in numbers and in pictures."""

import jax
import numpy as np
import pytest
from maps import growing, rings, som
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Ellipse
from scipy.stats import chi2
from sklearn.datasets import load_iris
from sklearn.manifold import trustworthiness
from zoo import blobs, matrices

import protozoo as pz
from protozoo import plots, topology
from protozoo.cooperation import Lattice, LatticeCooperation


def mapped(
    points: np.ndarray, shape: tuple[int, ...], kind: str = "rectangular", **options
) -> pz.PrototypeModel:
    return som(
        np.asarray(points, np.float32), LatticeCooperation(Lattice(shape, kind), 0.3, **options)
    )


def sheet(rows: int, columns: int) -> np.ndarray:
    """A plane without folds."""
    return (
        np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
        .reshape(-1, 2)
        .astype(float)
    )


@pytest.fixture(scope="module")
def iris() -> tuple[pz.PrototypeModel, np.ndarray, np.ndarray]:
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    return pz.fit("HeskesSOM", x, key=0, grid=(4, 3)).model, x, y


# Numbers.


def test_who_wins_is_what_the_model_predicts(iris):
    model, x, y = iris
    winner = topology.winners(model, x)
    np.testing.assert_array_equal(winner, model.predict(x))
    hits = topology.hits(model, x)
    np.testing.assert_array_equal(hits, np.bincount(winner, minlength=12))
    np.testing.assert_allclose(topology.hits(model, x, 2 * np.ones(150)), 2 * hits)
    assert topology.units_in_use(model, x) == (hits > 0).sum()
    delta = np.asarray(model.distances(x))
    np.testing.assert_allclose(
        topology.quantisation_error(model, x), delta[np.arange(150), winner].mean(), rtol=1e-5
    )
    assert topology.quantisation_error(model, x, (winner == 0) + 1e-9) < delta[winner == 0].max()
    # Another decision changes what is predicted, not who wins.
    votes = pz.PrototypeModel(
        *(getattr(model, n) for n in ("prototypes", "metric", "loss")), decision=pz.losses.Fuzzy()
    )
    np.testing.assert_array_equal(topology.winners(votes, x), winner)


def test_label_maps_are_majorities():
    model = mapped([[0, 0], [0, 1], [9, 9], [50, 50]], (2, 2))
    x = np.array([[0, 0], [0, 0.1], [0, -0.1], [0, 1], [9, 9], [9, 9.1]])
    found = topology.label_map(model, x, [0, 0, 2, 1, 1, 1])
    np.testing.assert_array_equal(found.labels, [0, 1, 1, -1])
    np.testing.assert_allclose(found.purity, [2 / 3, 1, 1, 0])
    np.testing.assert_allclose(found.total_purity, 5 / 6)
    weighted = topology.label_map(model, x, [0, 0, 2, 1, 1, 1], np.array([1, 1, 4, 1, 1, 1]))
    np.testing.assert_array_equal(weighted.labels, [2, 1, 1, -1])


@pytest.mark.parametrize("kind", ["rectangular", "hexagonal"])
def test_a_sheet_without_folds_has_no_topographic_error(kind):
    lattice = Lattice((5, 6), kind)
    model, rng = mapped(lattice.coordinates, (5, 6), kind), np.random.default_rng(0)
    x = lattice.coordinates[rng.integers(30, size=200)] + 0.2 * rng.normal(size=(200, 2)).clip(
        -1, 1
    )
    assert topology.topographic_error(model, x) == 0
    np.testing.assert_allclose(topology.topographic_product(model), 0, atol=1e-6)
    shuffled = model.select(rng.permutation(30))
    two = np.asarray(shuffled.distances(x)).argsort(axis=1, kind="stable")[:, :2]
    apart = lattice.squared_distances[tuple(two.T)] > 1
    np.testing.assert_allclose(topology.topographic_error(shuffled, x), apart.mean(), atol=1e-9)


def test_the_topographic_product_is_the_papers():
    lattice, points = Lattice((3, 4), "hexagonal"), np.random.default_rng(0).normal(size=(12, 3))
    in_space, total = np.linalg.norm(points[:, None] - points, axis=-1), 0.0
    on_lattice = lattice.squared_distances**0.5
    for j in range(12):
        others = [k for k in range(12) if k != j]
        by_space = sorted(others, key=lambda k: in_space[j, k])
        by_lattice = sorted(others, key=lambda k: (on_lattice[j, k], in_space[j, k]))
        for k in range(1, 12):
            product = 1.0
            for a, v in zip(by_lattice[:k], by_space[:k], strict=True):
                product *= in_space[j, a] / in_space[j, v] * on_lattice[j, a] / on_lattice[j, v]
            total += np.log(product ** (1 / (2 * k)))
    found = topology.topographic_product(mapped(points, (3, 4), "hexagonal"))
    np.testing.assert_allclose(found, total / (12 * 11), rtol=1e-4)


@pytest.mark.parametrize("kind", ["rectangular", "hexagonal"])
def test_trustworthiness_is_the_mean_over_all_orders_of_equally_near_samples(kind):
    rng = np.random.default_rng(0)
    points, x = rng.normal(size=(12, 3)), rng.normal(size=(40, 3)).astype(np.float32)
    model = mapped(points, (3, 4), kind)
    places = Lattice((3, 4), kind).coordinates[topology.winners(model, x)]
    # Shifts that are too small to change anything but the order of equals.
    orders = [
        trustworthiness(x, places + 1e-6 * rng.normal(size=places.shape), n_neighbors=5)
        for _ in range(300)
    ]
    found, error = topology.trustworthiness(model, x, 5), np.std(orders) / np.sqrt(len(orders))
    np.testing.assert_allclose(found, np.mean(orders), atol=4 * error)
    assert 4 * error < 0.01
    # Ranks are the same in every unit.
    small = np.float32(2.0**-60)
    assert topology.trustworthiness(mapped(points * small, (3, 4), kind), x * small, 5) == found


def test_a_sheet_without_folds_can_be_trusted():
    plane = sheet(4, 5)
    shuffled = mapped(plane[np.random.default_rng(0).permutation(20)], (4, 5))
    assert topology.trustworthiness(mapped(plane, (4, 5)), plane, 6) == 1
    assert topology.trustworthiness(shuffled, plane, 6) < 0.8
    with pytest.raises(ValueError, match="`neighbours` must be less than half of the 20 samples"):
        topology.trustworthiness(shuffled, plane, 10)


def test_the_topographic_product_tells_dimensions():
    """A chain in a plane folds, a plane on a line has a dimension too many."""
    sheet = np.random.default_rng(0).uniform(size=(400, 2)).astype(np.float32)
    chain = pz.fit("KohonenSOM", sheet, key=0, grid=(36,), topology="rectangular").model
    plane = pz.fit("KohonenSOM", sheet, key=0, grid=(6, 6)).model
    line = np.stack([sheet[:, 0], 0.001 * sheet[:, 1]], axis=1)
    flat = pz.fit("KohonenSOM", line, key=0, grid=(6, 6), initialiser="samples").model
    products = [topology.topographic_product(model) for model in (chain, plane, flat)]
    assert products[0] < -0.01 and abs(products[1]) < 0.01 < products[2]


def test_neighbours_as_edges_and_as_a_matrix(iris):
    model, x, _ = iris
    edges, graph = topology.edges(model), topology.graph(model)
    np.testing.assert_array_equal(edges, topology.lattice_of(model).edges)
    assert graph.nnz == 2 * len(edges) and (graph != graph.T).nnz == 0
    apart = np.asarray(model.metric.squared(model.prototypes.points, model.prototypes)) ** 0.5
    expected = graph.multiply(apart).sum(axis=1) / graph.sum(axis=1)
    np.testing.assert_allclose(topology.neighbour_distances(model), expected, rtol=1e-4)
    # What samples say: the two nearest of each, of any model.
    gas = pz.fit("HCM", x, key=0, prototypes=6).model
    two = np.sort(np.asarray(gas.distances(x)).argsort(axis=1)[:, :2], axis=1)
    np.testing.assert_array_equal(topology.edges(gas, x), np.unique(two, axis=0))
    assert topology.graph(gas, x).sum() == 2 * len(x)
    with pytest.raises(
        ValueError, match="`x` is missing: the prototypes of this model have no lattice"
    ):
        topology.edges(gas)
    with pytest.raises(ValueError, match="`model` has no lattice"):
        topology.topographic_product(gas)


def test_a_model_of_one_prototype_has_no_second_best():
    model = mapped([[1.0, 2.0]], (1,))
    x = np.ones((3, 2), np.float32)
    assert topology.topographic_error(model, x) == 0 and topology.topographic_product(model) == 0
    assert topology.edges(model, x).shape == (0, 2) and topology.graph(model, x).nnz == 0


# Pictures.


def cells(ax) -> list[PolyCollection]:
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


@pytest.mark.parametrize(
    ("shape", "kind", "corners"),
    [
        ((4, 3), "hexagonal", 6),
        ((4, 3), "rectangular", 4),
        ((5,), "rectangular", 4),
        ((2, 4, 3), "hexagonal", 6),
    ],
)
def test_cells_of_a_map_have_the_shape_of_its_lattice(shape, kind, corners):
    """Neighbours touch, others do not, and each shows its number."""
    lattice = Lattice(shape, kind)
    points = np.random.default_rng(0).normal(size=(lattice.size, 2))
    model = mapped(points, shape, kind)
    figure = plots.umatrix(model)
    (drawn,) = cells(figure.axes[0])
    np.testing.assert_allclose(drawn.get_array(), topology.neighbour_distances(model))
    polygons = [path.vertices[:-1] for path in drawn.get_paths()]
    assert {len(polygon) for polygon in polygons} == {corners}
    middles = np.array([polygon.mean(axis=0) for polygon in polygons])
    apart = np.linalg.norm(middles[:, None] - middles, axis=-1)
    in_layer = np.indices(shape)[0].ravel() if len(shape) == 3 else np.zeros(lattice.size)
    same = in_layer[:, None] == in_layer
    np.testing.assert_allclose(apart[same] ** 2, lattice.squared_distances[same], atol=1e-6)
    assert (apart[~same] > 1.5).all()
    planes = plots.component_planes(model, feature_names=["one", "two"])
    for k, ax in enumerate(planes.axes[:2]):
        np.testing.assert_allclose(cells(ax)[0].get_array(), points[:, k], rtol=1e-6)


def test_hits_fill_cells_by_area(iris):
    model, x, y = iris
    figure = plots.hit_map(model, x, y, class_names=["setosa", "versicolor", "virginica"])
    outline, drawn = cells(figure.axes[0])
    hits, found = topology.hits(model, x), topology.label_map(model, x, y)
    spans = np.array([np.ptp(path.vertices[:, 1]) for path in drawn.get_paths()])
    np.testing.assert_allclose((spans / spans.max()) ** 2, hits / hits.max(), atol=1e-6)
    np.testing.assert_array_equal(drawn.get_array(), found.labels)
    assert [text.get_text() for text in figure.axes[0].texts] == [
        f"{n:.0f}" if n else "" for n in hits
    ]
    assert len(cells(plots.hit_map(model, x).axes[0])) == 2
    with pytest.raises(ValueError, match="`class_names` must be those of the 3 classes"):
        plots.hit_map(model, x, y, class_names=["a"])


def lines(figure) -> np.ndarray:
    (drawn,) = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return np.array(drawn.get_segments())


def test_the_lattice_lies_over_the_data(iris):
    model, x, y = iris
    figure = plots.graph(model, x, y)
    # Along the principal axes of the data, up to their signs.
    axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:2]
    expected = np.abs(np.asarray(model.prototypes.points)[topology.edges(model)] @ axes.T)
    np.testing.assert_allclose(np.abs(lines(figure)), expected, rtol=1e-3, atol=1e-3)
    plane = mapped(sheet(3, 4), (3, 4))
    np.testing.assert_array_equal(
        lines(plots.graph(plane, sheet(3, 4))), sheet(3, 4)[topology.edges(plane)]
    )
    # A gas has the edges that samples tell; a graph that grows those of the living.
    gas = pz.fit("NeuralGas", x, key=0, prototypes=8).model
    assert len(lines(plots.graph(gas, x))) == len(topology.edges(gas, x))
    grown = (
        pz.Trainer(pz.training.GrowingGraph(interval=50), 2)
        .fit(growing(rings()), rings(), key=0)
        .model
    )
    assert len(lines(plots.graph(grown, rings()))) == len(topology.edges(topology.compacted(grown)))
    curved = pz.zoo.RiemannianNeuralGas(matrices()[0], key=0)
    plots.graph(curved, matrices()[0], matrices()[1])


def test_memberships_are_those_of_the_plane():
    x = blobs()[0][:, :2]
    model = pz.fit("FCM", x, key=0, prototypes=4).model
    figure = plots.memberships(model, x)
    for k, ax in enumerate(figure.axes[:4]):
        (image,) = ax.images
        low, high = np.reshape(image.get_extent(), (2, 2)).T
        shown = image.get_array()
        corners = np.array([low, [high[0], low[1]], [low[0], high[1]], high], np.float32)
        expected = np.asarray(model.predict_proba(corners))[:, k]
        np.testing.assert_allclose(shown[[0, 0, -1, -1], [0, -1, 0, -1]], expected, atol=1e-4)
        assert (
            image.origin == "lower" and (low < x.min(axis=0)).all() and (high > x.max(axis=0)).all()
        )
    with pytest.raises(ValueError, match="two features"):
        plots.memberships(pz.zoo.FCM(blobs()[0], key=0), blobs()[0])


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_ellipses_hold_as_many_samples_as_they_should(covariance):
    """Of a Gaussian in a plane, 1 - e^{-1/2} within one standard deviation."""
    factor = np.array([[3.0, 0.0], [2.0, 0.5]]) if covariance == "full" else np.diag([3.0, 0.5])
    x = np.asarray(jax.random.normal(jax.random.key(0), (2000, 2)) @ factor.T)
    model = pz.fit("GaussianMixture", x, key=0, prototypes=1, covariance=covariance).model
    figure = plots.covariances(model, x)
    ellipses = [patch for patch in figure.axes[0].patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 2
    for deviations, ellipse in enumerate(ellipses, start=1):
        inside = ellipse.get_path().transformed(ellipse.get_patch_transform()).contains_points(x)
        np.testing.assert_allclose(inside.mean(), chi2(2).cdf(deviations**2), atol=0.02)
    plots.covariances(
        pz.fit("GaussianMixture", load_iris().data, key=0, covariance=covariance).model,
        load_iris().data,
    )
    with pytest.raises(ValueError, match="SquaredEuclidean has no covariances"):
        plots.covariances(pz.zoo.HCM(x, key=0), x)
