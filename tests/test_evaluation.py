"""How well a model does: measures against scikit-learn's, copies, metrics of a fit, comparisons."""

import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
import sklearn.metrics as oracle
from compilations import count_compilations
from linear import linear
from zoo import blobs

import protozoo as pz
from protozoo.evaluation import METRICS, MORE_IS_BETTER, Evaluation


X, Y = blobs()
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
RULE = pz.GradientDescent("adam", 1e-2)
#: Answers for four classes that are often wrong.
P = RNG.dirichlet([0.5] * 4, size=300)
TRUTH = RNG.integers(0, 4, 300)
COPIES = RNG.integers(0, 4, 300)


def glvq(labels=(0, 1, 2)):
    return pz.PrototypeModel(
        pz.Prototypes(X[:: len(X) // len(labels)][: len(labels)], list(labels)),
        pz.metrics.Omega.identity(5, 2),
        pz.losses.GLVQ(),
    )


# On samples that a model has not seen.


def test_measures_are_those_of_scikit_learn():
    found, weight = Evaluation.of_probabilities(P, TRUTH, COPIES), COPIES.astype(float)
    guess, told = P.argmax(axis=1), {"sample_weight": weight}
    assert found.accuracy == pytest.approx(oracle.accuracy_score(TRUTH, guess, **told))
    assert found.balanced_accuracy == pytest.approx(
        oracle.balanced_accuracy_score(TRUTH, guess, **told)
    )
    assert found.log_loss == pytest.approx(oracle.log_loss(TRUTH, P, **told))
    assert found.brier_score == pytest.approx(
        oracle.brier_score_loss(TRUTH, P, scale_by_half=False, **told)
    )
    precision, recall, _, support = oracle.precision_recall_fscore_support(TRUTH, guess, **told)
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.support, support)
    np.testing.assert_allclose(found.confusion, oracle.confusion_matrix(TRUTH, guess, **told))
    assert (found.samples, found.unknown) == (COPIES.sum(), 0)


def test_a_weight_is_a_number_of_copies():
    copies = np.repeat(np.arange(300), COPIES)
    weighted = Evaluation.of_probabilities(P, TRUTH, COPIES).as_dict()
    copied = Evaluation.of_probabilities(P[copies], TRUTH[copies]).as_dict()
    for name, value in copied.items():
        for one, other in zip(jax.tree.leaves(value), jax.tree.leaves(weighted[name]), strict=True):
            assert one == other or one == pytest.approx(other), name


def test_what_is_always_right_has_no_error_whatever_the_sums_of_weights_round_to():
    found = Evaluation.of_probabilities(np.eye(4)[TRUTH], TRUTH, (1 + np.arange(300) % 7) / 7)
    for name in ("recall", "precision", "balanced_accuracy"):
        np.testing.assert_allclose(found.standard_errors[name], 0, atol=1e-8)


def test_standard_errors_are_what_other_samples_would_say():
    draws = [RNG.integers(0, 300, 300) for _ in range(2000)]
    names = ("accuracy", "balanced_accuracy", "log_loss", "brier_score", "precision", "recall")
    spread = [Evaluation.of_probabilities(P[d], TRUTH[d]) for d in draws]
    errors = Evaluation.of_probabilities(P, TRUTH).standard_errors
    for name in (*names, "calibration_error"):
        other = np.std([getattr(one, name) for one in spread], axis=0)
        np.testing.assert_allclose(errors[name], other, rtol=0.1, err_msg=name)


def test_calibration_error_of_many_samples_is_no_rounding():
    n = 4_000_000
    rng = np.random.default_rng(0)
    scores = np.zeros((n, 2), np.float32)
    scores[:, 0] = np.log(9) + 0.01 * rng.normal(size=n)
    y = (rng.random(n) < 0.5).astype(int)
    found = jax.jit(pz.evaluation.calibration_error)(scores, y, np.ones(n, np.float32))
    p = 1 / (1 + np.exp(-scores[:, 0].astype(float)))
    # All confidences are in one bin.
    assert float(found) == pytest.approx(p.mean() - np.mean(y == 0), abs=1e-5)


def test_calibration_error_by_hand():
    # Two bins: nine of ten right where 0.7 were said, three of ten where 0.9 were.
    p = np.repeat([[0.7, 0.3], [0.9, 0.1]], 10, axis=0)
    y = np.array([0] * 9 + [1] + [0] * 3 + [1] * 7)
    found = Evaluation.of_probabilities(p, y, bins=10)
    assert found.calibration_error == pytest.approx(0.5 * 0.2 + 0.5 * 0.6)
    np.testing.assert_allclose(found.bins[7], [0.5, 0.7, 0.9])
    assert np.isnan(found.bins[0, 1:]).all() and found.bins[0, 0] == 0


def test_an_unknown_answer_is_an_error_by_name():
    p = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    found = Evaluation.of_probabilities(p, [0, 0, 1])
    assert found.unknown == 1 and found.accuracy == pytest.approx(2 / 3)
    assert found.recall.tolist() == [0.5, 1] and found.precision.tolist() == [1, 1]
    assert found.brier_score == pytest.approx(2 / 3) and np.isfinite(found.log_loss)
    assert "unknown answers    1, which count as errors" in str(found)
    scores = jnp.log(jnp.asarray(p, jnp.float32))
    for name, metric in METRICS.items():
        value = float(metric(scores, jnp.asarray([0, 0, 1]), jnp.ones(3)))
        least = -np.log(np.finfo(np.float32).tiny) / 3 if name == "log_loss" else None
        assert value == pytest.approx(least or getattr(found, name), rel=1e-6), name


def test_probabilities_may_be_of_any_kind_but_must_be_some(unchecked):
    for ones in (np.eye(2, dtype=int), np.eye(2, dtype=bool), [[1, 0], [0, 1]]):
        assert Evaluation.of_probabilities(ones, [0, 1]).accuracy == 1
    half, double = (Evaluation.of_probabilities(p, TRUTH) for p in (P.astype(np.float16), P))
    assert half.brier_score == pytest.approx(double.brier_score, rel=1e-2)
    for wrong, message in (
        ([[2.0, 3.0], [-1.0, 2.0]], "must not be negative, and those of each sample must sum to"),
        ([[0.5, 0.6], [0.5, 0.5]], r"sum to one, got \[0.5 0.6\]"),
        ([[1.5, -0.5], [0.5, 0.5]], r"got \[ 1.5 -0.5\]"),
        ([[1.0, 0.0], [1.0]], "is no array"),
        ([1.0, 0.0], "must have shape"),
        (np.array([["a", "b"]] * 2), "must hold numbers"),
    ):
        with pytest.raises(ValueError, match=f"`probabilities` .*{message}"):
            Evaluation.of_probabilities(wrong, [0, 1])


def test_columns_of_a_frame_are_those_that_the_model_knows(unchecked):
    names = list("abcde")
    model, frame = glvq().named(features=names), pandas.DataFrame(X, columns=names)
    assert pz.evaluate(model, frame, Y).accuracy == pz.evaluate(model, X, Y).accuracy
    for ask in (pz.evaluate, pz.evaluation.reject_curve):
        with pytest.raises(ValueError, match="`x` has other columns"):
            ask(model, frame[names[::-1]], Y)


def test_what_is_not_known_is_none_in_plain_values():
    # No sample of class 2, and none taken for class 1.
    found = Evaluation.of_probabilities(np.array([[0.9, 0.1, 0]] * 2), [0, 1])
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["recall"] == [1, 0, None] and plain["precision"] == [0.5, None, None]
    assert plain["standard_errors"]["recall"] == [0, 0, None]
    assert found.balanced_accuracy == 0.5 and "–" in str(found)


def test_a_table_has_the_names_of_classes():
    found = pz.evaluate(glvq(), X, Y, class_names=["red", "green", "blue"])
    assert "green" in str(found) and "±" in str(found) and "accuracy=" in repr(found)
    figure = pz.plots.evaluation(found)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()][0] == "red"
    many = Evaluation.of_probabilities(np.eye(30), np.arange(30))
    assert "`.confusion`" in str(many) and pz.plots.evaluation(many)


def test_any_classifier_is_evaluated():
    network = pz.networks.RecurrentNetwork.layered((5, 4, 3), key=0)
    right = np.mean(np.asarray(network.predict(X)) == Y)
    assert pz.evaluate(network, X, Y).accuracy == pytest.approx(right)
    targets = pz.fit("SVDD", X[Y == 0], epochs=5).model
    others = (Y > 0).astype(int)
    found = pz.evaluate(targets, X, others, class_names=["target", "other"])
    right = np.mean(np.asarray(targets.predict(X)) == others)
    assert found.accuracy == pytest.approx(right)
    open_set = glvq().open_set(X)
    found = pz.evaluate(open_set, np.concatenate([X, X[:5] + 100]), np.append(Y, [3] * 5))
    assert found.recall[3] == 1 and len(found.classes) == 4


def test_what_cannot_be_evaluated():
    with pytest.raises(ValueError, match="has no classes: `pz.validity`"):
        pz.evaluate(pz.fit("HCM", X, prototypes=3, epochs=1).model, X, Y)
    with pytest.raises(ValueError, match="has no `predict_proba`"):
        pz.evaluate(linear(), X, Y)
    with pytest.raises(ValueError, match="class 3, but the model knows"):
        pz.evaluate(glvq(), X, np.full(len(X), 3))
    with pytest.raises(ValueError, match="`class_names` must be those of the 3 classes, got 1"):
        pz.evaluate(glvq(), X, Y, class_names=["a"])
    with pytest.raises(ValueError, match="`bins`"):
        pz.evaluate(glvq(), X, Y, bins=0)


# Metrics of a fit.


def share(scores, y, weight):
    return jnp.sum(weight * (jnp.argmax(scores, axis=1) == y)) / jnp.sum(weight)


HELD_OUT = (X[::3], Y[::3], RNG.integers(1, 4, len(X[::3])).astype(float))


def batches(epoch=0):
    return [tuple(a[i : i + 7] for a in HELD_OUT) for i in range(0, len(HELD_OUT[0]), 7)]


@pytest.mark.parametrize("streamed", ["nothing", "validation", "samples", "both"])
def test_metrics_are_those_of_the_model_after_each_epoch(streamed):
    trainer = pz.Trainer(RULE, 3, batch_size=8, metrics=[*METRICS, share, ("own", share)])
    validation = batches if streamed in ("validation", "both") else HELD_OUT
    x, y = X, Y
    if streamed in ("samples", "both"):
        x, y = pz.training.Slices(X, Y, batch_size=8), None
        trainer = pz.Trainer(RULE, 3, metrics=trainer.metrics)
    fit = trainer.fit(glvq(), x, y, key=KEY, validation=validation)
    found = pz.evaluate(fit.model, *HELD_OUT)
    for name in METRICS:
        history = fit.history[f"validation_{name}"]
        assert len(history) == 3 and history[-1] == pytest.approx(getattr(found, name), rel=1e-5)
    assert fit.history["validation_share"][-1] == fit.history["validation_own"][-1]
    # Nothing else has changed.
    alone = pz.Trainer(RULE, 3, batch_size=trainer.batch_size)
    plain = alone.fit(glvq(), x, y, key=KEY, validation=validation)
    assert set(plain.history) == {"loss", "validation_loss"}
    np.testing.assert_array_equal(plain.model.prototypes.points, fit.model.prototypes.points)
    np.testing.assert_array_equal(plain.history["validation_loss"], fit.history["validation_loss"])


def test_metrics_go_through_a_frozen_encoder():
    for name in ("LVQMLN", "SiameseGLVQ"):
        fit = pz.fit(
            name, X, Y, epochs=2, freeze="encoder", validation=HELD_OUT, metrics=["log_loss"]
        )
        expected = pz.evaluate(fit.model, *HELD_OUT).log_loss
        assert fit.history["validation_log_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_metrics_of_many_models_and_phases():
    trainer = pz.Trainer(RULE, 3, metrics=["accuracy"])
    told = {"validation": HELD_OUT[:2], "validation_weight": HELD_OUT[2]}
    fits = pz.fit_many([trainer] * 2, glvq(), X, Y, key=KEY, **told)
    expected = pz.evaluate(fits[0].model, *HELD_OUT).accuracy
    assert fits[0].history["validation_accuracy"][-1] == pytest.approx(expected)
    phases = pz.Phases([pz.Trainer(RULE, 2), trainer])
    history = phases.fit(glvq(), X, Y, key=KEY, validation=HELD_OUT).history
    assert np.isnan(history["validation_accuracy"]).tolist() == [True] * 2 + [False] * 3


def test_metrics_of_a_run_that_is_resumed(tmp_path):
    def fit(epochs, metrics, **told):
        where = pz.Checkpoints(tmp_path, every=1)
        trainer = pz.Trainer(RULE, epochs, checkpoints=where, metrics=metrics)
        return trainer.fit(glvq(), X, Y, key=KEY, validation=HELD_OUT, **told)

    whole = pz.Trainer(RULE, 4, metrics=["accuracy"])
    whole = whole.fit(glvq(), X, Y, key=KEY, validation=HELD_OUT).history["validation_accuracy"]
    fit(2, ["accuracy"])
    resumed = fit(4, ["accuracy", "log_loss"], resume=True).history
    assert resumed["validation_accuracy"][:2].tolist() == whole[:2].tolist()
    assert np.isnan(resumed["validation_log_loss"]).tolist() == [True, True, False, False]


def test_metrics_compile_once_for_each_shape():
    fit = lambda: pz.Trainer(RULE, 3, metrics=["accuracy"]).fit(  # noqa: E731
        glvq(), X, Y, key=KEY, validation=batches
    )
    fit()
    with count_compilations() as compiled:
        fit()
    assert not compiled.names


def test_a_trainer_with_metrics_is_pickled_and_replaced():
    import dataclasses

    trainer = pz.Trainer(RULE, 3, metrics=["accuracy"])
    assert pickle.loads(pickle.dumps(trainer)).metrics == trainer.metrics
    assert dataclasses.replace(trainer, epochs=4).metrics == trainer.metrics


def test_metrics_that_cannot_be_computed():
    def refused(error, match, model=None, **told):
        validation = told.pop("validation", HELD_OUT)
        with pytest.raises(error, match=match):
            pz.Trainer(RULE, 1, **told).fit(
                glvq() if model is None else model, X, Y, key=KEY, validation=validation
            )

    refused(ValueError, "pass `validation`", metrics=["accuracy"], validation=None)
    refused(ValueError, "no metric 'accurcy'; it knows 'accuracy'", metrics=["accurcy"])
    refused(ValueError, "define it by `def`", metrics=[lambda s, y, w: 0.0])
    refused(ValueError, "different names, got accuracy", metrics=["accuracy", "accuracy"])
    refused(ValueError, "must not be called 'loss'", metrics=[("loss", lambda s, y, w: 0.0)])
    refused(TypeError, "pairs of a name and a function", metrics=[3])
    refused(TypeError, "must be a list or a tuple", metrics="accuracy")
    refused(ValueError, "must be one number", metrics=[("rows", lambda s, y, w: s)])
    refused(ValueError, "'broken' .* failed", metrics=[("broken", lambda s: s)])
    refused(ValueError, "Linear cannot be called", metrics=["accuracy"], model=linear())
    with pytest.raises(ValueError, match="learns without labels"):
        pz.fit("HCM", X, validation=X, metrics=["accuracy"])


# Comparisons.


def composed(x, y, *, key, rank=2):
    return pz.PrototypeModel(
        pz.Prototypes(x[np.unique(y, return_index=True)[1]], [0, 1, 2]),
        pz.metrics.Omega.identity(5, rank),
        pz.losses.GLVQ(),
    )


def test_models_are_compared_on_the_same_folds():
    models = {
        "table": "GLVQ",
        "row": (pz.zoo.GMLVQ, {"latent_dim": 2}),
        "own": (composed, {"rank": 3, "rule": RULE}),
    }
    found = pz.compare(models, X, Y, folds=3, epochs=3, key=1)
    folds = [result.folds for result in found.results.values()]
    assert all(np.array_equal(one, folds[0]) for one in folds)
    alone = pz.cross_validate("GLVQ", X, Y, folds=3, epochs=3, key=jax.random.key(1))
    np.testing.assert_array_equal(found.scores[0], alone.scores)
    best = found.names.index(found.best)
    paired = found.scores - found.scores[best]
    np.testing.assert_allclose(found.differences, paired.mean(axis=1))
    np.testing.assert_allclose(found.difference_errors, paired.std(axis=1, ddof=1) / np.sqrt(3))
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["best"] == found.best and list(plain["models"]) == list(models)
    assert str(found).splitlines()[1].startswith(found.best) and "own=" in repr(found)


def test_other_measures_are_compared():
    found = pz.compare(["GLVQ", "NPC"], X, Y, folds=3, epochs=3, measure="log_loss")
    assert found.best == found.names[found.means.argmin()] and found.differences.min() == 0
    for result in found.results.values():
        assert set(result.as_dict()) == set(MORE_IS_BETTER) and "log loss" in str(result)
        assert [e.accuracy for e in result.evaluations] == result.scores.tolist()
        with pytest.raises(ValueError, match="`measure` must be one of"):
            result.of("recall")


def test_what_cannot_be_compared(unchecked):
    for models, error, match in (
        ("GLVQ", TypeError, "must be a list of names"),
        ([], ValueError, "one model at least"),
        (["GLVQ", pz.zoo.GLVQ], ValueError, "'GLVQ' more than once"),
        (["GLV"], ValueError, "no model 'GLV'"),
        (["HCM"], ValueError, "HCM: .*learns without labels"),
        ([composed], ValueError, "composed: .*give `rule` and `epochs`"),
        ([("GLVQ",)], TypeError, "each alone or with its options as a pair, .*got .'GLVQ',."),
        ([("GLVQ", "epochs")], TypeError, "each alone or with its options as a pair"),
        ({1: "GLVQ"}, TypeError, "must call each model by a word, got 1"),
    ):
        with pytest.raises(error, match=match):
            pz.compare(models, X, Y)
    for measure in ("f1", ["accuracy"], None):
        with pytest.raises(ValueError, match="`measure` must be one of"):
            pz.compare(["GLVQ"], X, Y, measure=measure)
    with pytest.raises(TypeError, match="<lambda>: `model` must be a function of `.x, y, .*key"):
        pz.compare([lambda x, y: composed(x, y, key=0)], X, Y, rule=RULE, epochs=1)
