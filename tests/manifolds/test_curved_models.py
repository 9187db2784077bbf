"""Models in curved spaces: every row on every space, encoders that end in one, helpers, boundaries
and pictures."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyriemann.classification
import pytest
import scipy.spatial.transform
from sklearn import covariance
from zoo import CLASSES, N, blobs, matrices

import protozoo as pz
from protozoo import manifolds
from protozoo.manifolds import (
    SO,
    SPD,
    Euclidean,
    Grassmannian,
    PoincareBall,
    Product,
    Simplex,
    Sphere,
)


X, Y = blobs()
KEY = jax.random.key(0)
SPACES = [
    SPD(2),
    SO(3),
    Grassmannian(4, 2),
    PoincareBall(2),
    Sphere(3),
    Product([SPD(2), Sphere(2)]),
]
each_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)


def classes_in(space: manifolds.AbstractManifold, spread: float = 0.4) -> np.ndarray:
    """N points about one centre for each class."""
    centres = space.random_points(jax.random.key(1), CLASSES)
    c = (
        spread
        * jax.random.normal(jax.random.key(2), (N, space.coordinate_size))
        / space.coordinate_size**0.5
    )
    return np.asarray(jax.jit(space.exp)(centres[Y], c))


# Rows.

#: The flat row that each row is in a flat space, where that exists.
FLAT = {
    "RiemannianSRNG": "SNG",
    "RiemannianSMNG": "SMNG",
    "RiemannianSLNG": "SLNG",
    "RiemannianSTNG": "STNG",
    "RiemannianDKGLVQ": "DKGLVQ_NG",
    "RiemannianDKGRLVQ": "DKGRLVQ_NG",
    "RiemannianDKGMLVQ": "DKGMLVQ_NG",
    "MDM": "NPC",
    "RiemannianNeuralGas": "NeuralGas",
}
nightly = pytest.mark.nightly


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("RiemannianSMNG", "MDM") else nightly)
        for name in FLAT
    ],
)
def test_in_a_flat_space_a_row_is_the_flat_row(name):
    row, flat = getattr(pz.zoo, name), getattr(pz.zoo, FLAT[name])
    y = Y if row.supervised else None
    given = {"initialiser": "means" if name == "MDM" else "kmeans++"}
    one = row(X, y, key=3, space=Euclidean(5), **given)
    other = flat(X, y, key=3, **given)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    trainer = row.trainer(epochs=3)
    for a, b in zip(
        *(jax.tree.leaves(trainer.fit(m, X, y, key=0).model) for m in (one, other)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@each_space
def test_a_projection_that_is_the_identity_is_the_distance_of_the_space(space):
    x = classes_in(space)
    plain = pz.zoo.RiemannianSRNG(x, Y, key=KEY, space=space)
    adapted = pz.zoo.RiemannianSMNG(x, Y, key=KEY, space=space, normalised=False)
    scale = np.asarray(plain.distances(x)).max()
    np.testing.assert_allclose(
        adapted.distances(x), plain.distances(x), rtol=1e-4, atol=1e-5 * scale
    )


#: Parts of other wings, each in a space of another kind.
ELSEWHERE = [
    ("RSLVQ", SPD(2), {}),
    ("OCGLVQ", SO(3), {"prototypes": 3}),
    ("HCM", Grassmannian(4, 2), {"prototypes": 3}),
    ("FCM", Grassmannian(4, 2), {"prototypes": 3}),
    ("DKGLVQ", PoincareBall(2), {}),
    ("CELVQ", SO(3), {}),
    ("LGMLVQ", Product([SPD(2), Sphere(2)]), {}),
    ("CBC", Sphere(3), {}),
    ("WGLVQ", SO(3), {}),
    ("MedianLVQ", SO(3), {}),
    ("KNN", Grassmannian(4, 2), {}),
    ("GTLVQ", PoincareBall(2), {"subspace_dim": 1}),
    ("DKGMLVQ", Sphere(3), {}),
    ("GRLGQ", SO(3), {}),
]


@pytest.mark.parametrize(
    ("name", "space", "options"),
    [
        pytest.param(
            *one, marks=() if one[0] in ("HCM", "DKGLVQ", "OCGLVQ") else nightly, id=one[0]
        )
        for one in ELSEWHERE
    ],
)
def test_rows_of_flat_spaces_work_in_curved_ones(name, space, options):
    x, row = classes_in(space), getattr(pz.zoo, name)
    y = (Y != 0).astype(int) if row.one_class else Y if row.supervised else None
    fit = row.trainer(epochs=20).fit(row(x, y, key=KEY, space=space, **options), x, y, key=KEY)
    assert fit.reason in ("max epochs", "converged")
    assert (
        fit.model.prototypes.space == space and space.violation(fit.model.prototypes.points) is None
    )
    proba = np.asarray(fit.model.predict_proba(x))
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    if y is not None:
        assert np.mean(proba.argmax(axis=1) == y) > 0.6


#: Flat and with a border, too.
EVERYWHERE = [*SPACES, Simplex(3)]


@pytest.mark.parametrize(
    ("space", "epochs"),
    [
        pytest.param(
            space,
            epochs,
            marks=[] if epochs == 12 and isinstance(space, Grassmannian | Simplex) else nightly,
            id=f"{type(space).__name__}, {epochs} steps",
        )
        for space in EVERYWHERE
        for epochs in (12, 10_000)
    ],
)
def test_points_stay_in_their_space_however_they_are_trained(space, epochs, tmp_path):
    """Averages, lookahead, phases, and what a checkpoint holds."""
    x = _shares() if isinstance(space, Simplex) else classes_in(space)
    adam = pz.GradientDescent("adam", 0.1)
    rules = pz.Averaged(adam, 0.9), pz.Lookahead(adam, 5, 0.5)

    def trained(resume: bool) -> pz.training.Fit:
        phases = [pz.Trainer(rule, epochs) for rule in rules]
        checkpoints = pz.Checkpoints(tmp_path / "run", every=epochs // 2)
        return pz.Phases(phases, checkpoints).fit(model, x, Y, key=KEY, resume=resume)

    model = pz.zoo.RiemannianSMNG(x, Y, key=KEY, space=space)
    fit = trained(resume=False)
    again = trained(resume=True)
    for one in (fit, again):
        points = one.model.prototypes.points
        assert one.epochs == 2 * epochs and space.violation(points) is None
        np.testing.assert_allclose(space.project(points), points, atol=1e-5)
    np.testing.assert_array_equal(fit.model.prototypes.points, again.model.prototypes.points)
    assert np.abs(fit.model.prototypes.points - model.prototypes.points).max() > 0.01


def _shares() -> np.ndarray:
    """Compositions of three, each class with a part of its own that is large."""
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(3), N).astype(np.float32) / 2 + np.eye(3, dtype=np.float32)[Y] / 2


def test_no_prediction_depends_on_the_basis_of_a_subspace():
    space = Grassmannian(5, 2)
    x = classes_in(space, 1.5)
    model = pz.fit("RiemannianSMNG", x, Y, key=KEY, epochs=20).model
    turned = x @ np.asarray(SO(2).random_points(KEY, N))
    turned[::2] = turned[::2, :, ::-1]
    np.testing.assert_allclose(model.predict_proba(turned), model.predict_proba(x), atol=2e-5)


def test_matrices_of_ten_rows_train_from_the_default_start():
    x = np.asarray(SPD(10).random_points(KEY, 40))
    for unit in (1.0, 1e-11):
        fit = pz.fit("RiemannianSMNG", np.float32(unit) * x, np.arange(40) % 2, key=KEY, epochs=10)
        assert fit.reason == "max epochs" and np.isfinite(fit.history["loss"]).all()
        assert fit.history["loss"][-1] < fit.history["loss"][0]


def test_minimum_distance_to_mean_is_that_of_pyriemann():
    x, y = matrices()
    theirs = pyriemann.classification.MDM(metric="riemann").fit(x.astype(float), y)
    model = pz.fit("MDM", x, y, key=KEY, epochs=50).model
    np.testing.assert_allclose(model.prototypes.points, theirs.covmeans_, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(model.predict(x), theirs.predict(x.astype(float)))
    np.testing.assert_allclose(
        np.sqrt(model.distances(x)), theirs.transform(x.astype(float)), rtol=1e-3
    )


@pytest.mark.parametrize(
    "metric",
    [
        pz.metrics.LpNorm(1.0),
        pz.metrics.Cosine(),
        pz.metrics.ExponentialKernel(np.eye(3)),
        pz.metrics.SpectralRelevance(np.zeros(1)),
    ],
    ids=lambda metric: type(metric).__name__,
)
def test_metrics_that_mean_nothing_there_are_refused(metric):
    prototypes = pz.Prototypes(Sphere(3).random_points(KEY, 2), [0, 1], Sphere(3))
    with pytest.raises(ValueError, match=r"Sphere\(n=3\)"):
        pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ())


def test_an_exponential_kernel_of_tangents_neither_overflows_nor_ties():
    prototypes = pz.Prototypes(np.array([[0.0], [1.0]]), [0, 1])
    kernel = pz.metrics.TangentExponentialKernel(pz.metrics.SquaredEuclidean(), 0.0)
    delta = np.asarray(kernel(jnp.array([[0.5], [2.0], [50.0], [1e4]]), prototypes))
    assert np.isfinite(delta).all() and (delta[1:, 0] > delta[1:, 1]).all()
    np.testing.assert_allclose(delta[:2], 2 * np.expm1([[0.125, 0.125], [2.0, 0.5]]), rtol=1e-6)
    wide = pz.metrics.TangentExponentialKernel(pz.metrics.SquaredEuclidean(), 10.0)
    np.testing.assert_allclose(
        np.exp(20.0) * wide(jnp.array([[3.0]]), prototypes), [[9, 4]], rtol=1e-5
    )


# Encoders that end in a curved space, or begin in one.


def test_networks_may_end_in_a_curved_space(tmp_path):
    space = PoincareBall(2)
    for name in ("LVQMLN", "SiameseGLVQ"):
        fit = pz.fit(name, X, Y, key=KEY, latent_space=space, latent_dim=2, hidden=(8,), epochs=30)
        model = fit.model
        assert model.encoded_prototypes().space == space
        assert space.violation(model.encode(jnp.asarray(X))) is None
        assert np.mean(np.asarray(model.predict(X)) == Y) > 0.8
        pz.save(tmp_path / name, model)
        np.testing.assert_array_equal(
            pz.load(tmp_path / name).predict_proba(X), model.predict_proba(X)
        )


def test_a_latent_space_must_be_reached():
    with pytest.raises(
        ValueError, match=r"`latent_space`.*must return 2 coordinates, and returns 4"
    ):
        pz.zoo.LVQMLN(X, Y, key=KEY, latent_space=PoincareBall(2), latent_dim=4)
    with pytest.raises(ValueError, match="`latent_space`: GLVQ has no encoder"):
        pz.zoo.GLVQ(X, Y, key=KEY, latent_space=PoincareBall(5))
    with pytest.raises(ValueError, match=r"`encoder\(x\)` does not lie in PoincareBall\(d=5\)"):
        pz.zoo.SiameseGLVQ(X, Y, key=KEY, encoder=lambda x: x + 3, latent_space=PoincareBall(5))
    with pytest.raises(
        ValueError, match="`latent_space` means nothing where prototypes are not encoded"
    ):
        pz.PrototypeModel(
            pz.Prototypes(X[:2], [0, 1]),
            pz.metrics.SquaredEuclidean(),
            pz.losses.GLVQ(),
            latent_space=SPD(2),
        )
    with pytest.raises(ValueError, match=r"`base` does not lie in SPD\(n=2\)"):
        pz.backbones.TangentSpace(SPD(2), -np.eye(2))
    with pytest.raises(ValueError, match=r"`base` must have shape \(2, 2\)"):
        pz.backbones.Curved(lambda x: x, SPD(2), np.eye(3))


def test_a_geodesic_filter_keeps_what_tells_classes_apart():
    x, y = matrices()
    model = pz.zoo.FGMDM(x, y, key=KEY)
    points = np.asarray(model.encode(jnp.asarray(x)))
    (filtered,) = [layer.fn for layer in model.encoder.encoder.layers if hasattr(layer, "fn")]
    tangents = np.asarray(jax.vmap(filtered)(jnp.asarray(points)))
    assert np.linalg.matrix_rank(tangents, tol=1e-3) == CLASSES - 1
    with pytest.raises(ValueError, match="`filter_dim` must lie between 1 and 6, got 7"):
        pz.zoo.FGMDM(x, y, key=KEY, filter_dim=7)


# Points from signals, images, quaternions, trees.


def test_covariances_shrink_as_they_do_elsewhere():
    signals = np.random.default_rng(0).normal(size=(5, 4, 12)) * np.arange(1, 5)[:, None] + 3
    for rule, reference in {"oas": covariance.oas, "ledoit-wolf": covariance.ledoit_wolf}.items():
        expected = [reference(window.T)[0] for window in signals]
        np.testing.assert_allclose(manifolds.covariances(signals, rule), expected, rtol=1e-10)
        volts = manifolds.covariances((1e-6 * signals).astype(np.float32), rule)
        assert volts.dtype == np.float32
        np.testing.assert_allclose(volts / 1e-12, expected, rtol=1e-4)
    plain = manifolds.covariances(signals, 0)
    np.testing.assert_allclose(plain, [np.cov(window, bias=True) for window in signals], rtol=1e-10)
    few = manifolds.covariances(signals[:, :, :3])
    assert SPD(4).violation(jnp.asarray(few)) is None
    for times in (2, 7, 100):
        still = np.repeat(np.array([0.1, 0.3, 0.7])[None, :, None], times, axis=2)
        with pytest.raises(ValueError, match="`signals`: window 0 is constant"):
            manifolds.covariances(still, 0)
    with pytest.raises(ValueError, match="`signals`: window 1 is constant"):
        manifolds.covariances(signals * np.array([1, 0, 1, 1, 1])[:, None, None])
    with pytest.raises(ValueError, match="`shrinkage` must be 'oas', 'ledoit-wolf'"):
        manifolds.covariances(signals, "sas")


def test_subspaces_are_spanned_by_their_sets():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(m, 2)) @ rng.normal(size=(2, 6)) for m in (4, 9)]
    bases = manifolds.subspaces([one.reshape(-1, 2, 3) for one in sets], 2)
    assert Grassmannian(6, 2).violation(jnp.asarray(bases)) is None
    for one, basis in zip(sets, bases, strict=True):
        np.testing.assert_allclose(one @ basis @ basis.T, one, atol=1e-5)
    with pytest.raises(ValueError, match=r"`sets\[0\]` holds fewer than k=3 independent vectors"):
        manifolds.subspaces(sets, 3)


def test_rotations_come_from_quaternions_and_axes():
    rng = np.random.default_rng(0)
    q, v = (
        rng.normal(size=(20, 4)) * 10.0 ** rng.integers(-3, 3, size=(20, 1)),
        rng.normal(size=(20, 3)) * 2,
    )
    v[0] = 0
    theirs = scipy.spatial.transform.Rotation
    np.testing.assert_allclose(
        manifolds.rotations_from_quaternions(q),
        theirs.from_quat(q[:, [1, 2, 3, 0]]).as_matrix(),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        manifolds.rotations_from_axis_angle(v), theirs.from_rotvec(v).as_matrix(), atol=1e-6
    )
    with pytest.raises(ValueError, match="number 3 is zero"):
        manifolds.rotations_from_quaternions(
            np.where(np.arange(5)[:, None] == 3, 0, np.ones((5, 4)))
        )


def test_trees_keep_their_distances():
    parents = np.array([-1, 0, 0, 1, 1, 2, 2, 2])
    points = manifolds.embedded_tree(parents)
    assert PoincareBall(2).violation(jnp.asarray(points)) is None
    d = np.sqrt(PoincareBall(2).squared_distances(jnp.asarray(points), jnp.asarray(points)))
    edge = d[1, 0]
    for node, parent in enumerate(parents[1:], 1):
        np.testing.assert_allclose(d[node, parent], edge, rtol=1e-3)
    # Nodes three and four, siblings; three and five, four edges apart.
    assert 1.5 * edge < d[3, 4] < 2 * edge and 3.3 * edge < d[3, 5] < 4 * edge
    for wrong, message in (
        ([0, 0], "-1 for one of them"),
        ([-1, 2, 1], "a circle"),
        ([-1, 7], "numbers from -1 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            manifolds.embedded_tree(wrong)


# Boundaries and pictures.


def test_boundaries_lie_where_both_are_equally_far():
    space = SPD(2)
    points = space.random_points(KEY, 4)
    plain = pz.PrototypeModel(
        pz.Prototypes(points, [0, 0, 1, 1], space), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    found = pz.models.boundaries(plain)
    np.testing.assert_array_equal(found.pairs, [[0, 2], [0, 3], [1, 2], [1, 3]])
    np.testing.assert_allclose(found.times, 0.5, atol=1e-5)
    kernel = pz.metrics.GaussianKernel.with_bandwidths(
        pz.metrics.SquaredEuclidean(), np.array([1.0, 1.0, 2.0, 1e-3])
    )
    moved = pz.PrototypeModel(plain.prototypes, kernel, pz.losses.GLVQ())
    found = pz.models.boundaries(moved)
    delta = np.asarray(moved.distances(found.points[[0, 2]]))
    np.testing.assert_allclose(delta[[0, 1], [0, 1]], delta[[0, 1], [2, 2]], rtol=1e-4)
    assert found.times[0] < 0.4


@pytest.mark.parametrize("unit", [2.0**-64, 1.0, 2.0**63])
def test_boundaries_are_in_the_middle_whatever_the_unit(unit):
    points = unit * 3 * np.eye(3, dtype=np.float32)
    model = pz.PrototypeModel(
        pz.Prototypes(points, [0, 1, 2]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    found = pz.models.boundaries(model)
    np.testing.assert_allclose(found.times, 0.5, rtol=1e-6)
    middles = (points[found.pairs[:, 0]] + points[found.pairs[:, 1]]) / 2
    np.testing.assert_allclose(found.points, middles, rtol=1e-5)


def test_a_prototype_that_wins_nowhere_has_no_boundary():
    metric = pz.metrics.Wasserstein(
        pz.metrics.SquaredEuclidean(), np.log(np.array([[1.0], [100.0]]))
    )
    model = pz.PrototypeModel(
        pz.Prototypes(np.array([[0.0], [1.0]]), [0, 1]), metric, pz.losses.GLVQ()
    )
    found = pz.models.boundaries(model)
    assert np.isnan(found.times).all() and np.isnan(found.points).all()


def test_pictures_of_curved_spaces():
    def model(space: manifolds.AbstractManifold) -> pz.PrototypeModel:
        prototypes = pz.Prototypes(space.random_points(KEY, 4), [0, 0, 1, 1], space)
        return pz.PrototypeModel(prototypes, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ())

    ball, y = PoincareBall(2), np.arange(6) % 2
    disk = pz.plots.poincare_disk(
        model(ball), ball.random_points(KEY, 6), y, class_names=["cat", "dog"]
    )
    legend: Any = disk.axes[0].get_legend()
    assert len(disk.axes[0].lines) == 1 + 4 and len(legend.get_texts()) == 2
    ellipses = pz.plots.covariance_ellipses(model(SPD(2)), SPD(2).random_points(KEY, 6), y)
    assert len(ellipses.axes[0].lines) == 6 + 4
    axes = pz.plots.rotation_axes(model(SO(3)))
    assert [len(ax.lines) for ax in axes.axes] == [3] * 4
    for figure in (disk, ellipses, axes):
        figure.canvas.draw()
    for draw in (pz.plots.poincare_disk, pz.plots.covariance_ellipses, pz.plots.rotation_axes):
        with pytest.raises(ValueError, match=r"draws points of .* live in Sphere\(n=3\)"):
            draw(model(Sphere(3)))
