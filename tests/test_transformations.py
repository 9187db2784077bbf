"""Models under JAX's transformations, and everything under its strict modes."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import blobs, sampled

import protozoo as pz


X, Y = blobs()
MODEL = pz.zoo.GMLVQ(X, Y, key=jax.random.key(0))
ANSWERS = {
    "distances": (),
    "predict_proba": (),
    "predict": (),
    "confidence": (),
    "transform": (),
    "predict_with_reject": (0.3,),
}
GAPS = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.2, np.nan, X).astype(np.float32)
GAPS[:, 0] = X[:, 0]
WITH_GAPS = pz.PrototypeModel(MODEL.prototypes, pz.metrics.Missing(MODEL.metric), MODEL.loss)


@pytest.mark.parametrize(
    ("model", "x"), [(MODEL, X), (WITH_GAPS, GAPS)], ids=["whole", "with gaps"]
)
@pytest.mark.parametrize("name", ANSWERS)
def test_every_transformation_takes_every_answer(name, model, x):
    if name == "transform" and model is WITH_GAPS:
        pytest.skip("has no adapted space")
    more, expected = ANSWERS[name], getattr(model, name)(x, *ANSWERS[name])

    def same(found):
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)

    ask = getattr(model, name)
    same(jax.jit(ask)(x, *more))
    same(jax.jit(lambda x: getattr(model, name)(x, *more))(x))
    same(eqx.filter_jit(ask)(x, *more))
    same(eqx.filter_jit(lambda model, x: getattr(model, name)(x, *more))(model, x))
    same(jax.checkpoint(ask)(jnp.asarray(x), *more))
    batches = jnp.asarray(x).reshape(4, -1, x.shape[1])
    same(jax.vmap(lambda rows: ask(rows, *more))(batches))
    same(jax.lax.map(lambda rows: ask(rows, *more), batches))
    shape = jax.eval_shape(ask, jax.ShapeDtypeStruct(x.shape, x.dtype), *more)
    assert (shape.shape, shape.dtype) == (expected.shape, expected.dtype)


def test_answers_are_equal_and_hashed_by_what_they_are_of():
    assert MODEL.predict == MODEL.predict and hash(MODEL.predict) == hash(MODEL.predict)
    assert MODEL.predict != MODEL.distances and MODEL.predict != WITH_GAPS.predict
    assert MODEL.predict != eqx.tree_at(lambda m: m.loss, MODEL, MODEL.loss).predict
    assert MODEL.predict != pz.PrototypeModel.predict
    assert eqx.tree_equal(MODEL.predict, eqx.tree_at(lambda m: m.loss, MODEL, MODEL.loss).predict)
    assert list(inspect.signature(MODEL.distances).parameters) == ["x"]
    assert list(inspect.signature(MODEL.predict).parameters) == ["x", "names"]
    assert (
        MODEL.predict.__name__ == "predict"
        and MODEL.predict.__doc__ == pz.PrototypeModel.predict.__doc__
    )


def test_the_numbers_of_a_model_are_arguments_of_a_filtered_program():
    """Another model of the same structure compiles nothing, and is not taken for the first."""
    traced = []

    @eqx.filter_jit
    def program(ask, x):
        traced.append(ask)
        return ask(x)

    moved = eqx.tree_at(lambda m: m.prototypes.points, MODEL, MODEL.prototypes.points[::-1])
    for model in (MODEL, moved):
        np.testing.assert_array_equal(program(model.predict, X), model.predict(X))
    assert len(traced) == 1
    assert not np.array_equal(jax.jit(MODEL.predict)(X), jax.jit(moved.predict)(X))


def test_many_models_answer_at_once():
    keys = jax.random.split(jax.random.key(1), 3)
    models = [
        eqx.tree_at(lambda m: m.prototypes.points, MODEL, jax.random.normal(key, (3, 5)))
        for key in keys
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    answers = eqx.filter_vmap(lambda model: model.predict(X))(stacked)
    np.testing.assert_array_equal(answers, [model.predict(X) for model in models])


@pytest.mark.parametrize(
    ("model", "x"), [(MODEL, X), (WITH_GAPS, GAPS)], ids=["whole", "with gaps"]
)
def test_distances_have_derivatives_by_samples(model, x):
    x, weight = (
        jnp.asarray(x),
        jnp.asarray(np.random.default_rng(1).normal(size=(len(x), 3)), jnp.float32),
    )
    found = jax.grad(lambda x: jnp.sum(weight * model.distances(x)))(x)
    matrix = np.asarray(MODEL.relevance_matrix())
    displacements = np.nan_to_num(np.asarray(x)[:, None] - np.asarray(MODEL.prototypes.points))
    expected = np.einsum("np,npd,de->ne", 2 * weight, displacements, matrix)
    expected = np.where(np.isnan(x), 0, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    again = jax.grad(lambda x: jnp.sum(weight * jax.checkpoint(model.distances)(x)))(x)
    np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-6)


def test_a_traced_threshold_is_not_judged():
    rejected = jax.jit(lambda x, t: MODEL.predict_with_reject(x, t))(X, 0.3)
    np.testing.assert_array_equal(rejected, MODEL.predict_with_reject(X, 0.3))
    with pytest.raises(ValueError, match="`threshold` is a confidence"):
        MODEL.predict_with_reject(X, 1.3)


def test_what_needs_values_says_so_in_a_program_that_has_none_yet():
    named = MODEL.named(classes=["a", "b", "c"])
    open_ended = MODEL.open_set(X)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.1), 2)
    state = trainer.init(MODEL)
    for ask, said in (
        (jax.jit(MODEL.win_ratios), "`x` has no values yet"),
        (jax.jit(MODEL.relevances), "`x` has no values yet"),
        (jax.jit(MODEL.open_set), "`x` has no values yet"),
        (jax.jit(open_ended.calibrated), "`x` has no values yet"),
        (eqx.filter_jit(lambda x: MODEL.relevances(x)), "`x` has no values yet"),
        (jax.jit(lambda x: named.predict(x, names=True)), "`names`: a program that JAX traces"),
        (jax.jit(lambda y: pz.evaluate(MODEL, X, y)), "`y` has no values yet"),
        (eqx.filter_jit(lambda x: trainer.step(state, x, Y)), "`x` has no values yet"),
        (jax.jit(lambda y: trainer.step(state, X, y)[1]), "`y` has no values yet"),
    ):
        with pytest.raises(ValueError, match=said):
            ask(Y if "`y`" in said else X)
    with pytest.raises(ValueError, match="has no values yet"):
        eqx.filter_jit(lambda model: model.relevances(X))(MODEL)
    clusters = pz.zoo.PCM(X, key=0)
    np.testing.assert_array_equal(jax.jit(clusters.outliers)(X), clusters.outliers(X))


#: What a user may set, and what each of them refuses: arrays and numbers that are made to fit
#: without a word, and NaN.
STRICT = {
    "no promotion": {"JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUMPY_DTYPE_PROMOTION": "strict"},
    "no false alarm": {"JAX_DEBUG_NANS": "1"},
}
#: Rows that have little in common: gradients by winners with a kernel, in ranks, and closed forms
#: in a Gaussian's own units.
UNLIKE = ("DKGMLVQ_NG", "LMRSLVQ", "GaussianMixture")


@pytest.mark.parametrize(
    "rows", [UNLIKE, pytest.param((), marks=pytest.mark.nightly)], ids=["some", "all"]
)
@pytest.mark.parametrize("mode", sampled(STRICT, {"no promotion"}))
def test_models_are_built_trained_and_asked_in_strict_modes_of_jax(mode, rows):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent / "src"), str(here)])
    environment = {**os.environ, **STRICT[mode], "PYTHONPATH": path, "MPLBACKEND": "Agg"}
    command = [sys.executable, str(here / "modes.py"), *rows]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_nothing_crosses_to_the_device_behind_the_users_back(tmp_path, monkeypatch):
    """All that the library hands over, it hands over by name."""
    weak = eqx.tree_at(lambda m: m.prototypes.points, MODEL, jnp.full((3, 5), 0.5))
    pz.save(tmp_path / "model", weak)
    options = {"epochs": 2, "validation": (X, Y), "restore_best": True}
    with jax.transfer_guard("disallow"):
        loaded = pz.load(tmp_path / "model")
        model = pz.fit("GLVQ", X, Y, **options).model
        pz.cross_validate("GLVQ", X, Y, folds=2, epochs=2)
        slices = pz.training.Slices(X, Y, batch_size=20)
        pz.Trainer(pz.GradientDescent("sgd", 0.1), 2).fit(model, slices, key=0, validation=slices)
        for ask in (model.predict, model.predict_proba, model.distances):
            ask(X)
    for found, saved in zip(jax.tree.leaves(loaded), jax.tree.leaves(weak), strict=True):
        assert found.weak_type == saved.weak_type
        np.testing.assert_array_equal(found, saved)

    def refuses(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED")

    monkeypatch.setattr("protozoo.persistence._files.reconstruct", refuses)
    # The file is not to blame.
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        pz.load(tmp_path / "model")


def test_whoever_looks_for_infinities_finds_none_of_ours():
    """Nor where a class has no rival, or a loop has no best loss yet."""
    with jax.debug_infs(True):
        learner = pz.training.AdaptiveLVQ(pz.zoo.GLVQ(X, Y, key=0)).learn(X[:10], Y[:10])
        assert learner.predict(X).shape == Y.shape
