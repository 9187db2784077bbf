"""Parts of one's own: the page about them runs, and what does not keep the contract is found."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pages import ROOT, run
from zoo import CASES, blobs

import protozoo as pz
from protozoo import losses, manifolds, metrics, testing


X, Y = blobs()
PROTOTYPES = pz.Prototypes.from_classes(X, Y, 2, key=0)
LABELS, CLASSES = [0, 0, 1, 1, 1, 2], [0, 1, 2, 2, 1, 0]


def test_every_example_runs(capsys):
    names = run(ROOT / "docs" / "extending.md")
    assert "accuracy 0.9" in capsys.readouterr().out
    assert names["voting"].predict(names["x"]).shape == (150,)


def sample(*some: object, every: Sequence[object]) -> list:
    """A few of many in the ordinary suite, all of them nightly."""
    return [*some, *(pytest.param(one, marks=pytest.mark.nightly) for one in every)]


METRICS = [
    metrics.SquaredEuclidean(),
    metrics.Relevance.uniform(5),
    metrics.Omega.identity(5, 3, normalised=True),
    metrics.Tangent.from_data(X, PROTOTYPES, 2, Y),
    metrics.GaussianKernel.from_data(metrics.SquaredEuclidean(), X, PROTOTYPES, Y),
    metrics.ExponentialKernel.from_data(X),
]


def kind(thing: object) -> str:
    return type(thing).__name__


@pytest.mark.parametrize(
    "metric", sample(metrics.LocalOmega.identity(6, 5), every=METRICS), ids=kind
)
def test_the_metrics_keep_it(metric):
    testing.check_metric(metric, PROTOTYPES, X[:9])


LOSSES = [
    losses.GLVQ(cooperation=pz.RankCooperation(1.0)),
    losses.LVQ1(),
    losses.LVQ21(),
    losses.RSLVQ(0.5),
    losses.SoftLVQ(0.5),
    losses.CrossEntropy(0.5),
    losses.ClasswiseClustering(),
    losses.NearestNeighbours(3),
]


@pytest.mark.parametrize("loss", sample(losses.GLVQ(), every=LOSSES), ids=kind)
def test_the_losses_keep_it(loss):
    testing.check_loss(loss, LABELS, CLASSES)


OF_CLUSTERS = [
    losses.HardClustering(),
    losses.Fuzzy(2.0),
    losses.Cooperative(pz.RankCooperation(1.0)),
]


@pytest.mark.parametrize("loss", sample(losses.Mixture.uniform(6), every=OF_CLUSTERS), ids=kind)
def test_the_losses_of_clusters_keep_it(loss):
    testing.check_loss(loss, np.arange(6))


@pytest.mark.parametrize(
    "space",
    sample(
        manifolds.Euclidean((3,)),
        every=[
            manifolds.SPD(3),
            manifolds.Sphere(3),
            manifolds.SO(4),
            manifolds.Grassmannian(5, 2),
        ],
    ),
    ids=str,
)
def test_the_spaces_keep_it(space):
    testing.check_manifold(space)


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rows_keep_it(case):
    testing.check_model(case.model, case.x, case.y)


class Undeclared(metrics.AbstractMetric):
    """Scales of prototypes that are not declared to be theirs."""

    scales: jax.Array = pz.learned()

    def __call__(self, x, prototypes):
        return metrics.SquaredEuclidean()(x, prototypes) * self.scales


class OfBatch(metrics.AbstractMetric):
    """A row that depends on other rows."""

    def __call__(self, x, prototypes):
        return metrics.SquaredEuclidean()(x - x.mean(axis=0), prototypes)


class Rooted(metrics.AbstractMetric):
    """A derivative that is infinite where a sample is a prototype."""

    def __call__(self, x, prototypes):
        return jnp.sqrt(jnp.sum((x[:, None] - prototypes.points[None]) ** 2, axis=-1))


class Mistaken(metrics.AbstractMetric, metrics.AbstractScaleFree):
    """Another degree than it says."""

    degree: ClassVar[int] = 1

    def __call__(self, x, prototypes):
        return metrics.SquaredEuclidean()(x, prototypes)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Undeclared(jnp.arange(1.0, 7.0)), "axis of prototypes not declared"),
        (OfBatch(), "depend on its sample alone"),
        (Rooted(), "derivative by parameters should be finite"),
        (Mistaken(), "to the power of 1, its degree"),
    ],
)
def test_a_metric_that_does_not_keep_it_is_found(metric, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_metric(metric, PROTOTYPES, X[:9])


class Halved(losses.AbstractSampleLoss):
    """A derivative that is not that of its values, and a decision that is not relative."""

    relative: ClassVar[bool] = False
    supervised: ClassVar[bool] = False

    def __call__(self, delta, labels, y, progress=1.0):
        return 0.5 * (jax.lax.stop_gradient(delta) + delta).min(axis=1)

    def scores(self, delta, labels):
        return losses.nearness(delta)


class Absolute(losses.AbstractSampleLoss):
    """It says that it decides by differences, and does not."""

    relative: ClassVar[bool] = True
    supervised: ClassVar[bool] = False

    def __call__(self, delta, labels, y, progress=1.0):
        return delta.min(axis=1)

    def scores(self, delta, labels):
        return losses.nearness(delta)


@pytest.mark.parametrize(
    ("loss", "message"), [(Halved(), "derivative by δ"), (Absolute(), "it is `relative`")]
)
def test_a_loss_that_does_not_keep_it_is_found(loss, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_loss(loss, np.arange(4))


class Chordal(manifolds.AbstractManifold):
    """Unit vectors with straight distances: no geodesics."""

    displacement_is_difference: ClassVar[bool] = False

    @property
    def point_shape(self):
        return (3,)

    @property
    def dimension(self):
        return 2

    @property
    def coordinate_size(self):
        return 3

    @property
    def injectivity_radius(self):
        return np.pi

    @property
    def origin(self):
        return jnp.eye(3)[0]

    def project(self, points):
        return points / jnp.linalg.norm(points, axis=-1, keepdims=True)

    def coordinates(self, points, x):
        return x[:, None] - points[None]

    def squared_distances(self, points, x):
        return jnp.sum(self.coordinates(points, x) ** 2, axis=-1)

    def exp(self, points, coordinates):
        return self.project(points + 0.5 * coordinates)

    def violation(self, points):
        return None

    def random_points(self, key, count):
        return self.project(jax.random.normal(key, (count, 3)))


def test_a_space_that_is_none_is_found():
    with pytest.raises(AssertionError, match="`exp` should undo `coordinates`"):
        testing.check_manifold(Chordal())


def test_a_model_that_breaks_its_promise_is_found():
    class Forgetful(metrics.AbstractMetric):
        def __call__(self, x, prototypes):
            delta = metrics.SquaredEuclidean()(x, prototypes)
            return delta + jnp.arange(len(x))[:, None] * delta[:, :1]

    model = pz.PrototypeModel(PROTOTYPES, Forgetful(), losses.GLVQ())
    with pytest.raises(AssertionError, match="order of samples"):
        testing.check_model(
            eqx.tree_at(lambda m: m.prototypes.points, model, PROTOTYPES.points + 0.1), X[:9], Y[:9]
        )
