"""Prototypes as mixtures of samples, against the same models of vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import blobs, kernels, relations

import protozoo as pz
from protozoo.manifolds import Simplex
from protozoo.metrics import Relational, SquaredEuclidean, dissimilarities_of
from protozoo.testing import check_manifold, check_metric


N = 60


def squares(a, b):
    return ((a[:, None] - b[None]) ** 2).sum(axis=-1)


def mixtures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(N, 0.3), count)


@pytest.fixture(scope="module")
def indefinite() -> np.ndarray:
    """A symmetric matrix that is no matrix of distances, with numbers of both signs."""
    values = np.random.default_rng(1).normal(0.5, 1, (N, N))
    values = values + values.T
    np.fill_diagonal(values, 0)
    return values


@pytest.mark.parametrize("n", [2, 7])
def test_a_simplex_is_a_space(n):
    check_manifold(Simplex(n))


def test_the_projection_is_the_nearest_point(x64):
    """The conditions of Karush, Kuhn and Tucker: what is above zero was moved by one number, and
    the rest would be moved below."""
    v = np.random.default_rng(0).normal(0, 2, (40, 7))
    w = np.asarray(Simplex(7).project(jnp.asarray(v)))
    np.testing.assert_allclose(w.sum(axis=1), 1, rtol=1e-12)
    assert (w == 0).any() and (w >= 0).all()
    for before, after in zip(v, w, strict=True):
        taken = (before - after)[after > 0]
        np.testing.assert_allclose(taken, taken[0], rtol=1e-12)
        assert (before[after == 0] <= taken[0]).all()
    corners = jnp.asarray([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0]])
    assert (Simplex(3).project(corners) == corners).all()
    far = jnp.asarray([[1e30, 1e30, -1e30]])
    np.testing.assert_array_equal(Simplex(3).project(far), [[0.5, 0.5, 0]])


def test_a_share_of_zero_may_grow_again():
    found = jax.grad(lambda c: Simplex(3).project(c)[0, 2])(jnp.asarray([[0.5, 0.5, 0.0]]))
    np.testing.assert_allclose(found, [[-1 / 3, -1 / 3, 2 / 3]], rtol=1e-6)


def test_points_outside_the_simplex_are_refused():
    for points in ([[0.5, 0.6, 0.0]], [[1.5, -0.5, 0.0]]):
        with pytest.raises(ValueError, match=r"do not lie in Simplex\(n=3\): point 0 is off by"):
            pz.Prototypes(np.array(points), None, Simplex(3))
    with pytest.raises(ValueError, match="`n` must be at least 2"):
        Simplex(1)


def test_distances_are_those_of_the_mixtures_themselves(x64):
    x = np.asarray(blobs()[0], float)
    new, coefficients = x[::7] + 0.3, mixtures(4)
    metric = Relational(squares(x, x))
    prototypes = pz.Prototypes(coefficients, None, Simplex(N))
    found = metric(jnp.asarray(squares(new, x)), prototypes)
    expected = squares(new, coefficients @ x)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)
    rows = metric.samples_at(jnp.asarray(coefficients))
    np.testing.assert_allclose(rows, squares(coefficients @ x, x), rtol=1e-10, atol=1e-11)
    check_metric(metric, prototypes, squares(new, x))


def test_a_gradient_is_that_of_the_mixtures(x64):
    """By the coefficients: that by the vectors, through what they are mixtures of."""
    x, y = np.asarray(blobs()[0], float), jnp.asarray(blobs()[1], jnp.int32)
    d, labels, weight = jnp.asarray(squares(x, x)), [0, 1, 2], jnp.full(N, 1 / N)

    def of_vectors(a):
        points = pz.Prototypes(a @ x, labels)
        model = pz.PrototypeModel(points, SquaredEuclidean(), pz.losses.GLVQ())
        return model.loss_of(jnp.asarray(x), y, weight)

    def of_mixtures(a):
        points = pz.Prototypes(a, labels, Simplex(N))
        return pz.PrototypeModel(points, Relational(d), pz.losses.GLVQ()).loss_of(d, y, weight)

    a = jnp.asarray(mixtures(3))
    one, other = jax.grad(of_vectors)(a), jax.grad(of_mixtures)(a)
    # Sums of coefficients do not change.
    centred = lambda g: g - g.mean(axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(centred(other), centred(one), rtol=1e-9, atol=1e-12)


LOSSES = {
    "k-means": pz.losses.HardClustering(),
    "fuzzy c-means": pz.losses.Fuzzy(),
    "neural gas": pz.losses.Cooperative(pz.RankCooperation(pz.Exponential(2.0, 0.01))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_clustering_is_that_of_vectors_step_by_step(name, x64):
    x, start = np.asarray(blobs()[0], float), np.eye(N)[[3, 25, 31, 50]]
    d = squares(x, x)
    trainer = pz.Trainer(pz.AlternatingOptimization(), epochs=6)
    of_vectors = pz.PrototypeModel(pz.Prototypes(start @ x), SquaredEuclidean(), LOSSES[name])
    points = pz.Prototypes(start, None, Simplex(N))
    of_mixtures = pz.PrototypeModel(points, Relational(d), LOSSES[name])
    one, other = trainer.init(of_vectors), trainer.init(of_mixtures)
    for _ in range(6):
        (one, value), (other, same) = trainer.step(one, x), trainer.step(other, d)
        np.testing.assert_allclose(same, value, rtol=1e-9)
        coefficients = np.asarray(other.model.prototypes.points)
        np.testing.assert_allclose(coefficients @ x, one.model.prototypes.points, atol=1e-9)
        np.testing.assert_allclose(coefficients.sum(axis=1), 1, rtol=1e-12)


def test_medians_are_corners(key):
    d = relations()[0]
    model = pz.zoo.RelationalKMeans(d, key=key)
    rule = pz.MedianOptimization()
    found = pz.Trainer(rule, 20, stopping=pz.Stopping(tolerance=0.0)).fit(model, d, key=key)
    corners = np.asarray(found.model.prototypes.points)
    assert set(np.unique(corners)) == {0, 1}
    best = d[:, corners.argmax(axis=1)].min(axis=1).mean()
    np.testing.assert_allclose(found.history["loss"][-1], best, rtol=1e-5)
    # No other sample in place of one of them would be better.
    for j in range(3):
        for i in range(N):
            others = [*np.delete(corners.argmax(axis=1), j), i]
            assert d[:, others].min(axis=1).mean() >= best * (1 - 1e-6)


@pytest.mark.parametrize("name", ["RGLVQ", "RRSLVQ", "RelationalFCM", "RelationalNeuralGas"])
def test_dissimilarities_of_any_sign_train(name, indefinite, key):
    row = getattr(pz.zoo, name)
    y = np.arange(N) % 3 if row.supervised else None
    found = pz.fit(row, indefinite, y, key=key, epochs=5)
    assert np.isfinite(found.history["loss"]).all() and found.reason in ("max epochs", "converged")
    model = found.model
    for answer in (model.distances, model.predict_proba, model.confidence):
        assert np.isfinite(answer(-indefinite - 3)).all()
    assert (model.distances(indefinite) >= 0).all()


def test_what_is_nearer_than_zero_keeps_its_order(indefinite, x64):
    prototypes = pz.Prototypes(mixtures(5), None, Simplex(N))
    metric = Relational(indefinite)
    raw, found = (f(jnp.asarray(indefinite), prototypes) for f in (metric.squared, metric))
    assert (np.asarray(raw) < 0).any() and (np.asarray(found) >= 0).all()
    np.testing.assert_allclose(np.diff(found, axis=1), np.diff(raw, axis=1), atol=1e-12)
    np.testing.assert_array_equal(found[raw.min(axis=1) >= 0], raw[raw.min(axis=1) >= 0])

    def slope(function):
        rows = jnp.asarray(indefinite)
        return jax.grad(lambda p: function(rows, prototypes.moved(p))[:, 0].sum())(
            prototypes.points
        )

    np.testing.assert_allclose(slope(metric), slope(metric.squared), rtol=1e-12)


def test_equal_samples_and_zeros_elsewhere_are_found_by_their_rows():
    d = np.array([[0, 0, 1, 2], [0, 0, 5, 2], [1, 5, 0, 0], [2, 2, 0, 0]], np.float32)
    metric = Relational(d)
    np.testing.assert_array_equal(
        metric.places(jnp.asarray(d[[1, 0, 3, 2]])), np.eye(4)[[1, 0, 3, 2]]
    )
    assert jnp.isnan(metric.places(jnp.asarray(d[:1] + 1))).all()
    twice = np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]], np.float32)
    np.testing.assert_array_equal(
        Relational(twice).places(jnp.asarray(twice)), np.eye(3)[[0, 0, 2]]
    )


def test_rows_may_be_missing_or_there_twice(key):
    d, y = relations()
    whole = Relational.from_rows(d)
    np.testing.assert_array_equal(whole.dissimilarities, d)
    some = np.repeat(np.arange(0, N, 2), 2)
    found = np.asarray(Relational.from_rows(d[some]).dissimilarities)
    np.testing.assert_array_equal(found[::2], d[::2])
    np.testing.assert_array_equal(found[:, ::2], d[:, ::2])
    assert (found[1::2, 1::2] == 0).all()
    model = pz.zoo.RGLVQ(d, y, key=key, sample_weight=(np.arange(N) % 2 == 0))
    assert (np.asarray(model.prototypes.points)[:, 1::2] == 0).all()
    wrong = d[some].copy()
    wrong[0, 2] += 1
    with pytest.raises(ValueError, match="two rows for the same sample that differ"):
        Relational.from_rows(wrong)


def test_kernels_are_distances(x64):
    x = np.asarray(blobs()[0], float)
    d = squares(x, x)
    np.testing.assert_allclose(dissimilarities_of(x @ x.T), d, atol=1e-10)
    new = x[:5] + 1
    found = dissimilarities_of(new @ x.T, (new**2).sum(axis=1), (x**2).sum(axis=1))
    np.testing.assert_allclose(found, squares(new, x), atol=1e-10)
    with pytest.raises(ValueError, match="have no diagonal: give `own`"):
        dissimilarities_of(new @ x.T)
    with pytest.raises(ValueError, match="belong together"):
        dissimilarities_of(new @ x.T, np.ones(5))


def test_a_kernel_model_is_that_of_its_distances(key):
    k, y = kernels()
    one = pz.fit("KGLVQ", k, y, key=key, epochs=5).model
    other = pz.fit("RGLVQ", np.asarray(dissimilarities_of(k)), y, key=key, epochs=5).model
    np.testing.assert_allclose(one.prototypes.points, other.prototypes.points, atol=1e-6)
    np.testing.assert_array_equal(one.predict(k), other.predict(np.asarray(dissimilarities_of(k))))
    with pytest.raises(ValueError, match="normalised kernel"):
        pz.zoo.KGLVQ(k * (1 + np.arange(N)), y, key=key)


def test_new_prototypes_are_near_those_that_they_resemble(key):
    d, y = relations()
    model = pz.zoo.RGLVQ(d, y, key=key, prototypes_per_class=2)
    grown = model.grow(np.asarray(model.prototypes.points)[[5, 0]], [2, 0])
    assert grown.prototypes.counts == (3, 2, 3)
    np.testing.assert_array_equal(grown.predict(d), model.predict(d))


def test_few_coefficients_of_each_prototype(key):
    d, y = relations()
    model = pz.fit(
        "RGLVQ", d, y, key=key, epochs=3, feature_names=[f"s{k}" for k in range(N)]
    ).model
    all_of_them, columns = pz.models.sparse(model, N)
    seen = np.asarray(model.distances(d))
    np.testing.assert_allclose(all_of_them.distances(d[:, columns]), seen, atol=1e-4)
    few, columns = pz.models.sparse(model, 4)
    points = np.asarray(model.prototypes.points, float)
    points[points < np.sort(points, axis=1)[:, [-4]]] = 0
    points = points / points.sum(axis=1, keepdims=True)
    assert (columns == np.flatnonzero(points.any(axis=0))).all() and len(columns) <= 12
    expected = d @ points.T - 0.5 * np.einsum("pn,nm,pm->p", points, d, points)
    np.testing.assert_allclose(few.distances(d[:, columns]), expected, rtol=1e-4, atol=1e-4)
    assert few.card is not None and few.card.features == tuple(f"s{k}" for k in columns)
    with pytest.raises(ValueError, match="SquaredEuclidean are no mixtures of samples"):
        pz.models.sparse(pz.zoo.GLVQ(*blobs(), key=key), 3)


def test_what_does_not_fit_is_refused(key):
    d, y = relations()
    model = pz.zoo.RGLVQ(d, y, key=key)
    with pytest.raises(ValueError, match=r"`x` must have shape \(n, 60\), got \(3, 59\)"):
        model.predict(d[:3, 1:])
    with pytest.raises(ValueError, match="must be symmetric"):
        Relational(np.triu(d))
    with pytest.raises(ValueError, match="zeros on the diagonal"):
        Relational(d + 1)
    with pytest.raises(ValueError, match="square matrix"):
        Relational(d[:5])
    with pytest.raises(ValueError, match="row 0 has none"):
        pz.zoo.RGLVQ(d + 1, y, key=key)
    with pytest.raises(ValueError, match="coefficients of 60 samples"):
        pz.PrototypeModel(pz.Prototypes(np.eye(3)), Relational(d), pz.losses.HardClustering())
    with pytest.raises(ValueError, match="dissimilarities are compared as they are"):
        pz.PrototypeModel(
            model.prototypes, model.metric, model.loss, scale=pz.backbones.Standardise.from_data(d)
        )
    clusters = pz.zoo.RelationalKMeans(d, key=key)
    with pytest.raises(ValueError, match="row 2 is none of them"):
        pz.Trainer(pz.AlternatingOptimization(), 1).fit(
            clusters, np.vstack([d[:2], d[2:4] + 1]), key=key
        )
