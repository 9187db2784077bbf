"""Fuzzy and possibilistic clustering: published equations at the fixed point, and objectives that
never rise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_blobs
from zoo import sampled

import protozoo as pz
from protozoo import losses, validity


X = load_iris().data
KEY = jax.random.key(0)
#: Rows whose objective is a fixed one: nothing in it is annealed, no share of it held fixed.
MONOTONE = (
    *("HCM", "FCM", "PCM", "FPCM", "PFCM", "AFCM", "IPCM", "IPCM2"),
    *("KFCM", "KPCM", "KFPCM", "KPFCM", "KAFCM", "KIPCM", "KIPCM2", "GustafsonKessel"),
)


def problem(seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 2)) * rng.uniform(1, 5)
    return centres[rng.integers(3, size=40)] + rng.normal(size=(40, 2)) * rng.uniform(
        0.2, 1.5, size=(40, 1)
    )


def fall(name, seeds):
    for seed in seeds:
        x = problem(seed)
        fit = pz.zoo.fit(name, x, key=seed, prototypes=3, epochs=30)
        rise = np.diff(fit.history["loss"]) / np.abs(fit.history["loss"][0])
        # A refit adds a millionth of a variance to each of them.
        assert rise.max(initial=-1) < (1e-6 if name == "GustafsonKessel" else 1e-12), (name, seed)
        for question in (fit.model.predict_proba, fit.model.distances):
            assert np.isfinite(question(x)).all()


@pytest.mark.parametrize("name", sampled(MONOTONE, {"FPCM", "IPCM2", "GustafsonKessel"}))
def test_the_objective_never_rises(name, x64):
    fall(name, range(3))


@pytest.mark.nightly
@pytest.mark.parametrize("name", MONOTONE)
def test_the_objective_never_rises_in_two_hundred_problems(name, x64):
    fall(name, range(3, 203))


def published(name, x, v, gamma, m=2.0, eta=2.0):
    """Weights of the centres as papers have them, with squared distances (or the kernel's)."""
    s = ((x[:, None] - v) ** 2).sum(axis=2)
    delta, pull = s, 1.0
    u = 1 / (delta[:, :, None] / delta[:, None, :]).__pow__(1 / (m - 1)).sum(axis=2)
    t = 1 / (1 + (delta / gamma) ** (1 / (eta - 1)))
    e = np.exp(-delta / gamma)
    if name == "FCM":
        return u**m * pull
    if name == "PCM":
        return t**eta
    if name == "PFCM":
        return u**m + t**eta
    if name == "AFCM":
        return u**m + e
    if name == "IPCM":
        cost = delta * t ** (eta - 1)
        u = cost ** (-1 / (m - 1)) / (cost ** (-1 / (m - 1))).sum(axis=1, keepdims=True)
        return u**m * t**eta
    cost = gamma * (1 - e)
    u = cost ** (-1 / (m - 1)) / (cost ** (-1 / (m - 1))).sum(axis=1, keepdims=True)
    return u**m * e


def bandwidths_of(model):
    found = [p for p in jax.tree.leaves(model, is_leaf=_is_radial) if _is_radial(p)]
    return np.asarray(found[0].bandwidths) if found else np.ones(3)


def _is_radial(node):
    return isinstance(node, losses.AbstractRadial)


@pytest.mark.parametrize(("m", "eta"), [(2.0, 2.0), (1.7, 2.5)])
@pytest.mark.parametrize("name", ["FCM", "PCM", "PFCM", "AFCM", "IPCM", "IPCM2"])
def test_weights_and_fixed_points_are_the_published_ones(name, m, eta, x64):
    rng = np.random.default_rng(1)
    options = {"fuzzifier": m, "exponent": eta}
    options = {k: v for k, v in options.items() if k in getattr(pz.zoo, name).options}
    model = getattr(pz.zoo, name)(X, key=0, prototypes=3, **options)
    x, v, gamma = (
        X + 0.01 * rng.normal(size=X.shape),
        np.asarray(model.prototypes.points),
        bandwidths_of(model),
    )
    delta = jnp.asarray(((x[:, None] - v) ** 2).sum(axis=2))
    weights = jax.grad(lambda d: jnp.sum(model.loss(d, model.prototypes.labels, None)))(delta)
    np.testing.assert_allclose(
        weights, published(name, x, v, gamma, m, eta), rtol=1e-10, atol=1e-14
    )
    trainer = pz.Trainer(pz.AlternatingOptimization(), 3000)
    fit = trainer.fit(model, x, key=KEY)
    v = np.asarray(fit.model.prototypes.points)
    w = published(name, x, v, gamma, m, eta)
    np.testing.assert_allclose(v, (w.T @ x) / w.sum(axis=0)[:, None], atol=1e-8)


def test_typicalities_of_columns_are_published_ones(x64):
    """Columns of T sum to one over the samples, and its weight in the loss is next to nothing."""
    model = pz.zoo.fit("FPCM", X, key=0).model
    t = np.asarray(model.typicalities(X))
    np.testing.assert_allclose(t.sum(axis=0), 1)
    delta = np.asarray(model.distances(X))
    np.testing.assert_allclose(t, (1 / delta) / (1 / delta).sum(axis=0))
    u = np.asarray(model.memberships(X))
    w, v = u**2 + t**2, np.asarray(model.prototypes.points)
    np.testing.assert_allclose(v, (w.T @ X) / w.sum(axis=0)[:, None], atol=1e-6)


@pytest.mark.parametrize("grade", [1.0, 0.6, 1e-3])
def test_graded_shares_are_between_competition_and_possibility(grade):
    delta = jnp.asarray(np.random.default_rng(0).uniform(0.1, 3, size=(3, 20)))
    shares = np.exp(pz.cooperation.GradedShares(grade, 1.0).log_weights(delta, 0.5))
    v = np.exp(-np.asarray(delta))
    if grade == 1.0:
        np.testing.assert_allclose(shares, v / v.sum(axis=0), rtol=1e-5)
    elif grade < 0.01:
        np.testing.assert_allclose(shares, v, rtol=1e-2)
    else:
        assert (np.sum(shares ** (1 / grade), axis=0) <= 1 + 1e-5).all()
        assert (np.sum(shares**grade, axis=0) >= 1 - 1e-5).all()


ROWS = (*MONOTONE, "KMeans", "GathGeva", "BGPC")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ROWS)
def test_nothing_but_the_data_matters(name):
    """Units, a large offset, the order of samples."""
    x = np.round(X * 64) / 64
    # Of many starts, rounding chooses among those that end alike, with clusters in another order.
    fit = pz.zoo.fit(name, x, key=0, epochs=20, restarts=1)
    changed = {"unit": x * 2.0**20, "tiny": x * 2.0**-20, "offset": x + 4096}
    for what, other in changed.items():
        again = pz.zoo.fit(name, other, key=0, epochs=20, restarts=1).model.predict_proba(other)
        np.testing.assert_allclose(again, fit.model.predict_proba(x), atol=2e-2, err_msg=what)


@pytest.mark.parametrize(
    "name", sampled(["KAFCM", "FPCM", "PCM", "IPCM2", "GathGeva", "BGPC"], set())
)
def test_edges(name):
    duplicates = np.repeat(X[[0, 60, 120]], 5, axis=0).astype(np.float32)
    for x, prototypes in ((X, 1), (duplicates, 3), (X[:4], 4), (np.ones((6, 2)), 2)):
        fit = pz.zoo.fit(name, x, key=0, prototypes=prototypes, epochs=5)
        assert np.isfinite(fit.model.predict_proba(x)).all()
        assert np.isfinite(np.asarray(fit.model.prototypes.points)).all()


def test_an_outlier_is_untypical():
    x = np.vstack([X, [[40.0, -30.0, 20.0, 10.0]]])
    model = pz.zoo.fit("PFCM", X, key=0, prototypes=3).model
    found = np.asarray(model.outliers(x, 0.1))
    assert found[-1] and found.sum() < 8
    with pytest.raises(ValueError, match="threshold.*lie in"):
        model.outliers(x, 2.0)
    with pytest.raises(ValueError, match="does not know how far away"):
        pz.zoo.FCM(X, key=0).typicalities(X)
    with pytest.raises(ValueError, match="do not share samples"):
        pz.zoo.PCM(X, key=0).memberships(X)


def test_bandwidths_are_estimated_where_asked(x64):
    frozen = pz.zoo.fit("PCM", X, key=0, epochs=4)
    start = pz.zoo.PCM(X, key=jax.random.split(jax.random.key(0))[0])
    np.testing.assert_array_equal(bandwidths_of(frozen.model), bandwidths_of(start))
    moved = pz.zoo.fit("PCM", X, key=0, epochs=1, rule=pz.AlternatingOptimization(estimate_every=1))
    s = np.asarray(start.distances(X))
    t = np.asarray(start.typicalities(X))
    np.testing.assert_allclose(
        bandwidths_of(moved.model), (t**2 * s).sum(axis=0) / (t**2).sum(axis=0), rtol=1e-10
    )
    every_other = pz.zoo.fit(
        "PCM", X, key=0, epochs=2, rule=pz.AlternatingOptimization(estimate_every=2)
    )
    np.testing.assert_allclose(
        bandwidths_of(every_other.model), bandwidths_of(moved.model), rtol=1e-10
    )


def test_a_gradient_never_reaches_a_bandwidth():
    import optax

    model = pz.zoo.IPCM(X, key=0)
    fit = pz.Trainer(pz.GradientDescent(optax.adam(0.1)), 3).fit(model, X, key=KEY)
    np.testing.assert_array_equal(bandwidths_of(fit.model), bandwidths_of(model))


def test_other_metrics_compose():
    """A relevance, a cosine, a Mahalanobis metric with any of the losses."""
    import optax

    prototypes = pz.Prototypes.from_samples(X, 3, key=0)
    for metric in (
        pz.metrics.Relevance.uniform(4),
        pz.metrics.Cosine(),
        pz.metrics.Mahalanobis.from_data(X, prototypes),
    ):
        loss = losses.Sum((1.0, losses.Fuzzy()), (0.5, losses.Possibilistic(losses.Welsch(1.0))))
        model = pz.PrototypeModel(prototypes, metric, loss)
        fit = pz.Trainer(pz.GradientDescent(optax.adam(0.01)), 5).fit(model, X, key=KEY)
        assert fit.history["loss"][-1] < fit.history["loss"][0]


def test_restarts_keep_the_best():
    x = make_blobs(300, 2, centers=12, random_state=1)[0]
    fits = [pz.zoo.fit("HCM", x, key=k, prototypes=12).history["loss"][-1] for k in range(4)]
    best = pz.zoo.fit("HCM", x, key=0, prototypes=12, restarts=20)
    assert best.history["loss"][-1] <= min(fits) * (1 + 1e-6)


def test_kmeans_from_the_same_start_is_that_of_scikit_learn(x64):
    x = make_blobs(500, 3, centers=6, random_state=0)[0]
    model = pz.zoo.HCM(x, key=0, prototypes=6)
    fit = pz.zoo.HCM.trainer().fit(model, x, key=KEY)
    other = KMeans(6, init=np.asarray(model.prototypes.points), n_init=1, tol=0).fit(x)
    np.testing.assert_allclose(fit.history["loss"][-1] * len(x), other.inertia_, rtol=1e-10)
    np.testing.assert_allclose(fit.model.prototypes.points, other.cluster_centers_, rtol=1e-10)


@pytest.mark.nightly
def test_kmeans_is_not_worse_than_that_of_scikit_learn():
    x = make_blobs(600, 4, centers=15, random_state=3)[0]
    ours = [
        pz.zoo.fit("KMeans", x, key=k, prototypes=15).history["loss"][-1] * len(x)
        for k in range(20)
    ]
    others = [KMeans(15, n_init=10, random_state=k).fit(x).inertia_ for k in range(20)]
    assert np.mean(ours) <= np.mean(others) * (1 + 1e-4)


def test_validity(unchecked):
    x, y = make_blobs(
        200, centers=[[0, 0], [6, 0], [0, 6], [6, 6]], cluster_std=0.5, random_state=2
    )[:2]
    found = validity.number_of_clusters("FCM", x, range(2, 7), key=0)
    for index in ("Xie–Beni", "Davies–Bouldin", "silhouette"):
        assert found.best[index] == 4
    model = found.fits[4].model
    u, s = np.asarray(model.memberships(x)), np.asarray(model.distances(x))
    np.testing.assert_allclose(
        validity.partition_coefficient(model, x), (u**2).sum() / len(x), rtol=1e-5
    )
    v = np.asarray(model.prototypes.points)
    apart = ((v[:, None] - v) ** 2).sum(axis=2)[~np.eye(4, dtype=bool)].min()
    np.testing.assert_allclose(
        validity.xie_beni(model, x), (u**2 * s).sum() / len(x) / apart, rtol=1e-4
    )
    matching = validity.matched(model.predict(x), y)
    assert matching.accuracy > 0.95
    np.testing.assert_array_equal(np.sort(matching.classes), np.arange(4))
    with pytest.raises(ValueError, match="at least 2"):
        validity.number_of_clusters("FCM", x, [1])
    # No unit of the data matters.
    x = x.astype(np.float32)
    for power in (-60, 60):
        unit = np.float32(2.0**power)
        other = eqx.tree_at(lambda m: m.prototypes.points, model, jnp.asarray(v * unit))
        for index, tolerance in (
            (validity.xie_beni, 1e-6),
            (validity.davies_bouldin, 1e-12),
            (validity.silhouette, 1e-12),
        ):
            np.testing.assert_allclose(index(other, x * unit), index(model, x), rtol=tolerance)
    with pytest.raises(ValueError, match="`xie_beni` divides dissimilarities, and those of dens"):
        validity.xie_beni(pz.zoo.GaussianMixture(x, key=0, prototypes=3), x)
    for wrong in (1j, np.nan, np.inf, 0.5, -1, [2.0, 2.0], True):
        with pytest.raises((TypeError, ValueError), match="`fuzzifier` must"):
            validity.xie_beni(model, x, wrong)
    for wrong in (5, b"3"):
        with pytest.raises(TypeError, match="`numbers` must be a list or a range"):
            validity.number_of_clusters("FCM", x, wrong)
    with pytest.raises(ValueError, match="clusters of their own: draw more of them, `sample_size`"):
        validity.silhouette(model, x, sample_size=2, key=1)
    with pytest.raises(ValueError, match="`clusters` is no array"):
        validity.matched([[0], [0, 1]], y)
