"""Alternating optimisation is the textbook's algorithms: monotone objectives, fixed points, other
libraries' results."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture
from zoo import blobs, matrices

import protozoo as pz


def run(model, x, key, epochs=200, tolerance: float | None = 0.0, **settings) -> pz.training.Fit:
    stopping = pz.Stopping(tolerance=tolerance)
    return pz.Trainer(pz.AlternatingOptimization(), epochs, stopping=stopping, **settings).fit(
        model, x, key=key
    )


def clustering(loss, x, points, metric=None, space=None):
    metric = pz.metrics.SquaredEuclidean() if metric is None else metric
    return pz.PrototypeModel(pz.Prototypes(points, None, space), metric, loss)


def mixture(x, points, covariance) -> pz.PrototypeModel:
    prototypes = pz.Prototypes(points)
    metric = pz.metrics.Mahalanobis.from_data(x, prototypes, covariance, regularisation=1e-6)
    return pz.PrototypeModel(prototypes, metric, pz.losses.Mixture.uniform(len(points)))


LOSSES = {
    "hard": pz.losses.HardClustering,
    "fuzzy": lambda: pz.losses.Fuzzy(1.7),
    "neural gas": lambda: pz.losses.Cooperative(pz.RankCooperation(1.3)),
    "mixture": lambda: pz.losses.Mixture.uniform(4),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kernel", [False, True], ids=["", "kernel"])
def test_the_objective_never_increases(loss, kernel, key, x64):
    x = jnp.asarray(blobs()[0], float)
    metric = pz.metrics.SquaredEuclidean()
    if kernel:
        metric = pz.metrics.GaussianKernel.with_bandwidths(metric, 2.0)
    model = clustering(LOSSES[loss](), x, x[:4], metric)
    fit = run(model, x, key, epochs=40, tolerance=None, freeze="metric" if kernel else None)
    losses = fit.history["loss"]
    assert len(losses) == 40
    assert np.diff(losses).max() <= 1e-13 * abs(losses[0])
    assert losses[-1] < 0.99 * losses[0]


def test_the_objective_never_increases_with_covariances(key, x64):
    x = jnp.asarray(load_iris().data)
    for covariance in ("full", "diagonal"):
        losses = run(mixture(x, x[::50], covariance), x, key, epochs=60, tolerance=None).history[
            "loss"
        ]
        # Regularised covariances are not quite the maximisers; the objective may rise by as little.
        assert np.diff(losses).max() <= 1e-5
        assert losses[-1] < losses[0] - 0.5


def test_the_objective_never_increases_on_curved_spaces(key):
    x, _ = matrices()
    space = pz.manifolds.SPD(3)
    fit = run(
        clustering(pz.losses.Fuzzy(), x, x[::20], space=space), x, key, epochs=15, tolerance=None
    )
    assert np.diff(fit.history["loss"]).max() <= 1e-6
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert space.violation(fit.model.prototypes.points) is None


@pytest.mark.parametrize("k", [3, 7])
def test_k_means_reaches_the_inertia_of_scikit_learn(k, key):
    x = load_iris().data.astype(np.float32)
    start = x[np.random.default_rng(k).choice(len(x), k, replace=False)]
    fit = run(clustering(pz.losses.HardClustering(), x, start), x, key)
    other = KMeans(k, init=start, n_init=1, tol=0, algorithm="lloyd").fit(x)
    assert fit.reason == "converged"
    inertia = float(fit.model.distances(x).min(axis=1).sum())
    np.testing.assert_allclose(inertia, other.inertia_, rtol=1e-5)
    np.testing.assert_array_equal(fit.model.predict(x), other.labels_)


def test_an_empty_cluster_keeps_its_place(key):
    x, _ = blobs()
    points = np.concatenate([x[:2], np.full((1, x.shape[1]), 1e3, np.float32)])
    fit = run(clustering(pz.losses.HardClustering(), x, points), x, key)
    np.testing.assert_allclose(fit.model.prototypes.points[2], points[2], rtol=1e-6)
    assert jnp.isfinite(fit.model.prototypes.points).all()


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_a_mixture_is_that_of_scikit_learn(covariance, key, x64):
    x = load_iris().data
    model = mixture(jnp.asarray(x), jnp.asarray(x[::50]), covariance)
    given = np.asarray(model.metric.covariances)
    other = GaussianMixture(
        3,
        covariance_type={"full": "full", "diagonal": "diag"}[covariance],
        weights_init=np.ones(3) / 3,
        means_init=x[::50],
        precisions_init=np.linalg.inv(given) if covariance == "full" else 1 / given,
        tol=1e-3,
        reg_covar=1e-6,
    ).fit(x)
    fit = run(model, x, key, tolerance=1e-3)
    assert (fit.reason, fit.epochs) == ("converged", other.n_iter_)
    np.testing.assert_allclose(-fit.history["loss"][-1], other.lower_bound_, rtol=1e-10)
    np.testing.assert_allclose(fit.model.prototypes.points, other.means_, rtol=1e-8)
    np.testing.assert_allclose(
        fit.model.metric.covariances, other.covariances_, rtol=1e-6, atol=1e-10
    )
    np.testing.assert_allclose(fit.model.loss.weights, other.weights_, rtol=1e-8)
    np.testing.assert_allclose(fit.model.predict_proba(x), other.predict_proba(x), atol=1e-8)


def test_a_mixture_of_tight_clusters_far_from_the_origin(key):
    """Variances survive a large offset in float32 (full covariances: also clusters far from each
    other)."""
    rng = np.random.default_rng(0)
    for covariance, gap in (("full", 1e3), ("diagonal", 10.0)):
        centres = np.array([[0.0, 0.0], [gap, gap]]) + 1e3
        x = (np.repeat(centres, 500, axis=0) + rng.normal(size=(1000, 2))).astype(np.float32)
        fit = run(
            mixture(jnp.asarray(x), jnp.asarray(x[[0, -1]]), covariance), x, key, tolerance=1e-5
        )
        variances = fit.model.metric.covariances
        variances = (
            np.diagonal(variances, axis1=-2, axis2=-1)
            if covariance == "full"
            else np.asarray(variances)
        )
        expected = np.stack([x[:500].astype(np.float64).var(0), x[500:].astype(np.float64).var(0)])
        np.testing.assert_allclose(variances, expected, rtol=2e-2)


def test_fuzzy_c_means_satisfies_its_fixed_point_equations(key, x64):
    x, m = load_iris().data, 2.0
    fit = run(clustering(pz.losses.Fuzzy(m), x, x[::50]), x, key, epochs=500)
    w = np.asarray(fit.model.prototypes.points)
    delta = ((x[:, None] - w) ** 2).sum(-1)
    u = delta ** (-1 / (m - 1))
    u /= u.sum(1, keepdims=True)
    np.testing.assert_allclose((u**m).T @ x / (u**m).sum(0)[:, None], w, atol=1e-10)
    np.testing.assert_allclose(fit.model.predict_proba(x), u, atol=1e-10)


def test_batch_neural_gas_is_its_update_rule(key):
    x, _ = blobs()
    model = clustering(pz.losses.Cooperative(pz.RankCooperation(0.9)), x, x[:4])
    fit = run(model, x, key, epochs=1)
    h = np.exp(-((x[:, None] - x[:4]) ** 2).sum(-1).argsort(1).argsort(1) / 0.9)
    np.testing.assert_allclose(
        fit.model.prototypes.points, h.T @ x / h.sum(0)[:, None], rtol=1e-5, atol=1e-5
    )


def test_a_damped_step_goes_part_of_the_way(key):
    x, _ = blobs()
    model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), "full")

    def after(step: float):
        return pz.Trainer(pz.AlternatingOptimization(step), 1).fit(model, x, key=key).model

    whole, half = after(1.0), after(0.5)
    for read in (lambda m: m.prototypes.points, lambda m: m.loss.weights):
        np.testing.assert_allclose(
            read(half), (read(model) + read(whole)) / 2, rtol=1e-4, atol=1e-5
        )
    only_points = (
        pz.Trainer(pz.AlternatingOptimization(refit=False), 1).fit(model, x, key=key).model
    )
    assert eqx.tree_equal((only_points.metric, only_points.loss), (model.metric, model.loss))
    np.testing.assert_array_equal(only_points.prototypes.points, whole.prototypes.points)


def test_frozen_points_still_have_covariances_about_themselves(key):
    x, _ = blobs()
    points = jnp.asarray(x[:1])
    fit = run(mixture(jnp.asarray(x), points, "full"), x, key, epochs=1, freeze="prototypes")
    v = x - x[:1]
    np.testing.assert_allclose(
        fit.model.metric.covariances[0], v.T @ v / len(x), rtol=1e-3, atol=1e-3
    )


def test_moments_do_not_depend_on_the_chunks(key, monkeypatch):
    import protozoo.models._chunks as chunks

    x, _ = blobs()
    model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), "full")
    whole = run(model, x, key, epochs=3)
    monkeypatch.setattr(chunks, "BLOCK", 3 * 130)
    big = np.concatenate([x] * 5)  # 300 samples in chunks of 130, the last one reaching back
    chunked = run(model, big, key, epochs=3)
    for a, b in zip(jax.tree.leaves(whole.model), jax.tree.leaves(chunked.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(whole.history["loss"], chunked.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(
        model.distances(big), np.concatenate([model.distances(x)] * 5), rtol=1e-5
    )
    assert model.distances(big).shape == (300, 3)


def test_signed_weights_pull_and_push():
    """The moments of negative weights push away, by the mean over all that take part (as LVQ1
    does)."""
    x = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    prototypes = pz.Prototypes(jnp.zeros((1, 2)))
    moments = pz.metrics.Moments.of(prototypes, x, jnp.array([[1.0], [-1.0]]), "none")
    np.testing.assert_allclose(moments.mean(), [[0.5, -0.5]])


def test_gradient_descent_improves_a_mixture_too(key):
    x, _ = blobs()
    for covariance in ("full", "diagonal"):
        model = mixture(jnp.asarray(x), jnp.asarray(x[:3]), covariance)
        fit = pz.Trainer(pz.GradientDescent(optax.adam(2e-2)), 50).fit(model, x, key=key)
        assert fit.history["loss"][-1] < fit.history["loss"][0] - 0.3
        assert np.linalg.eigvalsh(fit.model.relevance_matrix(per_prototype=True)).min() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda x, y, key: pz.zoo.GMLVQ(x, y, key=key),
            "metric Omega have no closed form.*freeze='metric'",
        ),
        (
            lambda x, y, key: pz.zoo.SiameseGLVQ(x, y, key=key),
            "through the encoder have no closed form",
        ),
        (
            lambda x, y, key: pz.zoo.LVQMLN(x, y, key=key),
            "encoder has no closed form.*freeze='encoder'",
        ),
    ],
)
def test_models_without_closed_forms_are_refused(make, message, key):
    x, y = blobs()
    model = make(x, y, key)
    with pytest.raises(ValueError, match=message):
        pz.Trainer(pz.AlternatingOptimization(), 1).fit(model, x, y, key=key)


def online_mixture(x, model, shares, covariance):
    """Stepwise expectation–maximisation by its sums, in NumPy: weights, means, covariances."""
    pi = np.asarray(model.loss.weights)
    means, covariances = np.asarray(model.prototypes.points), np.asarray(model.metric.covariances)
    if covariance == "tied":
        covariances = np.broadcast_to(covariances, (len(pi), *covariances.shape))
    elif covariance == "diagonal":
        covariances = np.stack([np.diag(v) for v in covariances])
    sums = np.zeros(len(pi)), np.zeros(means.shape), np.zeros(covariances.shape)
    for batch, share in zip(x, shares, strict=True):
        v = batch[:, None] - means
        logits = (
            np.log(pi)
            - 0.5 * np.einsum("npi,pij,npj->np", v, np.linalg.inv(covariances), v)
            - 0.5 * np.linalg.slogdet(covariances)[1]
        )
        r = np.exp(logits - logits.max(axis=1, keepdims=True))
        r /= r.sum(axis=1, keepdims=True)
        new = r.sum(0), r.T @ batch, np.einsum("np,ni,nj->pij", r, batch, batch)
        sums = tuple(
            (1 - share) * s + share * n / len(batch) for s, n in zip(sums, new, strict=True)
        )
        pi, means = sums[0] / sums[0].sum(), sums[1] / sums[0][:, None]
        covariances = sums[2] / sums[0][:, None, None] - means[:, :, None] * means[:, None]
        if covariance == "tied":
            pooled = np.einsum("p,pij->ij", pi, covariances)
            covariances = np.broadcast_to(pooled, covariances.shape)
        elif covariance == "diagonal":
            covariances = covariances * np.eye(x.shape[-1])
    return pi, means, covariances


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_running_sums_are_those_of_stepwise_expectation_maximisation(covariance, x64):
    rng = np.random.default_rng(4)
    x = rng.permutation(load_iris().data).reshape(5, 30, 4)
    x = np.concatenate([x, x[::-1]])
    prototypes = pz.Prototypes(jnp.asarray(x[0, :3]))
    metric = pz.metrics.Mahalanobis.from_data(
        x.reshape(-1, 4), prototypes, covariance, regularisation=0.0
    )
    model = pz.PrototypeModel(prototypes, metric, pz.losses.Mixture.uniform(3))
    rule = pz.AlternatingOptimization(pz.Linear(0.8, 0.2), running=True)
    trainer = pz.Trainer(rule, len(x))
    state = trainer.init(model)
    for batch in x:
        state, _ = trainer.step(state, batch)
    shares = np.linspace(0.8, 0.2, len(x))
    pi, means, covariances = online_mixture(x, model, shares, covariance)
    found = np.asarray(state.model.metric.covariances)
    if covariance == "tied":
        covariances = covariances[0]
    elif covariance == "diagonal":
        covariances = np.einsum("pii->pi", covariances)
    np.testing.assert_allclose(state.model.loss.weights, pi, rtol=1e-9)
    np.testing.assert_allclose(state.model.prototypes.points, means, rtol=1e-9)
    np.testing.assert_allclose(found, covariances, rtol=1e-7, atol=1e-12)


def test_running_sums_of_whole_steps_forget_all_but_the_newest(key):
    x, _ = blobs()
    model = clustering(pz.losses.Fuzzy(), x, x[::20])

    def trained(rule):
        return pz.Trainer(rule, 3, batch_size=20).fit(model, x, key=key).model

    one, other = (trained(pz.AlternatingOptimization(running=on)) for on in (True, False))
    np.testing.assert_allclose(one.prototypes.points, other.prototypes.points, rtol=1e-6)


def test_running_sums_settle_where_single_batches_do_not(key):
    x = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    x[:1000] += 5
    model = clustering(pz.losses.HardClustering(), x, x[[0, -1]])

    def away(rule):
        fit = pz.Trainer(rule, 3, batch_size=20).fit(model, x, key=key)
        means = np.stack([x[:1000].mean(0), x[1000:].mean(0)])
        return np.abs(fit.model.prototypes.points - means).max()

    running = away(pz.AlternatingOptimization(0.01, running=True))
    assert running < 0.1
    assert running < 0.3 * away(pz.AlternatingOptimization())


def test_running_sums_follow_the_prototypes(key):
    x, _ = blobs()
    trainer = pz.Trainer(pz.AlternatingOptimization(0.5, running=True), 10)
    state = trainer.init(clustering(pz.losses.HardClustering(), x, x[::20]))
    state, _ = trainer.step(state, x)
    kept = state.select([2, 0])
    mass = np.asarray(state.loop.rule_state.mass)
    np.testing.assert_array_equal(kept.loop.rule_state.mass, mass[[2, 0]])
    grown = state.grow(x[:1])
    assert grown.loop.rule_state.mass.shape == (4,)
    after, loss = trainer.step(grown, x)
    assert np.isfinite(loss) and len(after.model.prototypes) == 4
    with pytest.raises(ValueError, match="`running`: prototypes that do not learn"):
        pz.Trainer(trainer.rule, 10, freeze="prototypes").init(mixture(x, x[::20], "diagonal"))


def far_away(x, count):
    return np.concatenate([x[:1], np.full((count, x.shape[1]), 1e3, np.float32)])


def test_empty_clusters_are_seeded_again(key, x64):
    x = np.asarray(blobs()[0], float)
    model = clustering(pz.losses.HardClustering(), x, far_away(x, 2) + np.arange(3)[:, None])
    rule = pz.AlternatingOptimization(reseed=True)
    fit = pz.Trainer(rule, 50, stopping=pz.Stopping(tolerance=None)).fit(model, x, key=key)
    assert len(np.unique(fit.model.predict(x))) == 3
    assert np.diff(fit.history["loss"]).max() <= 1e-13
    assert fit.history["loss"][-1] < 0.8 * fit.history["loss"][0]


def test_where_no_cluster_is_empty_none_is_seeded_again(key):
    x, _ = blobs()
    model = clustering(pz.losses.HardClustering(), x, x[::20])
    rules = [pz.AlternatingOptimization(reseed=on) for on in (True, False)]
    one, other = (pz.Trainer(rule, 5).fit(model, x, key=key).model for rule in rules)
    assert eqx.tree_equal(one, other)


def test_an_empty_component_takes_over_the_numbers_of_another(key):
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    x[:100] += 8
    model = mixture(x, np.array([[4, 4], [1e3, 1e3]], np.float32), "full")
    fits = [
        pz.Trainer(pz.AlternatingOptimization(reseed=on), 100).fit(model, x, key=key)
        for on in (True, False)
    ]
    one, other = (fit.history["loss"][-1] for fit in fits)
    assert one < other - 0.3
    np.testing.assert_allclose(fits[0].model.loss.weights, [0.5, 0.5], atol=0.05)
    assert jnp.isfinite(fits[0].model.metric.covariances).all()


def test_components_that_stay_in_their_place_keep_their_numbers(key):
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    model = mixture(x, np.array([[0, 0], [1e3, 1e3]], np.float32), "full")
    rules = [pz.AlternatingOptimization(reseed=on) for on in (True, False)]
    one, other = (
        pz.Trainer(rule, 3, freeze="prototypes").fit(model, x, key=key).model for rule in rules
    )
    assert eqx.tree_equal(one, other)


def test_an_empty_prototype_stays_in_its_class_and_its_space(key):
    x, y = blobs()
    points = np.concatenate([x[::20], np.full((1, x.shape[1]), 1e3, np.float32)])
    model = pz.PrototypeModel(
        pz.Prototypes(points, [0, 1, 2, 2]),
        pz.metrics.SquaredEuclidean(),
        pz.losses.ClasswiseClustering(),
    )
    rule = pz.AlternatingOptimization(reseed=True)
    trained = pz.Trainer(rule, 20).fit(model, x, y, key=key).model
    assert np.asarray(trained.distances(x[y == 2])).argmin(axis=0)[3] < 20
    wins = np.asarray(trained.distances(x[y == 2]))[:, 2:].argmin(axis=1)
    assert set(wins) == {0, 1}
    matrices_, _ = matrices()
    space = pz.manifolds.SPD(3)
    far = jnp.stack([matrices_[0], 1e4 * jnp.eye(3)])
    curved = clustering(pz.losses.HardClustering(), matrices_, far, space=space)
    after = pz.Trainer(rule, 20).fit(curved, matrices_, key=key).model
    assert space.violation(after.prototypes.points) is None
    assert len(np.unique(after.predict(matrices_))) == 2
    with pytest.raises(ValueError, match="`reseed` on batches needs `running=True`"):
        pz.Trainer(rule, 2, batch_size=20).fit(model, x, y, key=key)


@pytest.mark.parametrize("name", ["KMeans", "GaussianMixture"])
def test_rows_that_seed_again_keep_running_sums_of_batches(name, key):
    row = getattr(pz.zoo, name)
    assert row.rule.reseed and not row.rule.running
    assert row.trainer(batch_size=20).rule.running
    x, _ = blobs()
    whole, in_batches = (
        pz.zoo.fit(name, x, prototypes=3, key=key, batch_size=size).model for size in (None, 30)
    )
    assert (
        in_batches.losses(jnp.asarray(x), None).mean()
        < whole.losses(jnp.asarray(x), None).mean() + 0.1 * x.var()
    )
