"""What features contribute adds up to δ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import protozoo as pz
from protozoo.manifolds import SPD
from protozoo.models import contributions


RNG = np.random.default_rng(0)
P, D = 6, 4
LABELS = np.repeat([0, 1, 2], 2)
POINTS = RNG.normal(size=(P, D)).astype(np.float32)
X = RNG.normal(size=(11, D)).astype(np.float32)
OMEGA = RNG.normal(size=(D, 3)).astype(np.float32)
LOCAL = RNG.normal(size=(P, D, 3)).astype(np.float32)
WIDTHS = np.linspace(0.8, 1.6, P).astype(np.float32)
SCATTER = np.stack([np.cov(RNG.normal(size=(D, 20))) for _ in range(P)])
BASES = np.linalg.qr(RNG.normal(size=(P, D, 2)))[0].astype(np.float32)


def model(metric, points=POINTS, labels=LABELS, space=None, **parts) -> pz.PrototypeModel:
    prototypes = pz.Prototypes(points, labels, space)
    return pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ(), **parts)


def metrics() -> dict[str, tuple]:
    """Metrics, and their Λ of each prototype."""
    omega = pz.metrics.Omega(jnp.asarray(OMEGA))
    local = pz.metrics.LocalOmega(jnp.asarray(LOCAL))
    shared = np.broadcast_to(OMEGA.astype(float) @ OMEGA.T, (P, D, D))
    own = LOCAL.astype(float) @ LOCAL.swapaxes(1, 2)
    relevance = pz.metrics.Relevance(jnp.asarray(np.log([0.1, 0.2, 0.3, 0.4])))
    kernel = pz.metrics.GaussianKernel.with_bandwidths
    rest = np.eye(D) - BASES.astype(float) @ BASES.swapaxes(1, 2)
    density = pz.metrics.Mahalanobis.from_covariances(SCATTER)
    return {
        "euclidean": (pz.metrics.SquaredEuclidean(), np.broadcast_to(np.eye(D), (P, D, D))),
        "relevance": (relevance, np.broadcast_to(np.diag([0.1, 0.2, 0.3, 0.4]), (P, D, D))),
        "omega": (omega, shared),
        "local omega": (local, own),
        "tangent": (pz.metrics.Tangent(jnp.asarray(BASES)), rest),
        "kernel": (kernel(omega, WIDTHS), shared),
        "local kernel": (kernel(local, WIDTHS), own),
        "density": (density, np.linalg.inv(SCATTER)),
    }


ORDINARY = ("local kernel", "density")


@pytest.mark.parametrize(
    "name",
    [
        name if name in ORDINARY else pytest.param(name, marks=pytest.mark.nightly)
        for name in metrics()
    ],
)
def test_the_sum_is_the_dissimilarity(name):
    """Each term has its share of the quadratic form, and all of them make the model's own δ."""
    metric, matrices = metrics()[name]
    asked = model(metric)
    found = contributions(asked, X, P)
    delta = np.asarray(asked.distances(X))
    rows = np.arange(len(X))[:, None]
    np.testing.assert_array_equal(found.distances, delta[rows, found.prototypes])
    np.testing.assert_array_equal(found.distances, np.sort(delta, axis=1))
    total = found.features.astype(float).sum(axis=-1) + found.constant
    np.testing.assert_allclose(total, found.distances, rtol=1e-5, atol=1e-5)
    v = X[:, None].astype(float) - POINTS[found.prototypes]
    terms = v * np.einsum("nkd,nkde->nke", v, matrices[found.prototypes])
    shares = terms / terms.sum(axis=-1, keepdims=True)
    expected = shares * (found.distances - found.constant)[..., None]
    np.testing.assert_allclose(found.features, expected, rtol=1e-4, atol=1e-4)
    logdet = np.linalg.slogdet(SCATTER)[1] + D * np.log(2 * np.pi)
    constant = logdet[found.prototypes] if name == "density" else 0
    np.testing.assert_allclose(found.constant, np.broadcast_to(constant, v.shape[:2]), rtol=1e-4)


def test_each_class_is_told_of_once():
    asked = model(pz.metrics.SquaredEuclidean())
    found, delta = contributions(asked, X, 3, per_class=True), np.asarray(asked.distances(X))
    classes = LABELS[found.prototypes]
    assert (np.sort(classes, axis=1) == [0, 1, 2]).all()
    best = delta.reshape(len(X), 3, 2).min(axis=2)
    np.testing.assert_array_equal(found.distances, np.sort(best, axis=1))
    free = pz.PrototypeModel(
        pz.Prototypes(POINTS), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    assert contributions(free, X, P, per_class=True).features.shape == (len(X), P, D)


def test_nothing_is_there_at_a_prototype_and_in_a_gap():
    at = contributions(model(pz.metrics.SquaredEuclidean()), POINTS)
    assert (at.features == 0).all() and (at.distances == at.constant).all()
    gaps = X.copy()
    gaps[::2, 1] = np.nan
    holed = model(pz.metrics.Missing(pz.metrics.Omega(jnp.asarray(OMEGA))))
    found = contributions(holed, gaps, 2)
    assert (found.features[::2, :, 1] == 0).all() and (found.features[1::2, :, 1] != 0).all()
    np.testing.assert_allclose(found.features.sum(axis=-1), found.distances, rtol=1e-5)


@pytest.mark.parametrize("scale", [pytest.param(1e-15, marks=pytest.mark.nightly), 1e15])
def test_units_cancel(scale):
    one = contributions(model(pz.metrics.SquaredEuclidean()), X, 2)
    other = contributions(model(pz.metrics.SquaredEuclidean(), scale * POINTS), scale * X, 2)
    np.testing.assert_array_equal(other.prototypes, one.prototypes)
    np.testing.assert_allclose(other.features / scale**2, one.features, rtol=1e-4)


def test_behind_an_encoder_features_are_those_of_its_output():
    asked = model(pz.metrics.SquaredEuclidean(), encoder=lambda x: 2 * x[:D])
    wide = np.concatenate([X, X], axis=1)
    found = contributions(asked, wide)
    expected = (2 * X - POINTS[found.prototypes[:, 0]]) ** 2
    np.testing.assert_allclose(found.features[:, 0], expected, rtol=1e-5)


def test_what_has_no_terms_is_refused():
    curved = SPD(2).random_points(jax.random.key(0), P)
    for asked, x, options, message in (
        (model(pz.metrics.Cosine()), X, {}, "quadratic metric: δ of Cosine"),
        (
            model(pz.metrics.SquaredEuclidean(), curved, space=SPD(2)),
            curved,
            {},
            r"flat space: points of SPD",
        ),
        (model(pz.metrics.SquaredEuclidean()), X, {"nearest": 7}, "7, and the model has 6 proto"),
        (
            model(pz.metrics.SquaredEuclidean()),
            X,
            {"nearest": 4, "per_class": True},
            "`nearest` is 4, and the model has 3 classes",
        ),
        (model(pz.metrics.SquaredEuclidean()), X, {"nearest": 0}, "`nearest`"),
    ):
        with pytest.raises(ValueError, match=message):
            contributions(asked, x, **options)


def test_relevances_of_each_prototype():
    asked = model(metrics()["local omega"][0])
    found = np.asarray(asked.relevance_diagonal(per_prototype=True))
    diagonal = np.einsum("pdl,pdl->pd", LOCAL, LOCAL)
    np.testing.assert_allclose(found, diagonal / diagonal.sum(axis=1, keepdims=True), rtol=1e-5)
    shared = model(metrics()["omega"][0])
    every = np.asarray(shared.relevance_diagonal(per_prototype=True))
    np.testing.assert_array_equal(every, np.tile(shared.relevance_diagonal(), (P, 1)))
