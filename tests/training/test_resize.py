"""Models with other prototypes: those that do nothing go, those with the largest error are
split."""

import jax
import numpy as np
import pytest
from zoo import blobs, matrices

import protozoo as pz


X, Y = blobs()


def trainer(epochs: int = 5, **settings) -> pz.Trainer:
    return pz.Trainer(pz.GradientDescent("adam", 0.05), epochs, **settings)


def idle(points: np.ndarray) -> np.ndarray:
    """A point where nothing is."""
    return np.full_like(points[:1], 100)


def test_what_wins_nothing_goes_and_each_class_keeps_one():
    points = np.concatenate([X[:2], idle(X), X[20:22], idle(X), idle(X) + 1])
    prototypes = pz.Prototypes(points, [0, 0, 0, 1, 1, 2, 2])
    model = pz.PrototypeModel(prototypes, pz.metrics.LocalOmega.identity(7, 5, 2), pz.losses.GLVQ())
    ratios = np.asarray(model.win_ratios(X, Y))
    resized = pz.Resize(split=0)(model, X, Y, key=0)
    keep = ratios > 0
    keep[5] = True  # the first of two that win nothing: their class keeps one
    assert ratios[[2, 5, 6]].max() == 0
    np.testing.assert_array_equal(resized.prototypes.points, points[keep])
    np.testing.assert_array_equal(resized.metric.matrix, model.metric.matrix[keep])
    clusters = pz.PrototypeModel(
        pz.Prototypes(points), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    resized = pz.Resize(split=0)(clusters, X, key=0)
    np.testing.assert_array_equal(
        resized.prototypes.points, points[np.asarray(clusters.win_ratios(X)) > 0]
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_weights_are_copies_where_wins_are_counted(labelled):
    labels, loss = (
        ([0, 0, 1, 1, 2, 2], pz.losses.GLVQ()) if labelled else (None, pz.losses.HardClustering())
    )
    places = [0, 1, 20, 21, 40, 41]
    model = pz.PrototypeModel(pz.Prototypes(X[places], labels), pz.metrics.SquaredEuclidean(), loss)
    weight = np.ones(len(X), int)
    weight[places] = [20, 0, 1, 20, 5, 1]
    x, y = np.repeat(X, weight, axis=0), np.repeat(Y, weight)
    own = (Y, y) if labelled else (None, None)
    ratios = model.win_ratios(X, own[0], weight)
    np.testing.assert_array_equal(ratios, model.win_ratios(x, own[1]))
    assert not np.array_equal(ratios, model.win_ratios(X, own[0]))
    np.testing.assert_array_equal(model.win_ratios(X, own[0], weight * 2.0**1018), ratios)
    resize = pz.Resize(least=float(np.sort(ratios)[3]), split=0)
    weighted = resize(model, X, own[0], key=0, sample_weight=weight)
    np.testing.assert_array_equal(
        weighted.prototypes.points, resize(model, x, own[1], key=0).prototypes.points
    )


def test_classes_may_be_called_by_their_names(unchecked):
    model = pz.zoo.GLVQ(X, Y, key=0, prototypes_per_class=2).named(classes=["a", "b", "c"])
    named, numbered = (pz.Resize()(model, X, y, key=0) for y in (np.array(list("abc"))[Y], Y))
    np.testing.assert_array_equal(named.prototypes.points, numbered.prototypes.points)


def test_the_largest_error_is_split_at_one_of_its_samples():
    # One cluster of three is not covered.
    model = pz.PrototypeModel(
        pz.Prototypes(X[[0, 20]]), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    delta = np.asarray(model.distances(X))
    totals = np.bincount(delta.argmin(axis=1), delta.min(axis=1))
    found = {}
    for key in range(20):
        grown = pz.Resize()(model, X, key=key)
        assert len(grown.prototypes) == 3
        (sample,) = np.flatnonzero((X == np.asarray(grown.prototypes.points)[2]).all(axis=1))
        assert delta[sample].argmin() == totals.argmax() and delta[sample].min() > 0
        found[int(sample)] = True
    assert len(found) > 5
    assert len(pz.Resize(split=2, capacity=3)(model, X, key=0).prototypes) == 3
    # Where there is no error, nothing is split.
    exact = pz.PrototypeModel(
        pz.Prototypes(X), pz.metrics.SquaredEuclidean(), pz.losses.HardClustering()
    )
    assert len(pz.Resize(split=3)(exact, X, key=0).prototypes) == len(X)


@pytest.mark.parametrize("name", ["LGMLVQ", "CBC", "GaussianMixture", "SiameseGLVQ"])
def test_any_model_is_resized_and_trained_on(name):
    x, y = matrices() if name == "RiemannianSRNG" else (X, Y)
    y = y if getattr(pz.zoo, name).supervised else None
    model = getattr(pz.zoo, name)(x, y, key=0)
    resized = pz.Resize(split=2)(model, x, y, key=1)
    assert len(resized.prototypes) == len(model.prototypes) + 2 or name == "CBC"
    assert np.isfinite(resized.predict_proba(x)).all()
    fit = trainer(2).fit(resized, x, y, key=0)
    assert np.isfinite(fit.history["loss"]).all()


def test_phases_resize_between_them(tmp_path):
    model = pz.zoo.GLVQ(X, Y, key=0)
    phases = pz.Phases([trainer(), trainer(), trainer()], between=pz.Resize(split=1))
    fit = phases.fit(model, X, Y, key=jax.random.key(0))
    assert len(fit.model.prototypes) == 5 and len(fit.history["loss"]) == 15
    # By hand, and from checkpoints: the same.
    keys, by_hand = jax.random.split(jax.random.key(0), 3), model
    for i, key in enumerate(keys):
        if i:
            by_hand = pz.Resize(split=1)(by_hand, X, Y, key=jax.random.fold_in(key, i))
        by_hand = trainer().fit(by_hand, X, Y, key=key).model
    np.testing.assert_array_equal(fit.model.prototypes.points, by_hand.prototypes.points)
    kept = pz.Phases(phases.trainers, pz.Checkpoints(tmp_path / "c", every=2), phases.between)
    kept.fit(model, X, Y, key=jax.random.key(0))
    resumed = kept.fit(model, X, Y, key=jax.random.key(0), resume=True)
    np.testing.assert_array_equal(resumed.model.prototypes.points, by_hand.prototypes.points)
    with pytest.raises(ValueError, match="`between` is given all samples"):
        phases.fit(model, [(X, Y)], key=0)


def test_a_state_in_training_is_resized():
    """What the optimiser remembers of those that stay, stays; of a new one, it is that of the
    nearest."""
    state = trainer().init(pz.zoo.GLVQ(X, Y, key=0, prototypes_per_class=2))
    state, _ = trainer().step(state, X, Y)
    resized = pz.Resize(split=1)(state, X, Y, key=0)
    assert isinstance(resized, pz.training.TrainState) and len(resized.model.prototypes) >= 4
    resized, loss = trainer().step(resized, X, Y)
    assert np.isfinite(loss)


def test_what_cannot_be_resized_is_refused(unchecked):
    with pytest.raises(TypeError, match="`between` must be a function of `.model, x, y, .*'key'"):
        pz.Phases([trainer()], between=lambda model, x, y: model)
    with pytest.raises(ValueError, match="`y` is missing: this model knows classes"):
        pz.Resize()(pz.zoo.GLVQ(X, Y, key=0), X, key=0)
    with pytest.raises(ValueError, match="`y` was given, but this model has no classes"):
        pz.Resize()(pz.zoo.HCM(X, key=0), X, Y, key=0)
    with pytest.raises(ValueError, match="`least` must lie in"):
        pz.Resize(least=2.0)
