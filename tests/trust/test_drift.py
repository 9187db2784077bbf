"""Streams whose concept changes, and a learner that follows it."""

import pickle

import jax
import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.linear_model import LogisticRegression
from zoo import blobs

import protozoo as pz
from protozoo.training import ADWIN, SEA, AdaptiveLVQ, RotatingHyperplane, prequential
from protozoo.training._drift import BUCKETS, _more


CENTRES = np.array([[0, 0], [3, 0], [0, 3]], np.float32)


def batches(count: int, swapped: int = 0, seed: int = 0, rows: int = 50):
    """Three clusters, whose classes are the next ones if they are swapped."""
    random = np.random.default_rng((seed, swapped))
    for _ in range(count):
        y = random.integers(0, 3, rows)
        x = CENTRES[y] + 0.8 * random.normal(size=(rows, 2))
        yield x.astype(np.float32), (y + swapped) % 3


def glvq(points=CENTRES, labels=(0, 1, 2), **parts) -> pz.PrototypeModel:
    parts = {"loss": pz.losses.GLVQ(), "metric": pz.metrics.SquaredEuclidean()} | parts
    return pz.PrototypeModel(pz.Prototypes(np.asarray(points, np.float32), labels), **parts)


def whole(stream) -> tuple[np.ndarray, np.ndarray]:
    xs, ys = zip(*stream, strict=True)
    return np.concatenate(xs), np.concatenate(ys)


def bounds(n: int, p: float) -> tuple[float, float]:
    """Between which a count lies but for one time in a million."""
    return binom.interval(1 - 1e-6, n, p)


# Streams.


def test_classes_of_sea_are_those_of_its_concepts():
    clean, noisy = (whole(SEA(samples=4000, noise=p, seed=3)) for p in (0.0, 0.1))
    concept = np.repeat([8.0, 9.0, 7.0, 9.5], 1000)
    np.testing.assert_array_equal(clean[1], clean[0][:, :2].sum(axis=1) <= concept)
    np.testing.assert_array_equal(clean[0], noisy[0])
    low, high = bounds(4000, 0.1)
    assert low <= (clean[1] != noisy[1]).sum() <= high
    assert clean[0].min() >= 0 and clean[0].max() <= 10
    np.testing.assert_array_equal(SEA(samples=4000).drifts, [1000, 2000, 3000])


def test_a_concept_takes_over_evenly():
    # So far apart that each sample says which concept it is of.
    stream = SEA(samples=40_000, thresholds=(-1.0, 30.0), noise=0.0, transition=10_000)
    share = whole(stream)[1].reshape(8, 5000).mean(axis=1)
    assert (share[:3] == 0).all() and (share[5:] == 1).all()
    for found, expected in zip(share[3:5], (0.25, 0.75), strict=True):
        low, high = bounds(5000, expected)
        assert low <= 5000 * found <= high


def test_a_hyperplane_turns():
    still = whole(RotatingHyperplane(4000, drifting=0, noise=0.0))
    low, high = bounds(4000, 0.5)
    assert low <= still[1].sum() <= high

    def lost(stream) -> float:
        """What a plane through the first thousand samples loses until the last."""
        x, y = whole(stream)
        line = LogisticRegression(C=1e4).fit(x[:1000], y[:1000])
        return line.score(x[:1000], y[:1000]) - line.score(x[-1000:], y[-1000:])

    assert lost(RotatingHyperplane(4000, drifting=0, noise=0.0)) < 0.02
    turning = RotatingHyperplane(4000, drifting=2, magnitude=0.002, reversal=0.0, noise=0.0)
    assert lost(turning) > 0.05  # five standard deviations of such a difference
    noisy = whole(RotatingHyperplane(4000, drifting=0, noise=0.2))
    np.testing.assert_array_equal(noisy[0], still[0])
    low, high = bounds(4000, 0.2)
    assert low <= (noisy[1] != still[1]).sum() <= high


@pytest.mark.parametrize("kind", [SEA, RotatingHyperplane])
def test_a_stream_is_the_same_whenever_and_in_whatever_batches(kind):
    stream = kind(1000, 64, seed=5)
    assert len(stream) == len(list(stream)) == 16
    for other in (stream, kind(1000, 37, seed=5)):
        for a, b in zip(whole(stream), whole(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(whole(stream)[0], whole(kind(1000, 64, seed=6))[0])
    fit = pz.Trainer(pz.GradientDescent("adam", 0.01), 1).fit(
        pz.zoo.GLVQ(*whole(stream), key=0), stream, key=0
    )
    assert np.isfinite(fit.history["loss"]).all()


# The detector.


def test_a_change_that_is_none_is_as_rare_as_the_confidence_says():
    random, alarms = np.random.default_rng(0), 0
    for _ in range(20):
        detector = ADWIN(0.05)
        for errors in random.binomial(20, 0.2, size=50):
            detector, worse = detector.updated(int(errors), 20)
            alarms += worse
    assert alarms <= 0.05 * 20 * 50


def test_a_change_is_found_and_what_was_before_it_forgotten():
    random, detector = np.random.default_rng(0), ADWIN()

    def after(p: float, count: int) -> tuple[ADWIN, list[int]]:
        found, now = [], detector
        for k in range(count):
            now, worse = now.updated(int(random.binomial(20, p)), 20)
            found += [k] * worse
        return now, found

    detector, found = after(0.1, 200)
    assert not found and detector.samples == 4000
    # Of n batches, a logarithm of buckets; together they are all that there was.
    assert detector.buckets.shape[1] <= BUCKETS * np.log2(200)
    assert detector.buckets[2].sum() == 200
    detector, found = after(0.5, 20)
    assert found[0] < 6 and detector.samples < 600 and abs(detector.error - 0.5) < 0.1
    # For the better is a change, too, but no drift to tell of.
    detector, found = after(0.1, 60)
    assert not found and detector.samples < 2000


def test_the_sign_test_is_that_of_scipy():
    for fewer in range(0, 12):
        for more in range(0, 12):
            if fewer + more:
                p = binomtest(fewer, fewer + more, alternative="greater").pvalue
                assert _more(fewer, more, 0.03) == (fewer > more and p <= 0.03)
    assert not _more(0, 0, 0.5) and not _more(-1, 0, 0.5) and _more(2000, 1000, 1e-9)


# The learner.


def test_copies_in_empty_slots_change_nothing():
    """A step is that of the model without them, and so is what an optimiser remembers."""
    points = np.concatenate([CENTRES, CENTRES + 0.5, CENTRES[2:] - 0.5])[[0, 1, 4, 2, 5, 6]]
    model = glvq(points, [0, 1, 1, 2, 2, 2], metric=pz.metrics.LocalOmega.identity(6, 2, 2))
    # Nothing comes or goes: the window is never full, and no test is passed.
    learner = AdaptiveLVQ(model, learning_rate=0.02, boost=1.0, window=1000, level=1e-12)
    assert learner.state.model.prototypes.counts == (4, 4, 4)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.02), 1)
    plain = trainer.init(model)
    for x, y in batches(3):
        learner = learner.learn(x, y)
        plain, _ = trainer.step(plain, x, y)
        of_slots, of_model = learner.predict(x), learner.model.predict(x)
        np.testing.assert_array_equal(of_slots, of_model)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        learner.model,
        plain.model,
    )
    keep = np.concatenate(learner._slots())
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        learner.state.select(keep).loop.rule_state,
        plain.loop.rule_state,
    )


@pytest.fixture(scope="module")
def followed():
    """What becomes of a learner, and of a model, when classes are swapped after 1500 samples."""
    model = glvq()
    stream = [*batches(30), *batches(30, swapped=1)]
    return prequential(AdaptiveLVQ(model, window=300), stream), prequential(model, stream)


def test_a_learner_recovers_where_a_model_does_not(followed):
    learned, static = followed
    assert len(learned.drifts) == 1 and 1500 < learned.drifts[0] <= 1600
    fresh = pz.Trainer(pz.GradientDescent("adam", 0.01), 50).fit(
        glvq(CENTRES[[2, 0, 1]]), *whole(batches(10, swapped=1)), key=0
    )
    x, y = whole(batches(10, swapped=1, seed=1))
    best = np.mean(np.asarray(fresh.model.predict(x)) == y)
    # From 500 samples after the swap on, it is as good as a model that knows nothing else.
    late = learned.samples > 2000
    assert learned.correct[late].sum() / (50 * late.sum()) > best - 0.03
    assert static.correct[late].sum() / (50 * late.sum()) < 0.1
    np.testing.assert_array_equal(static.correct[:30].sum() > 0.85 * 1500, True)
    assert learned.prototypes[-1] <= 6 and (static.prototypes == 3).all()
    # The rate rises with the errors, and falls with them.
    assert 0.01 < learned.learner.rate < 0.02


def test_accuracy_in_a_window_is_that_of_its_samples(followed):
    learned, _ = followed
    right = learned.correct / 50
    expected = [right[max(0, k - 3) : k + 1].mean() for k in range(60)]
    np.testing.assert_allclose(learned.windowed(200), expected)
    np.testing.assert_allclose(learned.windowed(151), expected)
    np.testing.assert_allclose(learned.windowed(10**6)[-1], learned.accuracy)
    assert "1 drifts" in repr(learned)


def test_a_picture_shows_accuracy_counts_and_drifts(followed):
    learned, static = followed
    above, below = pz.plots.prequential({"a": learned, "b": static}, window=200).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), learned.windowed(200))
    assert above.lines[1].get_xdata()[0] == learned.drifts[0]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), learned.prototypes)
    with pytest.raises(ValueError, match="`results` must hold one result"):
        pz.plots.prequential({})


def test_a_prototype_that_does_harm_goes_at_once_and_one_that_does_nothing_later():
    # The second prototype of class 0 is in the cluster of class 1; that of class 2 wins nothing.
    points = np.concatenate([CENTRES[:1], CENTRES[1:2] + 0.1, CENTRES[1:], [[50, 50]]])
    learner = AdaptiveLVQ(glvq(points, [0, 0, 1, 2, 2]), learning_rate=0.0, window=400)
    counts = []
    for x, y in batches(8):
        learner = learner.learn(x, y)
        counts.append(np.asarray(learner.living).tolist())
    assert [2, 1, 2] not in counts[1:] and counts[6] == [1, 1, 2] and counts[7] == [1, 1, 1]
    np.testing.assert_allclose(learner.model.prototypes.points, CENTRES)


def test_no_removal_makes_more_errors_in_the_window_and_one_more_removal_would():
    random = np.random.default_rng(1)
    y = np.sort(random.integers(0, 3, 12))
    model = glvq(CENTRES[y] + random.normal(size=(12, 2)), y)
    learner = AdaptiveLVQ(model, learning_rate=0.0, window=100)
    stream = list(batches(2))
    for x, y in stream:
        learner = learner.learn(x, y)
    x, y = whole(stream)

    def errors(some: pz.PrototypeModel) -> int:
        return int(np.sum(np.asarray(some.predict(x)) != y))

    left = learner.model
    assert 3 <= len(left.prototypes) < 12 and errors(left) <= errors(model)
    for j in range(len(left.prototypes)):
        others = np.arange(len(left.prototypes)) != j
        if left.prototypes.counts[left.prototypes.labels[j]] > 1:
            assert errors(left.select(others)) > errors(left)


def test_nothing_grows_without_bound_and_few_programs_are_compiled():
    """Labels at random, of which prototypes are made in vain, and classes that change for ever."""
    learner = AdaptiveLVQ(glvq(), window=100, capacity=4, level=0.3)
    sizes, rooms = set(), set()
    for k in range(8):
        for x, y in batches(3, swapped=k % 3, seed=k):
            learner = learner.learn(x, y)
            assert np.asarray(learner.living).max() <= 4
            rooms.add(learner.state.model.prototypes.counts)
            sizes.add((learner.x.shape, learner.y.shape))
    assert len(sizes) == 1 and rooms <= {(1,) * 3, (2,) * 3, (4,) * 3} and len(rooms) > 1
    assert int(learner.seen) == 24 * 50 and int(learner.drifts) > 1


def test_a_learner_that_was_pickled_goes_on_bit_by_bit():
    stream = [*batches(6), *batches(5, swapped=2)]
    learner, restored = AdaptiveLVQ(glvq(), window=200), None
    for k, (x, y) in enumerate(stream):
        if k in (4, 8):
            restored = pickle.loads(pickle.dumps(learner if k == 4 else restored))
        learner = learner.learn(x, y)
        restored = None if restored is None else restored.learn(x, y)
    assert int(learner.drifts) > 0
    pairs = zip(*(jax.tree.leaves(one) for one in (learner, restored)), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_any_model_of_winners_learns_on(unchecked):
    x, y = blobs()
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    encoder = pz.backbones.MLP((5, 2), key=jax.random.key(0))
    latent = pz.PrototypeModel(
        pz.Prototypes(jax.vmap(encoder)(x[:3]), [0, 1, 2]),
        pz.metrics.Omega.identity(2),
        pz.losses.LVQ1(),
        encoder=encoder,
        scale=pz.backbones.Standardise.from_data(x),
    )
    for model in (latent, pz.zoo.LGMLVQ(x, y, key=0).named(classes=["a", "b", "c"])):
        result = prequential(
            AdaptiveLVQ(model, window=40, level=0.5), [(x[:20], y[:20]), (x[20:40], y[20:40])]
        )
        assert np.isfinite(result.learner.model.predict_proba(x)).all()
        assert result.learner.model.card == model.card


def test_others_learn_in_the_same_way():
    class Memory:
        """It knows the samples of the last batch."""

        def predict(self, x):
            return [self.known.get(tuple(row), 7) for row in np.asarray(x)]

        def learn(self, x, y):
            self.known = dict(zip(map(tuple, np.asarray(x)), np.asarray(y), strict=True))
            return self

        known: dict = {}

    batch = next(batches(1))
    result = prequential(Memory(), [batch, batch])
    np.testing.assert_array_equal(result.correct, [0, 50])
    assert result.drifts == () and result.prototypes.tolist() == [0, 0]


def test_classes_of_a_stream_are_read_as_the_learner_reads_them():
    x, y = next(batches(1))
    model, names = glvq().named(classes=["a", "b", "c"]), np.array(["a", "b", "c"])
    expected = int(np.sum(np.asarray(model.predict(x)) == y))
    for learner in (model, AdaptiveLVQ(model)):
        assert prequential(learner, [(x, names[y])]).correct.tolist() == [expected]

    class Words:
        def predict(self, x):
            return names[np.asarray(model.predict(x))]

    assert prequential(Words(), [(x, names[y])]).correct.tolist() == [expected]
    with pytest.raises(ValueError, match="y` must be called as `learner` calls classes"):
        prequential(Words(), [(x, y)])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (lambda x, y: (x, y[:, None]), r"y` must have one label for each of the 50 samples"),
        (lambda x, y: (x, y[:1]), r"y` must have one label for each of the 50 samples"),
        (lambda x, y: (x, y[:-1]), r"y` must have one label for each of the 50 samples"),
        (lambda x, y: (x, y + 7), r"y` has class [789]"),
        (lambda x, y: (x, y + 0.5), r"y` must hold integers"),
        (lambda x, y: (x, y, np.ones(50)), r"has weights, which no learner takes"),
    ],
    ids=["column", "single", "short", "unknown", "halves", "weights"],
)
def test_classes_that_do_not_fit_a_stream_are_refused(unchecked, batch, message):
    for learner in (glvq(), AdaptiveLVQ(glvq())):
        with pytest.raises(ValueError, match=message):
            prequential(learner, [batch(*next(batches(1)))])


@pytest.mark.parametrize("rows", [slice(3, 4), slice(None)], ids=["a sample", "all"])
def test_a_batch_of_which_nothing_finite_can_be_learned_is_refused(rows):
    x, y = whole(batches(1))
    learner, far = AdaptiveLVQ(glvq()).learn(x, y), x.copy()
    far[rows] *= np.float32(1e30)
    with pytest.raises(ValueError, match="`x`: what is learned from this batch is not finite"):
        learner.learn(far, y)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.1), 1)
    state = trainer.init(glvq())
    after, loss = trainer.step(state, far, y)
    assert np.isnan(loss)
    again, loss = trainer.step(after, x, y)
    expected, _ = trainer.step(state, x, y)
    assert np.isfinite(loss)
    np.testing.assert_array_equal(again.model.prototypes.points, expected.model.prototypes.points)


def test_what_cannot_be_followed_is_refused(unchecked):
    x, y = next(batches(1))
    shared = pz.losses.GLVQ(cooperation=pz.RankCooperation(1.0))
    for loss in (pz.losses.RSLVQ(), shared, pz.losses.LVQ21()):
        with pytest.raises(ValueError, match="`model`.*share samples, or are counted"):
            AdaptiveLVQ(glvq(loss=loss))
    with pytest.raises(ValueError, match="`model` must learn from classes"):
        AdaptiveLVQ(pz.zoo.HCM(x, key=0))
    with pytest.raises(ValueError, match="`capacity` is 1, and a class of the model has 2"):
        AdaptiveLVQ(glvq(x[:4], [0, 0, 1, 2]), capacity=1)
    with pytest.raises(ValueError, match="`boost` must lie in"):
        AdaptiveLVQ(glvq(), boost=0.5)
    with pytest.raises(ValueError, match="`y` has class 3"):
        AdaptiveLVQ(glvq()).learn(x, y + 1)
    with pytest.raises(ValueError, match="`confidence` must lie in"):
        ADWIN(1.0)
    with pytest.raises(ValueError, match="`errors` must lie in"):
        ADWIN().updated(3, 2)
    with pytest.raises(ValueError, match="`stream` has no batch"):
        prequential(glvq(), [])
    with pytest.raises(ValueError, match="has no classes"):
        prequential(glvq(), [x])
    for wrong in (np.ma.masked_equal(y, 0), y[:3], y.astype(str)):
        with pytest.raises((TypeError, ValueError), match="^batch 1 of `stream`: .*`y`"):
            prequential(glvq(), [(x, y), (x, wrong)])
    for wrong in (None, 3, lambda: [(x, y)]):
        with pytest.raises(TypeError, match="stream"):
            prequential(glvq(), wrong)
    by_epoch = prequential(glvq(), pz.training.Slices(x, y, batch_size=len(x)))
    assert by_epoch.accuracy == prequential(glvq(), [(x, y)]).accuracy
    with pytest.raises(TypeError, match="`learner` must have `predict`"):
        prequential(3, [(x, y)])
    for wrong in ({"noise": 2.0}, {"samples": 0}, {"seed": -1}, {"transition": 10**6}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must"):
            SEA(**wrong)
    with pytest.raises(ValueError, match="`drifting` must be a number of them"):
        RotatingHyperplane(drifting=11)
