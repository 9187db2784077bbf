"""A sample of weight zero is not there, and a weight is as many copies: from the first initialiser
to the last score."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from zoo import CASES, Case, blobs

import protozoo as pz
from protozoo.sklearn import PrototypeClusterer, PrototypeMixture
from protozoo.training import Slices


X, Y = blobs()
KEY = jax.random.key(0)
COPIES = 1 + np.arange(len(X)) % 3

#: A row for each kind of rule, metric and loss; all others are asked in the nightly campaign.
FEW = {
    "KNN",
    "NPC",
    "MedianLVQ",
    "LVQ1",
    "GMLVQ",
    "RSLVQ_NG",
    "DKGLVQ",
    "CBC",
    "RiemannianSRNG",
    "GaussianMixture",
}
SOME = [
    pytest.param(case, marks=[] if str(case) in FEW else pytest.mark.nightly, id=str(case))
    for case in CASES
]


def with_absent(
    x: np.ndarray, y: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Twenty more samples, far away and of other classes, which weigh nothing."""
    places = np.arange(0, len(x), 3)
    absent = x[places] * 100
    weight = np.insert(np.ones(len(x)), places, 0)
    others = None if y is None else np.insert(y, places, (y[places] + 1) % (y.max() + 1))
    return np.insert(x, places, absent, axis=0), others, weight


def starts_alike(case: Case) -> dict[str, Any]:
    """Options with which copies of samples make the same start."""
    return case.options | ({"initialiser": "means"} if "initialiser" in case.recipe.options else {})


def close(one: Any, other: Any, **tolerances: float) -> None:
    pairs = zip(
        *(jax.tree.leaves(eqx.filter(m, eqx.is_inexact_array)) for m in (one, other)), strict=True
    )
    for a, b in pairs:
        np.testing.assert_allclose(a, b, **tolerances)


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_row_is_built_without_samples_of_weight_zero(case):
    x, y, weight = with_absent(case.x, case.y)
    model = case.recipe(x, y, key=jax.random.key(3), sample_weight=weight, **case.options)
    assert eqx.tree_equal(model, case.model)


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_row_is_built_by_weights_as_by_copies(case):
    make, options = case.recipe, starts_alike(case)
    y = None if case.y is None else np.repeat(case.y, COPIES)
    weighted = make(case.x, case.y, key=KEY, sample_weight=COPIES, **options)
    close(
        weighted,
        make(np.repeat(case.x, COPIES, axis=0), y, key=KEY, **options),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("case", SOME)
def test_a_row_is_trained_without_samples_of_weight_zero(case):
    x, y, weight = with_absent(case.x, case.y)
    trainer = case.recipe.trainer(epochs=3)
    fit = trainer.fit(case.model, x, y, key=KEY, sample_weight=weight)
    alone = trainer.fit(case.model, case.x, case.y, key=KEY)
    assert eqx.tree_equal(fit.model, alone.model)
    np.testing.assert_array_equal(fit.history["loss"], alone.history["loss"])


@pytest.mark.parametrize("case", SOME)
def test_a_row_is_trained_by_weights_as_by_copies(case):
    if "Median" in case.name or str(case) == "HeskesSOM-torus":
        pytest.skip("Where two exchanges, or all winners, are equally good, rounding chooses.")
    if case.name in ("SOM", "GrowingNeuralGas"):
        pytest.skip("Learning sample by sample, copies are more steps than weights.")
    # Distances do not see the last bias of an encoder: Adam would take the signs of rounding.
    one_step = {"epochs": 1, "rule": pz.GradientDescent("sgd", 1e-2)}
    trainer = case.recipe.trainer(**(one_step if case.encoded else {"epochs": 3}))
    y = None if case.y is None else np.repeat(case.y, COPIES)
    weighted = trainer.fit(case.model, case.x, case.y, key=KEY, sample_weight=COPIES)
    copies = trainer.fit(case.model, np.repeat(case.x, COPIES, axis=0), y, key=KEY)
    np.testing.assert_allclose(
        weighted.history["loss"], copies.history["loss"], rtol=1e-3, atol=1e-5
    )
    close(weighted.model, copies.model, rtol=1e-2, atol=1e-3)


# The short ways.


@pytest.mark.parametrize(
    "class_weight", [None, "balanced", {0: 1.0, 1: 2.0, 2: 0.5}, {0: 1.0, 1: 1.0, 2: 0.0}]
)
def test_the_first_minute_takes_weights(class_weight):
    x, y, weight = with_absent(X, Y)
    settings = {"key": KEY, "epochs": 3, "class_weight": class_weight}
    fit = pz.fit("GLVQ", x, y, sample_weight=weight, **settings)
    assert eqx.tree_equal(fit.model, pz.fit("GLVQ", X, Y, **settings).model)
    # Weights that balance classes count copies.
    weighted = pz.fit("GLVQ", X, Y, sample_weight=COPIES * (1 + Y), **settings)
    copies = pz.fit("GLVQ", *(np.repeat(a, COPIES * (1 + Y), axis=0) for a in (X, Y)), **settings)
    np.testing.assert_allclose(weighted.history["loss"], copies.history["loss"], rtol=1e-5)


def test_the_size_of_a_map_is_that_of_copies():
    make = pz.zoo.HeskesSOM
    weighted, once = make(X, key=0, sample_weight=COPIES), make(X, key=0)
    copies = make(np.repeat(X, COPIES, axis=0), key=0)
    assert weighted.loss.cooperation.lattice == copies.loss.cooperation.lattice
    assert weighted.loss.cooperation.lattice == once.loss.cooperation.lattice


@pytest.mark.parametrize("name", ["GLVQ", "MedianLVQ"])
def test_folds_hold_no_samples_of_weight_zero(name):
    x, y, weight = with_absent(X, Y)
    settings = {"folds": 3, "key": KEY, "epochs": 3}
    result = pz.cross_validate(name, x, y, sample_weight=weight, **settings)
    alone = pz.cross_validate(name, X, Y, **settings)
    np.testing.assert_array_equal(result.folds[weight > 0], alone.folds)
    assert (result.folds[weight == 0] == -1).all()
    np.testing.assert_array_equal(result.scores, alone.scores)
    for one, other in zip(result.fits, alone.fits, strict=True):
        assert eqx.tree_equal(one.model, other.model)
    if name == "MedianLVQ":
        for i, fit in enumerate(alone.fits):
            held_out = {tuple(sample) for sample in X[alone.folds == i].tolist()}
            assert not held_out & {
                tuple(point) for point in np.asarray(fit.model.prototypes.points).tolist()
            }


def test_scores_of_folds_are_weighted():
    weight = np.where(np.arange(len(X)) % 2 == 0, 3.0, 1.0)
    result = pz.cross_validate("GLVQ", X, Y, folds=2, key=KEY, epochs=1, sample_weight=weight)
    for i, fit in enumerate(result.fits):
        mine = result.folds == i
        right = np.asarray(fit.model.predict(X))[mine] == Y[mine]
        np.testing.assert_allclose(result.scores[i], right @ weight[mine] / weight[mine].sum())


# Samples that must not be chosen, although nothing is better.


def test_a_sample_without_weight_is_no_prototype_however_good_it_is():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 6]).astype(np.float32)
    x[[0, 20]] = [0, 0], [6, 6]  # the best ones there are
    y, weight = np.repeat([0, 1], 20), np.ones(40)
    weight[[0, 20]] = 0
    trainer = pz.zoo.MedianLVQ.trainer(epochs=10)
    start = pz.PrototypeModel(
        pz.Prototypes(x[[5, 25]], [0, 1]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )
    free = trainer.fit(start, x, y, key=KEY).model.prototypes.points
    together = pz.fit_many(trainer, [start, start], x, y, key=KEY, sample_weight=weight)[0]
    for fit in (trainer.fit(start, x, y, key=KEY, sample_weight=weight), together):
        points = np.asarray(fit.model.prototypes.points)
        assert not (points == x[[0, 20]]).all(axis=1).any()
        assert all((x[weight > 0] == point).all(axis=1).any() for point in points)
    assert free.shape == (2, 2)
    # D² seeding would take the sample that is farthest from everything.
    far = np.concatenate([x, [[1e3, 1e3]]]).astype(np.float32)
    weight = np.append(np.ones(40), 0)
    for name in ("HCM", "FCM", "NeuralGas", "GaussianMixture"):
        for seed in range(5):
            points = getattr(pz.zoo, name)(
                far, key=seed, prototypes=2, sample_weight=weight
            ).prototypes.points
            assert float(np.abs(np.asarray(points)).max()) < 100


# Streams, validation, many models.


def stream(
    weight: np.ndarray | None, x: np.ndarray = X, y: np.ndarray = Y, size: int = 20
) -> list[tuple]:
    parts = (x, y) if weight is None else (x, y, weight)
    return [tuple(a[i : i + size] for a in parts) for i in range(0, len(x), size)]


def trained(source: Any, **settings: Any) -> pz.training.Fit:
    model = pz.zoo.GLVQ(X, Y, key=KEY)
    return pz.Trainer(pz.GradientDescent("adam", 1e-2), 3).fit(model, source, key=KEY, **settings)


@pytest.mark.parametrize("weight", [10.0, 2.0**-60, 1e30, 1e308])
def test_equal_weights_of_a_stream_say_nothing(weight):
    plain, weighted = trained(stream(None)), trained(stream(np.full(len(X), weight)))
    assert eqx.tree_equal(plain.model, weighted.model)
    np.testing.assert_allclose(plain.history["loss"], weighted.history["loss"], rtol=1e-6)
    held_out = trained(stream(None), validation=lambda epoch: stream(np.full(len(X), weight)))
    np.testing.assert_allclose(
        held_out.history["validation_loss"],
        trained(stream(None), validation=(X, Y)).history["validation_loss"],
        rtol=1e-5,
    )


def test_a_stream_does_not_show_what_has_no_weight():
    weight = np.ones(len(X))
    weight[[3, 25, 26, 40]] = 0
    shorter = [tuple(a[w > 0] for a in (x, y)) for x, y, w in stream(weight)]
    assert eqx.tree_equal(trained(stream(weight)).model, trained(shorter).model)
    # Nor a whole batch, which would be a step along the momentum.
    weight[20:40] = 0
    with_empty, without = trained(stream(weight)), trained(stream(weight)[::2])
    assert eqx.tree_equal(with_empty.model, without.model)
    np.testing.assert_array_equal(with_empty.history["loss"], without.history["loss"])
    # Here the second batch is the second class.
    by_class = trained(stream(None), class_weight={0: 1.0, 1: 0.0, 2: 1.0})
    assert eqx.tree_equal(by_class.model, trained(stream(None)[::2]).model)


def test_the_loss_of_a_stream_is_the_mean_over_all_its_samples():
    """In float32, the sum of many losses stops to grow."""
    from protozoo.training._stream import _Mean

    mean = _Mean()
    for _ in range(30):
        mean.add(jax.numpy.full(1000, 1.0), np.full(999, 2.0**20))
    mean.add(jax.numpy.zeros(1000), np.full(999, 1e-3))
    np.testing.assert_allclose(mean(), 1, rtol=1e-7)
    source = Slices(X, Y, batch_size=7)
    still = pz.Trainer(pz.GradientDescent("sgd", 1e-30), 1)
    model = pz.zoo.GLVQ(X, Y, key=KEY)
    np.testing.assert_allclose(
        still.fit(model, source, key=KEY).history["loss"],
        still.fit(model, X, Y, key=KEY).history["loss"],
        rtol=1e-5,
    )


def test_validation_samples_without_weight_are_not_there():
    x, y, weight = with_absent(X, Y)
    of = [
        trained(stream(None), validation=given).history["validation_loss"]
        for given in ((x, y, weight), (X, Y))
    ]
    np.testing.assert_array_equal(*of)
    many = tuple(np.repeat(a, COPIES, axis=0) for a in (X, Y))
    of = [
        trained(stream(None), validation=given).history["validation_loss"]
        for given in ((X, Y, COPIES), many)
    ]
    np.testing.assert_allclose(*of, rtol=1e-5)


def test_members_with_weights_of_zero_are_trained_as_if_alone():
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), 3)
    model = pz.zoo.GLVQ(X, Y, key=KEY)
    weights = (np.arange(3)[:, None] != np.arange(len(X)) % 3) * 2.0
    for fit in pz.fit_many(trainer, model, X, Y, key=KEY, sample_weight=weights):
        mine = weights[fit.member] > 0
        alone = trainer.fit(model, X[mine], Y[mine], key=KEY)
        np.testing.assert_allclose(fit.history["loss"], alone.history["loss"], rtol=1e-5)
        close(fit.model, alone.model, rtol=1e-4, atol=1e-5)


def judged(weight: np.ndarray) -> dict[str, Any]:
    """What is said of samples with weights, and does not depend on their sum."""
    model, units = pz.zoo.GLVQ(X, Y, key=KEY), pz.zoo.KohonenSOM(X, key=KEY, grid=(3, 3))
    plain = pz.evaluate(model, X, Y, weight).as_dict()
    counts = ("classes", "samples", "support", "confusion", "unknown", "standard_errors")
    classes = pz.topology.label_map(units, X, Y, weight)
    hits = pz.topology.hits(units, X, weight)
    clusterer = PrototypeClusterer("KMeans", epochs=1, random_state=0).fit(X)
    mixture = PrototypeMixture(epochs=1, random_state=0).fit(X)
    return {
        "evaluation": {name: one for name, one in plain.items() if name not in counts},
        "quantisation": pz.topology.quantisation_error(units, X, weight),
        "topographic": pz.topology.topographic_error(units, X, weight),
        "purity": (classes.purity, classes.total_purity),
        "hits": hits / hits.sum(),
        "clusterer": clusterer.score(X, sample_weight=weight),
        "mixture": mixture.score(X, sample_weight=weight),
        "whitening": pz.backbones.Whitening.from_data(X, weight).matrix,
    }


def test_what_is_said_of_samples_knows_no_unit_of_weights():
    """Nor that their sum is beyond the range of floats, or below it."""
    weight = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    expected = judged(weight)
    for unit in (2.0**1020, 2.0**-1060):
        found = judged(weight * unit)
        for name, one in expected.items():
            for a, b in zip(jax.tree.leaves(found[name]), jax.tree.leaves(one), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)
