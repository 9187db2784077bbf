"""Models whose prototypes are samples, means or components; samples with gaps; encoders with a
state."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from zoo import CLASSES, blobs

import protozoo as pz
from protozoo.backbones import MLP, Stateful
from protozoo.losses import CBC, GLVQ, ClasswiseClustering, NearestNeighbours
from protozoo.metrics import (
    Chain,
    Missing,
    Omega,
    Precomputed,
    Relevance,
    SquaredEuclidean,
    Subspace,
    Tangent,
)


X, Y = blobs()


def fresh(n: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(n, X.shape[1])).astype(np.float32) * 2


# k nearest neighbours and nearest means.


@pytest.mark.parametrize("neighbours", [1, 5])
def test_neighbours_vote_as_in_scikit_learn(neighbours):
    model = pz.fit("KNN", X, Y, neighbours=neighbours).model
    peer = KNeighborsClassifier(neighbours).fit(X, Y)
    np.testing.assert_array_equal(model.predict(fresh(500)), peer.predict(fresh(500)))
    np.testing.assert_allclose(
        model.predict_proba(fresh(500)), peer.predict_proba(fresh(500)), atol=1e-6
    )


def test_neighbours_vote_in_a_metric_that_another_loss_has_trained():
    trained = pz.fit("GMLVQ", X, Y, epochs=20).model
    order = np.argsort(Y, kind="stable")
    samples = pz.Prototypes(X[order], Y[order])
    model = pz.PrototypeModel(samples, trained.metric, trained.loss, decision=NearestNeighbours(5))
    peer = KNeighborsClassifier(5).fit(trained.transform(X), Y)
    np.testing.assert_array_equal(
        model.predict(fresh(500)), peer.predict(trained.transform(fresh(500)))
    )
    votes = peer.predict_proba(trained.transform(fresh(500)))
    np.testing.assert_allclose(model.predict_proba(fresh(500)), votes, atol=1e-6)


def test_a_decision_changes_answers_and_no_training(key, tmp_path):
    model = pz.zoo.GMLVQ(X, Y, key=key)
    posterior = pz.losses.RSLVQ(0.5, log_scales=np.zeros(3), dimension=5)
    decided = eqx.tree_at(lambda m: m.decision, model, posterior, is_leaf=lambda leaf: leaf is None)
    trainer = pz.zoo.GMLVQ.trainer(epochs=5)
    one, other = (trainer.fit(m, X, Y, key=key) for m in (model, decided))
    np.testing.assert_array_equal(one.history["loss"], other.history["loss"])
    np.testing.assert_array_equal(one.model.prototypes.points, other.model.prototypes.points)
    assert eqx.tree_equal(other.model.decision, posterior)
    delta = one.model.distances(fresh(50))
    expected = jax.nn.softmax(posterior.scores(delta, model.prototypes.labels), axis=1)
    np.testing.assert_allclose(other.model.predict_proba(fresh(50)), expected, rtol=1e-3, atol=1e-6)
    assert not np.allclose(one.model.predict_proba(fresh(50)), expected, atol=1e-2)
    pz.save(tmp_path / "model", other.model)
    np.testing.assert_array_equal(
        pz.load(tmp_path / "model").predict_proba(fresh(50)), other.model.predict_proba(fresh(50))
    )


def test_decisions_that_do_not_fit(key):
    model = pz.zoo.GLVQ(X, Y, key=key)
    parts = model.prototypes, model.metric, model.loss
    with pytest.raises(ValueError, match="`decision`: NearestNeighbours does not fit.*only 3"):
        pz.PrototypeModel(*parts, decision=NearestNeighbours(4))
    with pytest.raises(TypeError, match="`decision` must be"):
        pz.PrototypeModel(*parts, decision="vote")
    with pytest.raises(ValueError, match="`decision`: CBC decides between 2 classes"):
        pz.PrototypeModel(*parts, decision=CBC(np.full((2, 3, 2), 0.5)))
    cbc, points = CBC(np.full((2, 3, 2), 0.5)), pz.Prototypes(X[:3])
    with pytest.raises(
        ValueError,
        match="`decision`: NearestNeighbours decides between 3 classes, and CBC learns 2",
    ):
        pz.PrototypeModel(points, model.metric, cbc, decision=NearestNeighbours(1))


def test_more_neighbours_than_samples():
    with pytest.raises(ValueError, match="`neighbours` is 61, but there are only 60"):
        pz.zoo.KNN(X, Y, key=jax.random.key(0), neighbours=61)
    with pytest.raises(ValueError, match="`neighbours` must be a positive integer, got 0"):
        NearestNeighbours(0)


def test_a_numpy_integer_is_a_number_of_neighbours():
    count = NearestNeighbours(np.int64(3)).neighbours
    assert (count, type(count)) == (3, int)


def test_a_vote_cannot_be_differentiated(key):
    with pytest.raises(ValueError, match="NearestNeighbours has no derivative"):
        pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), 1).fit(
            pz.zoo.KNN(X, Y, key=key), X, Y, key=key
        )


def test_class_means_are_nearest_centroids():
    fit = pz.fit("NPC", X, Y)
    peer = NearestCentroid().fit(X, Y)
    np.testing.assert_allclose(fit.model.prototypes.points, peer.centroids_, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(fit.model.predict(fresh(500)), peer.predict(fresh(500)))


def test_classwise_clustering_is_clustering_of_each_class(key):
    model = pz.zoo.NPC(X, Y, key=key, prototypes_per_class=2)
    points = (
        pz.Trainer(pz.AlternatingOptimization(), 5)
        .fit(model, X, Y, key=key)
        .model.prototypes.points
    )
    for k in range(CLASSES):
        alone = eqx.tree_at(
            lambda m: (m.prototypes, m.loss),
            model,
            (pz.Prototypes(model.prototypes.points[2 * k : 2 * k + 2]), pz.losses.HardClustering()),
        )
        expected = (
            pz.Trainer(pz.AlternatingOptimization(), 5)
            .fit(alone, X[Y == k], key=key)
            .model.prototypes.points
        )
        np.testing.assert_allclose(points[2 * k : 2 * k + 2], expected, rtol=1e-5, atol=1e-5)
    assert isinstance(model.loss, ClasswiseClustering)


# Medians.


def test_median_prototypes_are_distinct_samples_and_the_cost_never_rises(key):
    model = pz.zoo.MedianLVQ(X, Y, key=key, prototypes_per_class=3)
    fit = pz.zoo.MedianLVQ.trainer().fit(model, X, Y, key=key)
    assert (np.diff(fit.history["loss"]) <= 0).all()
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert fit.reason == "converged"
    points = np.asarray(fit.model.prototypes.points)
    index = np.array([np.flatnonzero((X == w).all(axis=1))[0] for w in points])
    assert len(set(index.tolist())) == len(points)
    np.testing.assert_array_equal(Y[index], fit.model.prototypes.labels)
    # No single exchange helps any more.
    weight = jnp.full(len(X), 1 / len(X))
    best = fit.model.loss_of(jnp.asarray(X), jnp.asarray(Y, jnp.int32), weight)
    cost = jax.jit(
        lambda j, w: eqx.tree_at(
            lambda m: m.prototypes.points, fit.model, fit.model.prototypes.points.at[j].set(w)
        ).loss_of(jnp.asarray(X), jnp.asarray(Y, jnp.int32), weight)
    )
    for j, k in enumerate(fit.model.prototypes.labels):
        others = [cost(j, x) for i, x in enumerate(X) if Y[i] == k and i not in index]
        assert min(others) >= best - 1e-6


def test_median_from_dissimilarities_is_median_from_vectors(key):
    vectors = pz.zoo.MedianLVQ(X, Y, key=key, prototypes_per_class=2)
    d = np.array(SquaredEuclidean()(jnp.asarray(X), pz.Prototypes(X)))
    np.fill_diagonal(d, 0)
    index = [
        int(np.flatnonzero((X == w).all(axis=1))[0]) for w in np.asarray(vectors.prototypes.points)
    ]
    rows = pz.PrototypeModel(
        pz.Prototypes(d[index], vectors.prototypes.labels), Precomputed(), GLVQ()
    )
    trainer = pz.zoo.MedianLVQ.trainer()
    one, two = trainer.fit(vectors, X, Y, key=key), trainer.fit(rows, d, Y, key=key)
    np.testing.assert_allclose(two.history["loss"], one.history["loss"], rtol=1e-5)
    chosen = np.asarray(two.model.prototypes.points).argmin(axis=1)
    np.testing.assert_array_equal(X[chosen], one.model.prototypes.points)
    new = np.asarray(SquaredEuclidean()(jnp.asarray(fresh(100)), pz.Prototypes(X)))
    np.testing.assert_array_equal(two.model.predict(new), one.model.predict(fresh(100)))


@pytest.mark.parametrize("name", ["MedianLVQ", "KNN"])
def test_rows_take_dissimilarities_if_they_are_told_to(name, key):
    row, d = getattr(pz.zoo, name), np.array(SquaredEuclidean()(jnp.asarray(X), pz.Prototypes(X)))
    d = (d + d.T) / 2
    np.fill_diagonal(d, 0)
    with pytest.raises(
        ValueError,
        match=r"looks like a matrix of dissimilarities.*`precomputed=True`.*`precomputed=False`",
    ):
        row(d, Y, key=key)
    given, vectors = (
        row.trainer().fit(row(x, Y, key=key, **how), x, Y, key=key)
        for x, how in ((d, {"precomputed": True}), (X, {}))
    )
    np.testing.assert_array_equal(given.model.predict(d), vectors.model.predict(X))
    assert isinstance(row(d, Y, key=key, precomputed=False).metric, SquaredEuclidean)


@pytest.mark.parametrize("name", ["MedianKMeans", "MedianNeuralGas"])
def test_median_clusters_are_samples_that_no_other_sample_could_replace(name, key):
    row, d = getattr(pz.zoo, name), np.square(X[:, None] - X[None]).sum(axis=-1)
    row = row.trainer(epochs=8), functools.partial(row, key=key, prototypes=3)
    for x, how in ((X, {}), (d, {"precomputed": True})):
        trainer, start = row
        model = trainer.fit(start(x, **how), x, key=key).model
        chosen = [
            int(np.flatnonzero((x == w).all(axis=1))[0])
            for w in np.asarray(model.prototypes.points)
        ]
        best = d[:, chosen].min(axis=1).mean()
        for j, i in np.ndindex(3, len(X)):
            others = [*np.delete(chosen, j), i]
            assert d[:, others].min(axis=1).mean() >= best * (1 - 1e-5)


def test_prototypes_that_are_no_samples_become_samples(key):
    model = pz.zoo.MedianLVQ(X, Y, key=key, initialiser="means")
    after = pz.Trainer(pz.MedianOptimization(), 1).fit(model, X, Y, key=key).model
    for w in np.asarray(after.prototypes.points):
        assert (X == w).all(axis=1).any()


def test_what_median_optimisation_refuses(key):
    rule = pz.MedianOptimization()
    with pytest.raises(
        ValueError, match="`batch_size` must be None.*all samples, which no stream shows"
    ):
        pz.Trainer(rule, 5).fit(
            pz.zoo.MedianLVQ(X, Y, key=key),
            lambda epoch: [(X[:30], Y[:30]), (X[30:], Y[30:])],
            key=key,
        )
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        pz.Trainer(rule, 1, batch_size=8).fit(pz.zoo.MedianLVQ(X, Y, key=key), X, Y, key=key)
    with pytest.raises(ValueError, match=r"freeze the rest \(`freeze=\['metric'\]`\)"):
        pz.Trainer(rule, 1).fit(pz.zoo.GMLVQ(X, Y, key=key), X, Y, key=key)
    with pytest.raises(ValueError, match="moves nothing else"):
        pz.Trainer(rule, 1, freeze="prototypes").fit(pz.zoo.GMLVQ(X, Y, key=key), X, Y, key=key)
    d = np.abs(X[:, None] - X[None]).sum(-1)
    rows = pz.PrototypeModel(pz.Prototypes(d[[0, 20, 40]], [0, 1, 2]), Precomputed(), GLVQ())
    with pytest.raises(ValueError, match="Precomputed has no derivative"):
        pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), 1).fit(rows, d, Y, key=key)


# Components.


def test_agreement_is_the_probability_of_the_paper():
    rng = np.random.default_rng(0)
    delta, reasoning = rng.uniform(0, 3, (7, 4)), rng.uniform(0, 1, (3, 4, 2))
    loss = CBC(jnp.asarray(reasoning), margin=0.2, variance=0.7)
    p = np.zeros((7, 3))
    for i in range(7):
        for k in range(3):
            wanted = [reasoning[k, j, 0] for j in range(4)]
            unwanted = [(1 - reasoning[k, j, 0]) * reasoning[k, j, 1] for j in range(4)]
            seen = [np.exp(-delta[i, j] / 1.4) for j in range(4)]
            agreed = sum(
                s * a + (1 - s) * b for s, a, b in zip(seen, wanted, unwanted, strict=True)
            )
            p[i, k] = agreed / (sum(wanted) + sum(unwanted))
    np.testing.assert_allclose(loss.agreement(jnp.asarray(delta)), p, rtol=1e-5)
    y = np.arange(7) % 3
    best_other = np.where(np.eye(3, dtype=bool)[y], -1, p).max(axis=1)
    expected = np.maximum(0.2 + best_other - p[np.arange(7), y], 0)
    np.testing.assert_allclose(
        loss(jnp.asarray(delta), np.arange(4), jnp.asarray(y)), expected, rtol=1e-4, atol=1e-6
    )


def test_reasoning_stays_a_probability_and_learns_at_its_bounds(key):
    model = pz.zoo.CBC(X, Y, key=key, components=4)
    start = eqx.tree_at(lambda m: m.loss.reasoning, model, jnp.zeros_like(model.loss.reasoning))
    fit = pz.Trainer(pz.GradientDescent(optax.sgd(0.5)), 30).fit(start, X, Y, key=key)
    reasoning = np.asarray(fit.model.loss.reasoning)
    assert reasoning.min() >= 0
    assert 0 < reasoning.max() <= 1
    assert fit.history["loss"][-1] < fit.history["loss"][0]


def test_a_reasoning_at_a_bound_takes_the_whole_step(key):
    model = pz.zoo.CBC(X, Y, key=key, components=4)
    certain = jnp.stack([jnp.arange(12.0).reshape(3, 4) % 2, jnp.full((3, 4), 0.5)], axis=-1)
    start = eqx.tree_at(lambda m: m.loss.reasoning, model, certain)

    def cost(reasoning: jax.Array) -> jax.Array:
        loss = eqx.tree_at(lambda s: s.reasoning, start.loss, reasoning)
        return jnp.mean(
            loss(start.dissimilarities(jnp.asarray(X)), model.prototypes.labels, jnp.asarray(Y))
        )

    slope = jax.grad(cost)(certain)
    inwards = (certain == 1) & (slope > 0) | (certain == 0) & (slope < 0)
    assert inwards.any()
    fit = pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), 1).fit(start, X, Y, key=key)
    np.testing.assert_allclose(
        fit.model.loss.reasoning, jnp.clip(certain - 0.1 * slope, 0, 1), rtol=1e-5, atol=1e-6
    )


def test_every_class_has_a_component_to_start_from(key):
    sizes = np.array([20, 20, 20, 1])
    y = np.repeat(np.arange(4), sizes)
    # The first two classes are so near to each other that D² seeding takes them for one.
    random = np.random.default_rng(0)
    x = np.array([0.0, 0.01, 10.0, 20.0])[y, None] + 0.001 * random.normal(size=(len(y), 2))
    x = x.astype(np.float32)
    for count, dealt in [
        (4, [1, 1, 1, 1]),
        (6, [2, 2, 1, 1]),
        (9, [3, 3, 2, 1]),
        (2, [1, 1, 0, 0]),
    ]:
        points = np.asarray(pz.zoo.CBC(x, y, key=key, components=count).prototypes.points)
        owner = y[np.argmin(((points[:, None] - x) ** 2).sum(axis=2), axis=1)]
        assert np.bincount(owner, minlength=4).tolist() == dealt


def test_what_components_refuse():
    with pytest.raises(ValueError, match="`reasoning` holds probabilities"):
        CBC(jnp.full((2, 3, 2), 1.5))
    with pytest.raises(ValueError, match="`margin` must lie"):
        CBC(jnp.zeros((2, 3, 2)), margin=2.0)
    with pytest.raises(ValueError, match="about 3 components, but there are 4"):
        CBC(jnp.zeros((2, 3, 2))).agreement(jnp.zeros((5, 4)))


def test_labels_are_those_of_the_reasoning_not_of_the_components(key):
    model = pz.zoo.CBC(X, Y, key=key, components=2)
    assert model.classes == CLASSES
    assert model.predict_proba(X).shape == (len(X), CLASSES)
    with pytest.raises(ValueError, match="the model knows classes 0…2 only"):
        pz.zoo.CBC.trainer(epochs=1).fit(model, X, Y + 1, key=key)


# Directions without variance.


def flat_data() -> np.ndarray:
    """Eight features that vary in three directions only."""
    return (X[:, :3] @ np.random.default_rng(3).normal(size=(3, 8)) + 5).astype(np.float32)


@pytest.mark.parametrize("name", ["GMLVQ", "LGMLVQ", "SCMNG"])
def test_null_space_correction(name, key):
    x = flat_data()
    fit = pz.fit(name, x, Y, epochs=10, null_space_correction=True)
    void = np.linalg.svd(x - x.mean(axis=0))[2][3:]
    for matrix in np.asarray(fit.model.relevance_matrix(per_prototype=True)):
        np.testing.assert_allclose(void @ matrix @ void.T, 0, atol=1e-6)
        np.testing.assert_allclose(np.trace(matrix), 1, rtol=1e-5)
    # On the data, it is the distance that it would be without.
    plain = getattr(pz.zoo, name)(x, Y, key=key, normalised=False)
    corrected = getattr(pz.zoo, name)(x, Y, key=key, normalised=False, null_space_correction=True)
    np.testing.assert_allclose(corrected.distances(x), plain.distances(x), rtol=1e-3, atol=1e-3)


def test_equal_samples_span_nothing():
    with pytest.raises(ValueError, match="all samples are equal"):
        Subspace.spanned_by(np.ones((4, 3), np.float32))


# Gaps.


def with_gaps() -> np.ndarray:
    x = X.copy()
    x[np.random.default_rng(5).random(x.shape) < 0.25] = np.nan
    x[np.isnan(x).all(axis=1)] = 0
    return x


def metrics() -> list:
    d, p = X.shape[1], 6
    rng = np.random.default_rng(2)
    omega = Omega(jnp.asarray(rng.normal(size=(d, 3)), jnp.float32))
    bases = np.linalg.qr(rng.normal(size=(p, d, 2)))[0]
    relevance = Relevance(jnp.asarray(rng.normal(size=d), jnp.float32))
    return [
        SquaredEuclidean(),
        relevance,
        omega,
        Tangent(jnp.asarray(bases, jnp.float32)),
        Chain(relevance, omega),
    ]


@pytest.mark.parametrize("metric", metrics(), ids=lambda m: type(m).__name__)
def test_gaps_are_left_out_of_the_distance(metric):
    x, prototypes = with_gaps(), pz.Prototypes(X[::10], [0, 0, 1, 1, 2, 2])
    delta = Missing(metric)(jnp.asarray(x), prototypes)
    compiled = jax.jit(lambda x: metric(x, prototypes))
    for j in range(len(prototypes)):
        # A sample whose gaps are filled from the prototype itself is exactly as far as its other
        # features say.
        filled = jnp.where(jnp.isnan(x), prototypes.points[j], x)
        np.testing.assert_allclose(delta[:, j], compiled(filled)[:, j], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        Missing(metric)(jnp.asarray(X), prototypes), metric(jnp.asarray(X), prototypes), atol=2e-4
    )


def test_a_model_learns_from_samples_with_gaps(key, tmp_path):
    x = with_gaps()
    means = np.nanmean(x, axis=0)
    prototypes = pz.Prototypes.from_classes(np.where(np.isnan(x), means, x), Y, 1, key=key)
    model = pz.PrototypeModel(
        prototypes, Missing(Omega.identity(X.shape[1], normalised=True)), GLVQ()
    )
    fit = pz.Trainer(pz.GradientDescent(optax.adam(0.05)), 100).fit(model, x, Y, key=key)
    assert fit.reason == "max epochs"
    assert fit.history["loss"][-1] < fit.history["loss"][0] - 0.1
    assert np.mean(np.asarray(fit.model.predict(x)) == Y) > np.mean(
        np.asarray(model.predict(x)) == Y
    )
    np.testing.assert_allclose(np.trace(fit.model.relevance_matrix()), 1, rtol=1e-5)
    pz.save(tmp_path / "m", fit.model)
    np.testing.assert_array_equal(pz.load(tmp_path / "m").predict(x), fit.model.predict(x))


def test_what_gaps_cannot_be():
    x = with_gaps()
    model = pz.PrototypeModel(
        pz.Prototypes(X[::20], [0, 1, 2]), Missing(SquaredEuclidean()), GLVQ()
    )
    x[3] = np.nan
    with pytest.raises(ValueError, match="1 samples without any feature, the first at 3"):
        model.predict(x)
    x[3] = np.inf
    with pytest.raises(ValueError, match=r"NaN or infinite, the first one at index \(3, 0\)"):
        model.predict(x)
    plain = pz.PrototypeModel(model.prototypes, SquaredEuclidean(), GLVQ())
    with pytest.raises(ValueError, match="impute or remove"):
        plain.predict(with_gaps())


# Encoders.


class Normed(eqx.Module):
    """A layer, and the running statistics of batch normalisation."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm

    def __init__(self, key):
        self.first = eqx.nn.Linear(X.shape[1], 4, key=key)
        self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")

    def __call__(self, x, state):
        return self.norm(self.first(x), state)


pz.register(Normed, "tests.Normed")


@pytest.fixture(scope="module")
def pretrained() -> tuple[Normed, eqx.nn.State]:
    module, state = eqx.nn.make_with_state(Normed)(jax.random.key(0))
    state = jax.vmap(module, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
        jnp.asarray(X), state
    )[1]
    return module, state


@pytest.mark.parametrize("siamese", [False, True])
def test_a_module_with_state_is_an_encoder(pretrained, siamese, key, tmp_path):
    module, state = pretrained
    encoder = Stateful(module, state)
    inference = eqx.nn.inference_mode(module)
    expected = jax.vmap(lambda x: inference(x, state)[0])(jnp.asarray(X))
    np.testing.assert_allclose(jax.vmap(encoder)(jnp.asarray(X)), expected, rtol=1e-5, atol=1e-6)
    start = X if siamese else np.asarray(expected)
    prototypes = pz.Prototypes.from_classes(start, Y, 1, key=key, initialiser="means")
    model = pz.PrototypeModel(prototypes, Omega.identity(4), GLVQ(), encoder, siamese)
    fit = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), 5).fit(model, X, Y, key=key)
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert eqx.tree_equal(fit.model.encoder.statistics, encoder.statistics)
    assert not eqx.tree_equal(fit.model.encoder.module, encoder.module)
    frozen = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), 5, freeze="encoder").fit(
        model, X, Y, key=key
    )
    assert eqx.tree_equal(frozen.model.encoder, encoder)
    pz.save(tmp_path / "m", fit.model)
    np.testing.assert_array_equal(pz.load(tmp_path / "m").predict(X), fit.model.predict(X))


def test_a_module_without_state_needs_no_wrapper(pretrained):
    with pytest.raises(ValueError, match="has no state"):
        Stateful(MLP((2, 2), key=jax.random.key(0)), pretrained[1])


def test_the_prototypes_path_can_teach_prototypes_only(key):
    model = pz.zoo.SiameseGLVQ(X, Y, key=key, hidden=(8,), latent_dim=4)
    weight, y = jnp.full(len(X), 1 / len(X)), jnp.asarray(Y, jnp.int32)

    def gradient(model):
        return eqx.filter_grad(lambda m: m.loss_of(jnp.asarray(X), y, weight))(model)

    # By hand: the encoder of the prototypes' path is another one, which is held fixed.
    def two_encoders(sample_encoder, prototypes):
        points = jax.vmap(model.encoder)(prototypes.points)
        delta = SquaredEuclidean()(
            jax.vmap(sample_encoder)(jnp.asarray(X)), pz.Prototypes(points, prototypes.labels)
        )
        return jnp.sum(weight * model.loss(delta, prototypes.labels, y))

    expected = eqx.filter_grad(lambda both: two_encoders(*both))((model.encoder, model.prototypes))
    both_paths = gradient(model)
    detached = pz.PrototypeModel(
        model.prototypes,
        model.metric,
        model.loss,
        model.encoder,
        True,
        learn_through_prototypes=False,
    )
    found = gradient(detached)
    for one, two in zip(
        jax.tree.leaves((found.encoder, found.prototypes)), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-6)
    assert not np.allclose(
        both_paths.encoder.layers[0].weight, found.encoder.layers[0].weight, rtol=1e-2
    )
    np.testing.assert_array_equal(detached.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="means nothing"):
        pz.PrototypeModel(
            model.prototypes, model.metric, model.loss, learn_through_prototypes=False
        )


# Online.


def test_lvq1_one_sample_at_a_time_is_kohonens_rule(key):
    rng = np.random.default_rng(1)
    order = rng.permutation(len(X))
    model = pz.zoo.LVQ1(X, Y, key=key)
    points = np.asarray(model.prototypes.points, np.float64)
    trainer = pz.Trainer(pz.AlternatingOptimization(pz.Constant(0.1)), epochs=len(X))
    state = trainer.init(model)
    for i in order:
        winner = ((X[i] - points) ** 2).sum(axis=1).argmin()
        points[winner] += (0.1 if winner == Y[i] else -0.1) * (X[i] - points[winner])
        state, _ = trainer.step(state, X[i : i + 1], Y[i : i + 1])
    np.testing.assert_allclose(state.model.prototypes.points, points, rtol=1e-4, atol=1e-4)
