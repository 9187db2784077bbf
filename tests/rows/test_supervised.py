"""The supervised rows and their parts: equivalences between models, constraints, definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.spatial.distance import cdist
from zoo import CLASSES, D, blobs

import protozoo as pz
from protozoo import losses, metrics


X, Y = blobs()
LABELS = np.repeat(np.arange(CLASSES), 2)
PROTOTYPES = pz.Prototypes(jnp.asarray(X[[0, 1, 20, 21, 40, 41]]), LABELS)


def normal(shape: tuple[int, ...], seed: int = 5) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def learned(metric, key, loss=None, freeze=None) -> pz.training.Fit:
    model = pz.PrototypeModel(PROTOTYPES, metric, losses.GLVQ() if loss is None else loss)
    trainer = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), 20, freeze=freeze)
    return trainer.fit(model, X, Y, key=key)


def spd(key, **options) -> pz.PrototypeModel:
    return pz.zoo.RiemannianSMNG(
        pz.manifolds.SPD(2).random_points(key, 6), np.arange(6) % 2, key=key, **options
    )


EQUAL = {
    "identity": lambda: metrics.Omega.identity(D),
    "normalised identity": lambda: metrics.Omega.identity(D, normalised=True),
    "uniform relevances": lambda: metrics.Relevance.uniform(D),
    "uniform sparse relevances": lambda: metrics.SparseRelevance.uniform(D),
    "identity for each prototype": lambda: metrics.LocalOmega.identity(6, D),
    "identity for each class": lambda: metrics.ClassOmega.identity(CLASSES, D),
    "subspace of dimension zero": lambda: metrics.Tangent(jnp.zeros((6, D, 0))),
    "a full covariance of one": lambda: metrics.Mahalanobis.from_covariances(
        np.stack([np.eye(D)] * 6)
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_with_a_trivial_adaptation_every_model_is_glvq(name, key):
    metric = EQUAL[name]()
    if isinstance(metric, metrics.Mahalanobis):
        metric = metrics.Mahalanobis(metric.covariance, normalisation="none")
    plain, other = learned(metrics.SquaredEuclidean(), key), learned(metric, key, freeze="metric")
    np.testing.assert_allclose(other.history["loss"], plain.history["loss"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        other.model.prototypes.points, plain.model.prototypes.points, rtol=1e-3, atol=1e-4
    )


def test_a_shared_projection_for_each_prototype_is_the_shared_one(key):
    omega = normal((D, 2))
    one = learned(metrics.Omega(omega), key, freeze="metric")
    many = learned(metrics.LocalOmega(jnp.stack([omega] * 6)), key, freeze="metric")
    np.testing.assert_allclose(many.history["loss"], one.history["loss"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "pair", [("GLVQ", "SNG"), ("GMLVQ", "SMNG"), ("CELVQ", "CELVQ_NG"), ("DKGLVQ", "DKGLVQ_NG")]
)
def test_alone_in_its_class_a_prototype_cooperates_with_nobody(pair, key):
    one, other = (
        pz.fit(name, X, Y, key=key, epochs=10, initialiser="means").history["loss"] for name in pair
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_tangents_stay_orthonormal_and_traces_stay_one(key):
    tangent = learned(metrics.Tangent.from_data(X, PROTOTYPES, 2, Y), key).model.metric.bases
    np.testing.assert_allclose(
        tangent.swapaxes(1, 2) @ tangent, np.broadcast_to(np.eye(2), (6, 2, 2)), atol=1e-5
    )
    for metric in (
        metrics.Omega.identity(D, 2, True),
        metrics.LocalOmega.identity(6, D, 2, True),
        metrics.ClassOmega.identity(CLASSES, D, 2, True),
    ):
        matrix = learned(metric, key, losses.CrossEntropy(0.1)).model.metric.matrix
        assert not np.allclose(matrix, metric.matrix)
        np.testing.assert_allclose(jnp.sum(matrix**2, axis=(-2, -1)), 1, rtol=1e-5)


@pytest.mark.parametrize("latent_dim", [2, D])
def test_a_step_turns_a_normalised_map_as_any_other(latent_dim, key, x64):
    """However many features share the trace: GLVQ does not know the scale of its map."""
    trainer = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), 1)
    turned = []
    for normalised in (False, True):
        metric = metrics.Omega.identity(D, latent_dim, normalised)
        fit = trainer.fit(
            pz.PrototypeModel(PROTOTYPES, metric, losses.GLVQ()), X.astype(np.float64), Y, key=key
        )
        matrix = fit.model.metric.matrix
        assert not np.allclose(matrix, metric.matrix)
        turned.append(matrix / jnp.sqrt(jnp.sum(matrix**2, axis=(-2, -1), keepdims=True)))
    np.testing.assert_allclose(*turned, rtol=1e-6, atol=1e-9)


def test_tangent_distances_ignore_the_basis_of_the_subspace():
    bases = np.linalg.qr(normal((6, D, 2)))[0]
    turned = bases @ np.linalg.qr(normal((6, 2, 2), 6))[0]
    one, other = (
        metrics.Tangent(jnp.asarray(b))(jnp.asarray(X), PROTOTYPES) for b in (bases, turned)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    v = X[:, None] - np.asarray(PROTOTYPES.points)
    residual = v - np.einsum("npd,pds,pes->npe", v, bases, bases)
    np.testing.assert_allclose(one, (residual**2).sum(-1), rtol=1e-3, atol=1e-4)


def test_tangents_start_along_the_data():
    rng = np.random.default_rng(0)
    line = np.outer(rng.normal(size=50), [3.0, 4.0, 0.0]) + 0.01 * rng.normal(size=(50, 3))
    metric = metrics.Tangent.from_data(line, pz.Prototypes(line[:1]), 1)
    np.testing.assert_allclose(np.abs(metric.bases[0, :, 0]), [0.6, 0.8, 0], atol=0.02)


def test_relevances_on_the_simplex_reach_zero(key):
    metric = learned(metrics.SparseRelevance.uniform(D), key).model.metric
    assert float(metric.relevances.min()) >= 0
    np.testing.assert_allclose(metric.relevances.sum(), 1, rtol=1e-5)
    sparse = metrics.SparseRelevance(jnp.array([1.0, 0.8, -1.0]))
    np.testing.assert_allclose(sparse.relevances, [0.6, 0.4, 0.0], atol=1e-6)
    gradient = jax.grad(lambda m: jnp.sum(m(jnp.ones((2, 3)), pz.Prototypes(jnp.zeros((1, 3))))))(
        sparse
    )
    assert jnp.isfinite(gradient.logits).all()


def test_projections_from_data():
    pca = metrics.Omega.from_pca(X, 2).matrix
    values, vectors = np.linalg.eigh(np.cov(X.T))
    np.testing.assert_allclose(
        np.abs(np.asarray(pca).T @ vectors[:, ::-1][:, :2]), np.eye(2), atol=1e-3
    )
    lda = np.asarray(metrics.Omega.from_lda(X, Y, 2).matrix)
    z = X @ lda
    within = sum(np.cov(z[Y == k].T, bias=True) for k in range(CLASSES)) / CLASSES
    np.testing.assert_allclose(
        within, np.eye(2), atol=1e-3
    )  # the unit is the scatter within classes
    separation = np.linalg.det(np.cov(z.T, bias=True)) / np.linalg.det(within)
    y = X @ np.asarray(pca)
    other = np.linalg.det(np.cov(y.T, bias=True)) / np.linalg.det(
        sum(np.cov(y[Y == k].T, bias=True) for k in range(CLASSES)) / CLASSES
    )
    assert separation >= other


@pytest.mark.parametrize(
    ("name", "correction"),
    [
        *((name, c) for name in ("GMLVQ", "LGMLVQ", "SCMNG", "WGMLVQ") for c in (False, True)),
        ("SiameseGMLVQ", False),
    ],
)
def test_projections_start_where_they_are_told_to(name, correction, key):
    recipe, siamese = getattr(pz.zoo, name), name == "SiameseGMLVQ"
    options = (
        {"latent_dim": D, "omega_dim": 2}
        if siamese
        else {"latent_dim": 2, "null_space_correction": correction}
    )
    for how, start in (
        ("pca", metrics.Omega.from_pca),
        ("lda", lambda x, *rest: metrics.Omega.from_lda(x, Y, *rest)),
    ):
        model = recipe(X, Y, key=key, omega_initialiser=how, **options)
        metric = model.metric.metric if name == "WGMLVQ" else model.metric
        seen = model.encode(jnp.asarray(X)) if siamese else X
        if correction:
            seen, metric = X @ np.asarray(metric.first.basis), metric.second
        expected = start(seen, 2, True).matrix
        np.testing.assert_allclose(
            metric.matrix, np.broadcast_to(expected, metric.matrix.shape), atol=1e-6
        )
    with pytest.raises(
        ValueError, match="omega_initialiser.*'identity', 'pca' or 'lda', got 'ica'"
    ):
        recipe(X, Y, key=key, omega_initialiser="ica", **options)


@pytest.mark.parametrize(
    ("order", "name"),
    [(1.0, "cityblock"), (2.0, "euclidean"), (3.0, "minkowski"), (np.inf, "chebyshev")],
)
def test_norms(order, name):
    options = {"p": 3} if name == "minkowski" else {}
    expected = cdist(X, PROTOTYPES.points, name, **options)
    np.testing.assert_allclose(
        metrics.LpNorm(float(order))(jnp.asarray(X), PROTOTYPES), expected, rtol=1e-4
    )

    def to_itself(points):
        return jnp.sum(metrics.LpNorm(float(order))(PROTOTYPES.points, pz.Prototypes(points)))

    assert jnp.isfinite(jax.grad(to_itself)(PROTOTYPES.points)).all()
    with pytest.raises(ValueError, match="order.*at least 1, got 0.5"):
        metrics.LpNorm(0.5)


def test_cosine():
    np.testing.assert_allclose(
        metrics.Cosine()(jnp.asarray(X), PROTOTYPES),
        cdist(X, PROTOTYPES.points, "cosine"),
        rtol=1e-3,
        atol=1e-6,
    )
    np.testing.assert_allclose(metrics.Cosine()(jnp.zeros((1, D)), PROTOTYPES), np.ones((1, 6)))


def test_exponential_kernel():
    omega = np.asarray(0.3 * normal((D, 2)), np.float64)
    z, v = X.astype(np.float64) @ omega, np.asarray(PROTOTYPES.points, np.float64) @ omega
    expected = np.exp((z**2).sum(1))[:, None] + np.exp((v**2).sum(1)) - 2 * np.exp(z @ v.T)
    metric = metrics.ExponentialKernel(jnp.asarray(omega, jnp.float32))
    np.testing.assert_allclose(metric(jnp.asarray(X), PROTOTYPES), expected, rtol=1e-2, atol=1e-4)
    far = metric(1e3 * jnp.asarray(X), PROTOTYPES)
    assert jnp.isfinite(far).all()
    assert (metric(PROTOTYPES.points, PROTOTYPES) >= 0).all()


def test_wasserstein_weighs_variances_like_means():
    omega, variances = normal((D, 2)), np.exp(normal((6, D), 7))
    metric = metrics.Wasserstein(metrics.Omega(omega), jnp.log(variances))
    mean = np.asarray(metrics.Omega(omega)(jnp.asarray(X), PROTOTYPES))
    trace = np.array([np.trace(omega.T @ np.diag(s) @ omega) for s in variances])
    np.testing.assert_allclose(metric(jnp.asarray(X), PROTOTYPES), mean + trace, rtol=1e-4)


def test_lvq1_is_kohonens_rule(key):
    """One batch step: each prototype moves by the mean of what it wins, towards its own class and
    away from others."""
    model = pz.PrototypeModel(PROTOTYPES, metrics.SquaredEuclidean(), losses.LVQ1())
    after = (
        pz.Trainer(pz.AlternatingOptimization(0.2), 1)
        .fit(model, X, Y, key=key)
        .model.prototypes.points
    )
    w = np.asarray(PROTOTYPES.points)
    winner = cdist(X, w).argmin(1)
    for j in range(6):
        mine = winner == j
        sign = np.where(Y[mine] == LABELS[j], 1, -1)[:, None]
        expected = w[j] + 0.2 * (sign * (X[mine] - w[j])).mean(0) if mine.any() else w[j]
        np.testing.assert_allclose(after[j], expected, rtol=1e-3, atol=1e-4)


def test_lvq21_learns_in_its_window_only():
    near, far = jnp.array([[1.0, 1.2, 9.0]]), jnp.array([[1.0, 8.0, 9.0]])
    labels = np.array([0, 1, 2])
    loss = losses.LVQ21(0.3)  # ((1 - ω)/(1 + ω))² = 0.29
    for delta, y, expected in (
        (near, 0, -0.2),
        (near, 1, 0.2),
        (far, 0, 0.0),  # outside the window
        (near, 2, 0.0),  # neither of the two nearest is of its class
    ):
        np.testing.assert_allclose(loss(delta, labels, jnp.array([y])), [expected], atol=1e-6)
    with pytest.raises(ValueError, match=r"window.*\(0, 1\], got 0"):
        losses.LVQ21(0.0)


def test_soft_losses():
    delta = jax.random.uniform(jax.random.key(0), (30, 6)) * 3
    y = jnp.arange(30, dtype=jnp.int32) % CLASSES
    proba = jax.nn.softmax(losses.RSLVQ(0.4).scores(delta, LABELS), axis=1)
    own = jnp.take_along_axis(proba, y[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(
        losses.SoftLVQ(0.4)(delta, LABELS, y), -jnp.log(own / (1 - own)), rtol=1e-3, atol=1e-4
    )
    scales, priors = normal((6,)), normal((6,), 8)
    loss = losses.RSLVQ(0.4, log_scales=scales, log_priors=priors, dimension=D)
    density = (
        np.exp(priors) * (np.exp(scales)) ** (-D / 2) * np.exp(-delta / (2 * 0.4 * np.exp(scales)))
    )
    expected = np.stack([density[:, k == LABELS].sum(1) for k in range(CLASSES)], axis=1)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(
        jax.nn.softmax(loss.scores(delta, LABELS), axis=1), expected, rtol=1e-3, atol=1e-6
    )
    annealed = losses.RSLVQ(pz.Exponential(1.0, 0.4))
    np.testing.assert_allclose(
        annealed(delta, LABELS, y, 1.0), losses.RSLVQ(0.4)(delta, LABELS, y), rtol=1e-5
    )
    np.testing.assert_allclose(
        annealed(delta, LABELS, y, 0.0), losses.RSLVQ(1.0)(delta, LABELS, y), rtol=1e-5
    )
    with pytest.raises(ValueError, match="`dimension` must be"):
        losses.RSLVQ(0.4, log_scales=scales)


def test_learned_bandwidths_and_priors_learn(key):
    loss = losses.RSLVQ(1.0, log_scales=jnp.zeros(6), log_priors=jnp.zeros(6), dimension=D)
    fit = learned(metrics.SquaredEuclidean(), key, loss)
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert np.abs(fit.model.loss.log_scales).min() > 0
    assert np.abs(fit.model.loss.log_priors).min() > 0


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, 32), ({"stride": 2, "pool": 1, "normalise": False}, 32), ({"channels": (3,)}, 3)],
)
def test_cnn(options, size, key):
    encoder = pz.backbones.CNN((8, 8, 1), 5, key=key, **options)
    images = normal((2, 8, 8, 1))
    codes = jax.vmap(encoder)(images)
    assert codes.shape == (2, 5)
    np.testing.assert_allclose(
        jax.vmap(encoder)(images[:1])[0], codes[0], rtol=1e-4, atol=1e-5
    )  # alone or in a batch
    assert encoder.final.weight.shape == (5, size)


def test_a_normalised_network_tells_the_largest_images_apart(key):
    encoder = pz.backbones.CNN((8, 8, 1), 5, key=key)
    images = normal((3, 8, 8, 1))
    codes = [jax.vmap(encoder)(size * images) for size in (1e10, 1e25, 1e34)]
    assert np.ptp(codes[0], axis=0).max() > 0.01
    np.testing.assert_allclose(codes[1], codes[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(codes[2], codes[0], rtol=1e-4, atol=1e-5)
    slope = jax.grad(lambda x: jax.vmap(encoder)(x).sum())(1e25 * images)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda key: pz.backbones.CNN((8, 8, 0), 5, key=key),
            r"shape.*\(height, width, channels\)",
        ),
        (
            lambda key: pz.backbones.CNN((8, 8, 1), 0, key=key),
            "`latent_dim` must be a positive integer, got 0",
        ),
        (
            lambda key: pz.backbones.CNN((8, 8, 1), 5, (4, 4, 4, 4), key=key),
            "too small for 4 stages",
        ),
        (lambda key: pz.zoo.ImageGLVQ(X, Y, key=key), r"images.*x\[..., None\]"),
        (lambda key: spd(key, omega_initialiser="pca"), "omega_initialiser='pca'.*flat"),
        (lambda key: metrics.Tangent(jnp.zeros((2, 3, 3))), "subspace_dim.*between 0 and 2.*got 3"),
    ],
)
def test_bad_parts(make, message, key):
    with pytest.raises(ValueError, match=message):
        make(key)
