"""The trainer's options, each against its definition."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from sklearn.datasets import load_iris
from zoo import CASES, D, blobs, sampled

import protozoo as pz
from protozoo.training import (
    OPTIMISERS,
    Batch,
    Diversity,
    Objective,
    OmegaLogDet,
    OmegaTrace,
    SparseRelevances,
    WeightDecay,
    trainable_mask,
)


X, Y = blobs()
GD = pz.GradientDescent


@pytest.fixture(scope="module")
def model() -> pz.PrototypeModel:
    return pz.zoo.GMLVQ(X, Y, key=jax.random.key(0), prototypes_per_class=2)


@pytest.fixture(scope="module")
def deep() -> pz.PrototypeModel:
    return pz.zoo.SiameseGMLVQ(X, Y, key=jax.random.key(0), hidden=(8,), latent_dim=4)


def fit(
    model: pz.PrototypeModel, rule: pz.training.AbstractRule, epochs: int = 8, **settings
) -> pz.training.Fit:
    return pz.Trainer(rule, epochs, **settings).fit(model, X, Y, key=jax.random.key(1))


def close(one, two, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    ones, twos = (jax.tree.leaves(eqx.filter(t, eqx.is_inexact_array)) for t in (one, two))
    for a, b in zip(ones, twos, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


# Optimisers by name.

RATES = {
    "adadelta": 1.0,
    "sgd": 0.5,
    "noisy_sgd": 0.5,
    "lars": 1.0,
    "sm3": 0.5,
    "lbfgs": None,
    "adafactor": 0.1,
    "adagrad": 0.1,
}


@pytest.mark.parametrize(
    "name", sampled(OPTIMISERS, {"sgd", "adamw", "lbfgs", "noisy_sgd", "adafactor", "lion"})
)
def test_every_named_optimiser_trains_on_iris(name):
    x, y = load_iris(return_X_y=True)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    start = pz.zoo.GMLVQ(x, y, key=jax.random.key(0))
    result = pz.Trainer(GD(name, RATES.get(name, 2e-2)), 60).fit(start, x, y, key=jax.random.key(0))
    assert result.reason == "max epochs"
    assert result.history["loss"][-1] < result.history["loss"][0] - 0.2
    assert np.mean(np.asarray(result.model.predict(x)) == y) > 0.9


def test_there_are_all_names():
    assert len(OPTIMISERS) == 25  # dpsgd is the 26th


def test_a_name_is_the_optimiser_of_optax(model):
    close(
        fit(model, GD("adam", 1e-2, b1=0.8)).model,
        fit(model, GD(optax.adam(1e-2, b1=0.8))).model,
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dpsgd", 0.1), "a privacy guarantee would be false"),
        (("adaam", 0.1), "'adaam' is not among adam, adamw"),
        (("adam",), "`learning_rate` is missing: adam"),
        ((optax.adam(0.1), 0.1), "belong to named optimisers"),
        (({"metric": 0.1},), "must be an Optax transformation"),
    ],
)
def test_what_names_refuse(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        GD(*arguments)


def test_unknown_options_of_names():
    with pytest.raises(ValueError, match="adam has no option 'beta'; it has learning_rate, b1"):
        GD("adam", 0.1, beta=1)
    with pytest.raises(ValueError, match="the weight decay of novograd shrinks everything"):
        GD("novograd", 0.1, weight_decay=0.1)
    with pytest.raises(ValueError, match="`accumulate` must be a positive integer, got 0"):
        GD("adam", 0.1, accumulate=0)


def test_named_weight_decay_leaves_prototypes_and_biases_alone(deep):
    """A learning rate of nearly zero but for the decay: what moves is what decays."""
    still = optax.chain(
        optax.set_to_zero(),
        optax.add_decayed_weights(0.5, mask=pz.training._optimisers.decays),
        optax.scale(-1),
    )
    after = fit(deep, GD(still), 1).model
    for layer, old in zip(after.encoder.layers, deep.encoder.layers, strict=True):
        np.testing.assert_allclose(layer.weight, 0.5 * old.weight, rtol=1e-6)
        np.testing.assert_array_equal(layer.bias, old.bias)
    np.testing.assert_array_equal(after.prototypes.points, deep.prototypes.points)
    named, plain = (fit(deep, GD("adamw", 1e-2, weight_decay=w), 3).model for w in (0.5, 0.0))
    assert not np.allclose(
        named.encoder.layers[0].weight, plain.encoder.layers[0].weight, rtol=1e-3
    )
    masked = GD(optax.adamw(1e-2, weight_decay=0.5, mask=pz.training._optimisers.decays))
    close(named, fit(deep, masked, 3).model, rtol=1e-6)


# Schedules.


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (pz.Cosine(1.0, 0.2), lambda t: 0.2 + 0.8 * (1 + np.cos(np.pi * t)) / 2),
        (pz.Polynomial(1.0, 0.1, 3.0), lambda t: 0.1 + 0.9 * (1 - t) ** 3),
        (
            pz.PiecewiseConstant([1.0, 0.5, 0.1], [0.3, 0.6]),
            lambda t: 1.0 if t < 0.3 else 0.5 if t < 0.6 else 0.1,
        ),
        (pz.WarmUp(2.0, 0.25), lambda t: min(2.0, 8 * t)),
        (
            pz.WarmUp(pz.Linear(2.0, 0.0), 0.5, 1.0),
            lambda t: 1 + 2 * t if t < 0.5 else 2 - 4 * (t - 0.5),
        ),
        (
            pz.WarmUp(pz.Exponential(1.0, 0.01), 0.2),
            lambda t: 5 * t if t < 0.2 else 0.01 ** ((t - 0.2) / 0.8),
        ),
        (pz.Restarts(pz.Linear(1.0, 0.0), 2, 1.0), lambda t: 1 - 2 * t if t < 0.5 else 2 - 2 * t),
        (
            pz.Restarts(pz.Cosine(1.0), 2, 3.0),
            lambda t: (1 + np.cos(np.pi * (4 * t if t < 0.25 else (4 * t - 1) / 3))) / 2,
        ),
    ],
)
def test_schedules(schedule, expected):
    for t in (0.0, 0.1, 0.24, 0.35, 0.49, 0.7, 0.9, 1.0):
        np.testing.assert_allclose(schedule(t), expected(t), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pz.PiecewiseConstant([1.0, 0.5], [0.3, 0.6]),
            "`values` must be one more than `boundaries`, got 2 and 2",
        ),
        (lambda: pz.PiecewiseConstant([1.0, 0.5, 0.2], [0.6, 0.3]), "`boundaries` must ascend"),
        (lambda: pz.WarmUp(1.0, 1.5), r"`fraction` must lie in \(0, 1\), got 1.5"),
        (lambda: pz.Restarts(pz.Cosine(1.0), 0), "`cycles` must be a positive integer, got 0"),
        (lambda: pz.Restarts(pz.Cosine(1.0), 2.5), "`cycles` must be an integer, got 2.5"),  # pyright: ignore
        (lambda: pz.Polynomial(1.0, 0.0, 0.0), "`power` must be positive"),
    ],
)
def test_bad_schedules(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("batch_size", [None, 25])
def test_a_schedule_over_the_run_is_the_schedule_of_updates(model, batch_size):
    updates = 8 * (1 if batch_size is None else 3)
    over = fit(model, GD("sgd", pz.Cosine(0.5)), batch_size=batch_size)
    # Optax's own reaches zero one update after the last.
    counted = fit(
        model, GD(optax.sgd(optax.cosine_decay_schedule(0.5, updates - 1))), batch_size=batch_size
    )
    close(over.model, counted.model, rtol=1e-5, atol=1e-6)
    nested = optax.chain(optax.clip_by_global_norm(10.0), optax.sgd(pz.OverRun(pz.Cosine(0.5))))
    close(over.model, fit(model, GD(nested), batch_size=batch_size).model, rtol=1e-5, atol=1e-6)


def test_a_schedule_compiles_once(model):
    fit(model, GD("adam", pz.WarmUp(pz.Cosine(0.1))))
    with count_compilations() as compiled:
        fit(model, GD("adam", pz.WarmUp(pz.Cosine(0.02), 0.3)), epochs=9)
    assert compiled.names == []


# Parts.


def test_parts_have_learning_rates_of_their_own(deep):
    parts = {"encoder": 1e-3, "metric": 1e-2, lambda m: m.prototypes: 3e-2}
    one = fit(deep, GD("adam", parts)).model
    labels = lambda params: jax.tree_util.tree_map_with_path(lambda path, _: path[0].name, params)  # noqa: E731
    rates = {"encoder": 1e-3, "metric": 1e-2, "prototypes": 3e-2}
    optaxs = optax.partition({name: optax.adam(rate) for name, rate in rates.items()}, labels)
    close(one, fit(deep, GD(optaxs)).model, rtol=1e-5, atol=1e-6)
    mixed = GD({"encoder": optax.sgd(0.1), "rest": optax.adam(1e-2)})
    alone = fit(deep, GD(optax.adam(1e-2)), 1).model
    np.testing.assert_allclose(
        fit(deep, mixed, 1).model.metric.matrix, alone.metric.matrix, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["metric"], r"no part of `optimiser` names prototypes\.points"),
        (["metric", "metric.matrix", "rest"], "overlap"),
        (["encoder", "rest"], "'encoder' as a part, in which nothing learns"),
        (["metrik", "rest"], "'metrik' names no part"),
        ([3, "rest"], "dotted names or functions"),
    ],
)
def test_parts_that_do_not_fit(model, parts, message, unchecked):
    with pytest.raises(ValueError, match=message):
        fit(model, GD({part: optax.sgd(0.1) for part in parts}))


def test_a_line_search_for_each_part(model):
    result = fit(model, GD({"metric": optax.lbfgs(), "rest": optax.adam(1e-2)}), 10)
    assert result.history["loss"][-1] < result.history["loss"][0]


# Pieces, averages.


@pytest.mark.parametrize(("batch_size", "pieces"), [(None, 4), (25, 3), (None, 100)])
def test_pieces_of_a_batch_make_the_step_of_the_batch(model, batch_size, pieces):
    whole = fit(model, GD("adam", 1e-2), batch_size=batch_size)
    in_pieces = fit(model, GD("adam", 1e-2, accumulate=pieces), batch_size=batch_size)
    np.testing.assert_allclose(in_pieces.history["loss"], whole.history["loss"], rtol=1e-5)
    close(in_pieces.model, whole.model, rtol=1e-3, atol=1e-4)


def test_multi_steps_of_optax_work_too(model):
    fewer = fit(
        model, GD(optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation()), 8, batch_size=30
    )
    assert fewer.history["loss"][-1] < fewer.history["loss"][0]


def test_an_average_is_the_average_of_what_happened(model):
    rule, decay = GD("sgd", 0.5), 0.7
    states, trainer = [], pz.Trainer(rule, 10)
    state = trainer.init(model)
    for _ in range(5):
        state, _ = trainer.step(state, X, Y)
        states.append(state.model.prototypes.points)
    average = states[0]
    for count, points in enumerate(states[1:], 1):
        share = max(1 - decay, 1 / (count + 1))
        average = (1 - share) * average + share * points
    averaged = fit(model, pz.Averaged(rule, decay), 5)
    np.testing.assert_allclose(averaged.model.prototypes.points, average, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        averaged.history["loss"], fit(model, rule, 5).history["loss"], rtol=1e-6
    )
    np.testing.assert_allclose(jnp.sum(averaged.model.metric.matrix**2), 1, rtol=1e-5)


def test_lookahead_is_optaxs_where_there_is_no_constraint():
    model = pz.zoo.GLVQ(X, Y, key=jax.random.key(0))
    mine = fit(model, pz.Lookahead(GD("sgd", 0.5), 3, 0.5), 9)
    params, rest = eqx.partition(model, trainable_mask(model))
    optimiser = optax.lookahead(optax.sgd(0.5), 3, 0.5)
    pair = optax.LookaheadParams.init_synced(params)
    state = optimiser.init(pair)
    x, y, weight = jnp.asarray(X), jnp.asarray(Y, jnp.int32), jnp.full(len(X), 1 / len(X))
    for _ in range(9):
        gradient = jax.grad(lambda p: eqx.combine(p, rest).loss_of(x, y, weight))(pair.fast)
        updates, state = optimiser.update(gradient, state, pair)
        pair = optax.apply_updates(pair, updates)
    np.testing.assert_allclose(
        mine.model.prototypes.points, pair.slow.prototypes.points, rtol=1e-4, atol=1e-5
    )


def test_schedule_free_returns_its_average():
    model = pz.zoo.GLVQ(X, Y, key=jax.random.key(0))
    optimiser = optax.contrib.schedule_free_sgd(0.5, warmup_steps=2)
    result = fit(model, GD(optimiser), 9)
    params, rest = eqx.partition(model, trainable_mask(model))
    state = optimiser.init(params)
    x, y, weight = jnp.asarray(X), jnp.asarray(Y, jnp.int32), jnp.full(len(X), 1 / len(X))
    for _ in range(9):
        gradient = jax.grad(lambda p: eqx.combine(p, rest).loss_of(x, y, weight))(params)
        updates, state = optimiser.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    expected = optax.contrib.schedule_free_eval_params(state, params)
    np.testing.assert_allclose(
        result.model.prototypes.points, expected.prototypes.points, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "rule",
    [
        pz.Averaged(pz.AlternatingOptimization(0.5)),
        pz.Lookahead(pz.AlternatingOptimization(0.5), 2),
    ],
)
def test_averages_of_alternating_optimisation(rule):
    model = pz.zoo.HCM(X, key=jax.random.key(0), prototypes=4)
    result = pz.Trainer(rule, 6).fit(model, X, key=jax.random.key(0))
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_bad_averages():
    with pytest.raises(ValueError, match="`decay` must lie"):
        pz.Averaged(GD("sgd", 0.1), 1.0)
    with pytest.raises(ValueError, match="`step_size` must lie"):
        pz.Lookahead(GD("sgd", 0.1), 5, 0.0)
    with pytest.raises(ValueError, match="`period` must be a positive integer, got 0"):
        pz.Lookahead(GD("sgd", 0.1), 0)


# Phases.


def test_phases_are_fits_in_order(model):
    trainers = [
        pz.Trainer(GD("adam", 1e-2), 4, freeze="metric"),
        pz.Trainer(GD("sgd", 0.1), 3, freeze="prototypes"),
        pz.Trainer(GD("adam", pz.Cosine(1e-3)), 5, batch_size=20),
    ]
    together = pz.Phases(trainers).fit(model, X, Y, key=jax.random.key(3))
    current, losses = model, []
    for trainer, key in zip(trainers, jax.random.split(jax.random.key(3), 3), strict=True):
        one = trainer.fit(current, X, Y, key=key)
        current = one.model
        losses.append(one.history["loss"])
    assert eqx.tree_equal(together.model, current)
    np.testing.assert_array_equal(together.history["loss"], np.concatenate(losses))
    assert together.epochs == 12


class StopAt(pz.training.AbstractCallback):
    every = 1

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_fit_start(self, view):
        pass

    def on_chunk_end(self, view):
        return view.epoch == self.epoch

    def on_fit_end(self, view):
        pass


def test_phases_resume_where_they_were_cut(model, tmp_path):
    def phases(folder, stop: int | None = None) -> pz.Phases:
        second = pz.Trainer(
            GD("adam", 1e-2), 6, batch_size=20, callbacks=[StopAt(stop)] if stop else []
        )
        first = pz.Trainer(GD("adam", 1e-2), 4, freeze="metric")
        return pz.Phases([first, second], pz.Checkpoints(tmp_path / folder, every=2))

    whole = phases("whole").fit(model, X, Y, key=jax.random.key(3))
    phases("cut", 3).fit(model, X, Y, key=jax.random.key(3))
    rest = phases("cut").fit(model, X, Y, key=jax.random.key(3), resume=True)
    assert eqx.tree_equal(whole.model, rest.model)
    np.testing.assert_array_equal(whole.history["loss"], rest.history["loss"])


def test_what_phases_refuse(model, tmp_path):
    with pytest.raises(ValueError, match="at least one `Trainer`"):
        pz.Phases([])
    with pytest.raises(ValueError, match="give them to `Phases`"):
        pz.Phases([pz.Trainer(GD("sgd", 0.1), 1, checkpoints=pz.Checkpoints(tmp_path))])
    with pytest.raises(ValueError, match="these phases have none"):
        pz.Phases([pz.Trainer(GD("sgd", 0.1), 1)]).fit(
            model, X, Y, key=jax.random.key(0), resume=True
        )


# Every rule resumes bit-identically, whatever it carries.


RULES = {
    "parts": lambda: GD("adam", {"metric": 1e-3, "rest": pz.Cosine(1e-2)}),
    "pieces": lambda: GD("adam", 1e-2, accumulate=3),
    "average": lambda: pz.Averaged(GD("adam", 1e-2), 0.8),
    "lookahead": lambda: pz.Lookahead(GD("adam", 1e-2), 4),
    "schedule-free": lambda: GD(optax.contrib.schedule_free_adamw(1e-2)),
}


BESIDE = {
    "nothing": {},
    "half the bits": {"precision": "float16"},
    "a curriculum": {"curriculum": pz.SelfPaced(pz.Linear(0.5, 1))},
}


@pytest.mark.parametrize(
    "pair",
    sampled(
        itertools.product(RULES, BESIDE),
        # Every rule, and everything beside two of them.
        {
            ("parts", "nothing"),
            ("pieces", "half the bits"),
            ("average", "a curriculum"),
            ("lookahead", "nothing"),
            ("lookahead", "a curriculum"),
            ("schedule-free", "half the bits"),
        },
    ),
    ids="-".join,
)
def test_every_rule_resumes_bit_identically(pair, model, tmp_path):
    rule, options = pair[0], BESIDE[pair[1]]
    settings = {"batch_size": 20, "restore_best": True, **options}
    whole = fit(model, RULES[rule](), 6, **settings)

    def cut(callbacks, resume: bool) -> pz.training.Fit:
        checkpoints = pz.Checkpoints(tmp_path / "c", every=2)
        trainer = pz.Trainer(
            RULES[rule](), 6, callbacks=callbacks, checkpoints=checkpoints, **settings
        )
        return trainer.fit(model, X, Y, key=jax.random.key(1), resume=resume)

    cut([StopAt(3)], False)
    rest = cut([], True)
    assert eqx.tree_equal(whole.model, rest.model)
    np.testing.assert_array_equal(whole.history["loss"], rest.history["loss"])
    if "curriculum" not in options:  # harder samples come later
        assert whole.history["loss"][-1] < whole.history["loss"][0]


# Precision and memory.


def dots(jaxpr) -> list:
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found.append({str(v.aval.dtype) for v in equation.invars})
        for sub in jax.extend.core.jaxprs_in_params(equation.params):
            found += dots(sub)
    return found


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "name",
    sampled(
        ["GLVQ", "GMLVQ", "LGMLVQ", "GTLVQ", "RSLVQ", "SRNG", "DKGMLVQ", "SiameseGLVQ", "FCM"],
        {"LGMLVQ", "DKGMLVQ", "SiameseGLVQ", "FCM"},
    ),
)
def test_products_are_computed_in_the_low_type(name, precision):
    recipe = getattr(pz.zoo, name)
    y = Y if recipe.supervised else None
    model = recipe(X, y, key=jax.random.key(0))
    params, rest = eqx.partition(model, trainable_mask(model))
    objective = Objective(precision=precision)
    batch = objective.prepared(
        Batch(
            jnp.asarray(X),
            None if y is None else jnp.asarray(y, jnp.int32),
            jnp.full(60, 1 / 60),
            False,
        )
    )
    loss = lambda p: objective(eqx.combine(p, rest), batch, 1.0)  # noqa: E731
    jaxpr = jax.make_jaxpr(jax.value_and_grad(loss))(params)
    products = dots(jaxpr.jaxpr)
    assert products
    low = [types for types in products if types == {precision}]
    # What else there is (a trace, a basis) is computed of parameters alone.
    assert len(low) >= len(products) / 2, products
    value, gradient = jax.value_and_grad(loss)(params)
    assert value.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
    exact = model.loss_of(jnp.asarray(X), batch.y, batch.weight)
    np.testing.assert_allclose(value, exact, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "row",
    sampled(
        ["GMLVQ", "RSLVQ", "SiameseGLVQ", "HCM", "GaussianMixture"], {"RSLVQ", "GaussianMixture"}
    ),
)
def test_training_in_low_precision_gets_there(row, precision):
    recipe = getattr(pz.zoo, row)
    y = Y if recipe.supervised else None
    model = recipe(X, y, key=jax.random.key(0))
    rule = GD("adam", 1e-2) if recipe.supervised else pz.AlternatingOptimization()
    low = pz.Trainer(rule, 30, precision=precision).fit(model, X, y, key=jax.random.key(0))
    full = pz.Trainer(rule, 30).fit(model, X, y, key=jax.random.key(0))
    assert low.reason == full.reason == "max epochs"
    assert {
        leaf.dtype for leaf in jax.tree.leaves(eqx.filter(low.model, eqx.is_inexact_array))
    } == {jnp.dtype("float32")}
    fall = full.history["loss"][0] - full.history["loss"][-1]
    assert abs(low.history["loss"][-1] - full.history["loss"][-1]) < 0.25 * fall


def test_an_overflow_skips_the_update_and_halves_the_scale(model):
    trainer = pz.Trainer(GD("adam", 1e-2), 5, precision="float16")
    state = trainer.init(model)
    big = eqx.tree_at(
        lambda s: s.loop.rule_state.scale.factor, state, jnp.asarray(2.0**24, jnp.float32)
    )
    after, loss = trainer.step(big, X * 30, Y)
    assert jnp.isfinite(loss)
    if not eqx.tree_equal(after.model, big.model):  # no overflow at this scale: nothing to skip
        pytest.fail("the scale of 2²⁴ did not overflow")
    assert after.loop.rule_state.scale.factor == 2.0**23
    for _ in range(30):
        after, loss = trainer.step(after, X * 30, Y)
    assert not eqx.tree_equal(after.model, big.model)


@pytest.mark.parametrize("name", ["GMLVQ", "ImageGLVQ", "HCM"])
def test_float32_data_are_trained_beside_float64(name, x64):
    (case,) = [case for case in CASES if str(case) == name]
    model = case.recipe(case.x, case.y, key=jax.random.key(0), **case.options)
    fit = case.recipe.trainer(epochs=3, batch_size=20).fit(
        model, case.x, case.y, key=jax.random.key(0)
    )
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    types = [
        [leaf.dtype for leaf in jax.tree.leaves(eqx.filter(m, eqx.is_array))]
        for m in (model, fit.model)
    ]
    assert types[0] == types[1]
    assert fit.model.prototypes.points.dtype == np.float32


def test_what_precision_refuses(model):
    with pytest.raises(ValueError, match="`precision` must be 'bfloat16', 'float16' or None"):
        pz.Trainer(GD("sgd", 0.1), 1, precision="float8")
    points = (
        np.broadcast_to(np.eye(3, dtype=np.float32), (20, 3, 3))
        * np.linspace(1, 2, 20, dtype=np.float32)[:, None, None]
    )
    y = np.arange(20) // 10
    spd = pz.zoo.RiemannianSRNG(points, y, key=jax.random.key(0))
    with pytest.raises(ValueError, match="are computed in float32 at least"):
        pz.Trainer(GD("sgd", 0.1), 1, precision="bfloat16").fit(
            spd, points, y, key=jax.random.key(0)
        )


def test_rematerialised_encoders_learn_the_same_with_less_memory(x64):
    wide = X.astype(np.float64)
    encoder = pz.backbones.MLP((D, *[64] * 6, 4), key=jax.random.key(0))
    prototypes = pz.Prototypes.from_classes(wide, Y, 1, key=jax.random.key(0))
    model = pz.PrototypeModel(
        prototypes, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ(), encoder, True
    )
    params, rest = eqx.partition(model, trainable_mask(model))
    x = jnp.asarray(np.tile(wide, (50, 1)))
    batch = Batch(x, jnp.asarray(np.tile(Y, 50), jnp.int32), jnp.full(len(x), 1 / len(x)), False)

    def gradient(objective: Objective):
        return (
            jax.jit(jax.grad(lambda p: objective(eqx.combine(p, rest), batch, 1.0)))
            .lower(params)
            .compile()
        )

    plain, again = gradient(Objective()), gradient(Objective(rematerialise=True))
    close(again(params), plain(params), rtol=1e-9, atol=1e-12)

    def temporary(compiled: Any) -> int:
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(again) < 0.5 * temporary(plain)
    whole, pieces = (
        pz.Trainer(GD("sgd", 0.1), 5, rematerialise=again).fit(
            model, wide, Y, key=jax.random.key(0)
        )
        for again in (False, True)
    )
    np.testing.assert_allclose(pieces.history["loss"], whole.history["loss"], rtol=1e-9)


def test_nothing_to_rematerialise(model, deep):
    for one, freeze in ((model, None), (deep, "encoder")):
        with pytest.raises(ValueError, match="an encoder that learns, and this model has none"):
            fit(one, GD("sgd", 0.1), rematerialise=True, freeze=freeze)


# Curriculum and regularisers.


def test_self_paced_shares_are_exact():
    losses, weight = jnp.asarray([3.0, -5.0, 0.5, 2.0]), jnp.asarray([0.25, 0.25, 0.25, 0.25])
    np.testing.assert_allclose(pz.SelfPaced(0.5)(losses, weight, 0.0), [0, 1, 1, 0])
    np.testing.assert_allclose(pz.SelfPaced(0.6)(losses, weight, 0.0), [0, 1, 1, 0.4], rtol=1e-5)
    np.testing.assert_allclose(pz.SelfPaced(1.0)(losses, weight, 0.0), 1)
    np.testing.assert_allclose(
        pz.SelfPaced(pz.Linear(0.25, 1.0))(losses - 100, weight, 0.0), [0, 1, 0, 0], atol=1e-6
    )
    uneven = jnp.asarray([0.1, 0.5, 0.4, 0.0])
    counted = pz.SelfPaced(0.7)(losses, uneven, 0.0)
    np.testing.assert_allclose(counted @ uneven, 0.7, rtol=1e-5)
    with pytest.raises(ValueError, match=r"`share` must lie in \(0, 1\], got 0 at progress 1"):
        pz.SelfPaced(pz.Linear(1.0, 0.0))


@pytest.mark.parametrize("rule", [GD("sgd", 0.5), GD("sgd", 0.5, accumulate=4)])
def test_self_paced_steps_are_steps_on_the_easy_half(rule):
    model = pz.zoo.GLVQ(X, Y, key=jax.random.key(0))
    delta = model.distances(X)
    losses = np.asarray(model.loss(delta, model.prototypes.labels, jnp.asarray(Y, jnp.int32)))
    easy = np.argsort(losses, kind="stable")[:30]
    paced = fit(model, rule, 1, curriculum=pz.SelfPaced(0.5))
    half = pz.Trainer(GD("sgd", 0.5), 1).fit(model, X[easy], Y[easy], key=jax.random.key(1))
    close(paced.model, half.model)
    np.testing.assert_allclose(paced.history["loss"], half.history["loss"], rtol=1e-5)


def test_a_curriculum_of_everything_changes_nothing(model):
    close(
        fit(model, GD("sgd", 0.5), curriculum=pz.SelfPaced(1.0)).model,
        fit(model, GD("sgd", 0.5)).model,
    )


def test_self_paced_clustering():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(90, 2)), rng.normal(size=(10, 2)) + 50]).astype(np.float32)
    model = pz.zoo.HCM(x, key=jax.random.key(0), prototypes=1)
    start = eqx.tree_at(lambda m: m.prototypes.points, model, jnp.zeros((1, 2)))
    trainer = pz.Trainer(pz.AlternatingOptimization(), 5, curriculum=pz.SelfPaced(0.9))
    np.testing.assert_allclose(
        trainer.fit(start, x, key=jax.random.key(0)).model.prototypes.points[0],
        x[:90].mean(0),
        atol=1e-4,
    )


def test_regularisers_are_their_formulas(deep):
    model = pz.zoo.GMLVQ(X, Y, key=jax.random.key(0), normalised=False, prototypes_per_class=2)
    omega = np.random.default_rng(0).normal(size=(D, D))
    model = eqx.tree_at(lambda m: m.metric.matrix, model, jnp.asarray(omega, jnp.float32))
    np.testing.assert_allclose(
        OmegaTrace(0.3)(model, 0.0), 0.3 * np.trace(omega @ omega.T), rtol=1e-5
    )
    np.testing.assert_allclose(
        OmegaLogDet(0.3)(model, 0.0), -0.15 * np.linalg.slogdet(omega.T @ omega)[1], rtol=1e-4
    )
    relevances = np.diag(omega @ omega.T) / np.trace(omega @ omega.T)
    np.testing.assert_allclose(
        SparseRelevances(2.0)(model, 0.0), -2 * np.sum(relevances * np.log(relevances)), rtol=1e-4
    )
    weights = [layer.weight for layer in deep.encoder.layers] + [
        layer.bias for layer in deep.encoder.layers
    ]
    np.testing.assert_allclose(
        WeightDecay("encoder", 0.1)(deep, 0.0), 0.05 * sum(np.sum(w**2) for w in weights), rtol=1e-5
    )
    delta = np.array(model.metric(model.prototypes.points, model.prototypes))
    np.fill_diagonal(delta, 0)
    kernel = np.exp(-delta / (2 * delta.sum() / 30)) + 1e-3 * np.eye(6)
    np.testing.assert_allclose(
        Diversity(0.2)(model, 0.0), -0.2 * np.linalg.slogdet(kernel)[1], rtol=1e-3
    )


@pytest.mark.parametrize(
    "regulariser",
    [Diversity(0.1), SparseRelevances(0.5), OmegaLogDet(0.1), WeightDecay("prototypes", 0.1)],
)
def test_regularisers_lower_what_they_measure(model, regulariser):
    free, held = (
        fit(model, GD("adam", 1e-2), 40),
        fit(model, GD("adam", 1e-2), 40, regularisers=[regulariser]),
    )
    assert regulariser(held.model, 1.0) < regulariser(free.model, 1.0)
    first = regulariser(model, 0.0) + free.history["loss"][0]
    np.testing.assert_allclose(held.history["loss"][0], first, rtol=1e-4)
    in_pieces = fit(model, GD("adam", 1e-2, accumulate=3), 40, regularisers=[regulariser])
    np.testing.assert_allclose(in_pieces.history["loss"], held.history["loss"], rtol=1e-3)


@pytest.mark.parametrize(
    ("row", "regulariser", "message"),
    [
        ("GLVQ", OmegaLogDet(), "the metric SquaredEuclidean has no Ω"),
        ("GMLVQ", OmegaTrace(), "means nothing where the trace is held at one"),
        ("DKGMLVQ", SparseRelevances(), "ExponentialKernel has no relevances"),
        ("GLVQ", WeightDecay("encoder"), "'encoder' of `WeightDecay` holds no numbers"),
    ],
)
def test_regularisers_that_do_not_fit(row, regulariser, message):
    model = getattr(pz.zoo, row)(X, Y, key=jax.random.key(0))
    with pytest.raises(ValueError, match=message):
        fit(model, GD("sgd", 0.1), regularisers=[regulariser])


@pytest.mark.parametrize("regulariser", [OmegaLogDet(), SparseRelevances(), WeightDecay("metric")])
def test_a_regulariser_of_what_does_not_learn_is_refused(model, regulariser):
    with pytest.raises(ValueError, match=f"{type(regulariser).__name__} depends on nothing"):
        fit(model, GD("sgd", 0.1), regularisers=[regulariser], freeze="metric")


def test_a_closed_form_has_no_regulariser(unchecked):
    model = pz.zoo.HCM(X, key=jax.random.key(0))
    with pytest.raises(ValueError, match="`regularisers` have no closed form"):
        pz.Trainer(pz.AlternatingOptimization(), 1, regularisers=[Diversity()]).fit(
            model, X, key=jax.random.key(0)
        )
    with pytest.raises(
        ValueError, match="`regularisers` must hold objects of a subclass of AbstractRegulariser"
    ):
        pz.Trainer(pz.AlternatingOptimization(), 1, regularisers=[lambda m: 0.0])
    with pytest.raises(ValueError, match="`curriculum` must be a curriculum"):
        pz.Trainer(pz.AlternatingOptimization(), 1, curriculum=0.5)


# All together.

PAIRED = {
    "freeze": {"freeze": "prototypes"},
    "batches": {"batch_size": 25},
    "best": {"restore_best": True, "stopping": pz.Stopping(patience=50)},
    "regulariser": {"regularisers": [OmegaLogDet(0.05)]},
    "curriculum": {"curriculum": pz.SelfPaced(pz.Linear(0.5, 1.0))},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "rematerialise": {"rematerialise": True},
}


PAIRS = [pair for pair in itertools.combinations(PAIRED, 2) if pair != ("bfloat16", "float16")]


#: Each option once.
ONCE = {pair for i, pair in enumerate(itertools.pairwise(PAIRED)) if i % 2 == 0}


@pytest.mark.parametrize("pair", sampled(PAIRS, ONCE), ids="-".join)
def test_options_go_together(pair, deep):
    rule = pz.Averaged(GD("adam", {"encoder": 1e-3, "rest": pz.Cosine(1e-2)}, accumulate=2), 0.5)
    one, other = (PAIRED[name] for name in pair)
    result = fit(deep, rule, 10, **one, **other)
    assert result.reason == "max epochs"
    assert result.history["loss"][-1] < result.history["loss"][0] + (
        0.2 if "curriculum" in pair else 0
    )
    np.testing.assert_allclose(jnp.sum(result.model.metric.matrix**2), 1, rtol=1e-5)
    if "freeze" in pair:
        assert eqx.tree_equal(result.model.prototypes, deep.prototypes)


@pytest.mark.parametrize(
    "settings",
    [
        lambda r: {
            "rule": GD("adam", {"encoder": r, "rest": pz.WarmUp(pz.Cosine(r))}, accumulate=2),
            "batch_size": 25,
        },
        lambda r: {
            "rule": pz.Averaged(GD("adamw", r), 1 - r),
            "precision": "float16",
            "curriculum": pz.SelfPaced(0.5 + r),
        },
        lambda r: {
            "rule": pz.Lookahead(GD("sgd", r)),
            "rematerialise": True,
            "regularisers": [OmegaLogDet(r), WeightDecay("encoder")],
        },
        lambda r: {
            "rule": GD("lbfgs"),
            "stopping": pz.Stopping(patience=50, min_delta=r),
            "restore_best": True,
        },
        lambda r: {
            "rule": GD("adam", r),
            "sharding": jax.sharding.Mesh(np.array(jax.devices()), ("samples",)),
        },
    ],
    ids=["parts", "averaged", "lookahead", "line search", "sharding"],
)
def test_a_warm_fit_compiles_nothing_with_any_option(settings, deep):
    def train(rate: float, epochs: int, x: np.ndarray) -> pz.training.Fit:
        return pz.Trainer(epochs=epochs, **settings(rate)).fit(
            deep, x, Y, key=jax.random.key(0), validation=(x, Y)
        )

    train(0.01, 11, X)
    with count_compilations() as compiled:
        assert train(0.02, 25, X * np.float32(1.5)).epochs == 25
    assert compiled.names == []


class Silent(pz.training.AbstractCallback):
    every = 2

    def on_fit_start(self, view):
        pass

    def on_chunk_end(self, view):
        return False

    def on_fit_end(self, view):
        pass


@pytest.mark.few_rows
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name != "KNN" and "Median" not in case.name], ids=str
)
def test_how_a_row_is_trained_changes_nothing_whatever_it_is_trained_for(case, x64, tmp_path):
    """Every row with some of the options that matter, and then with some of those that must not."""
    rng = np.random.default_rng(CASES.index(case))
    x, key = case.x.astype(float), jax.random.key(0)
    model = case.recipe(x, case.y, key=key, **case.options)

    def some(options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if rng.random() < 0.5}

    matters = some(
        {
            "batch_size": 25,
            "restore_best": True,
            "curriculum": pz.SelfPaced(0.8),
            "validation": True,
        }
    )
    if not model.additive:  # of a loss that is no sum over samples, there are no parts
        matters.pop("curriculum", None)
    average = pz.Averaged if rng.random() < 0.5 else lambda rule: rule
    free = {
        "sharding": jax.sharding.Mesh(np.array(jax.devices()[:1]), ("samples",)),
        "checkpoints": pz.Checkpoints(tmp_path / "checkpoints", every=3),
        "callbacks": [Silent()],
        **(
            {"rematerialise": True}
            if jax.tree.leaves(eqx.filter(model.encoder, eqx.is_array))
            else {}
        ),
    }
    weight = rng.integers(0, 3, len(x)).astype(float) if rng.random() < 0.5 else np.ones(len(x))
    held_out = (x[::3], case.y[::3]) if case.y is not None else x[::3]

    def trained(
        data: Any, y: Any = None, sample_weight: Any = None, accumulate: int = 1, **settings: Any
    ) -> pz.training.Fit:
        validation = held_out if settings.pop("validation", None) else None
        trainer = pz.Trainer(average(GD("sgd", 1e-2, accumulate=accumulate)), 4, **settings)
        return trainer.fit(
            model, data, y, key=key, validation=validation, sample_weight=sample_weight
        )

    one = trained(x, case.y, weight, **matters)
    # A stream is not read once more at its end, as comparing epochs by their final losses would
    # ask.
    compares = "restore_best" in matters and "validation" not in matters
    if "batch_size" not in matters and not compares and rng.random() < 0.5:
        other = trained(
            lambda epoch: [(x, case.y, weight / weight.mean())], **matters, **some(free)
        )
    else:
        other = trained(
            x,
            case.y,
            weight,
            accumulate=int(rng.integers(1, 4)) if model.additive else 1,
            **matters,
            **some(free),
        )
    assert one.epochs == other.epochs == 4
    for name, losses in one.history.items():
        np.testing.assert_allclose(other.history[name], losses, rtol=1e-7, atol=1e-10)
    close(other.model, one.model, rtol=1e-6, atol=1e-8)
    assert not eqx.tree_equal(one.model, model)


@pytest.mark.parametrize(
    ("row", "accumulate", "options"),
    [("OCDKGMLVQ_NG", 3, {}), ("ImageGTLVQ", 1, {"rematerialise": True})],
)
def test_what_programs_compute_twice_decides_nothing(row, accumulate, options, x64):
    """Ranks, and the largest of a window: what is compared with itself, computed once more, may be
    smaller or larger by its rounding."""
    case = next(case for case in CASES if str(case) == row)
    x = case.x.astype(float)
    model = case.recipe(x, case.y, key=0, **case.options)
    one = pz.Trainer(GD("sgd", 1e-2), 4).fit(model, x, case.y, key=0)
    rule = GD("sgd", 1e-2, accumulate=accumulate)
    other = pz.Trainer(rule, 4, **options).fit(model, x, case.y, key=0)
    np.testing.assert_allclose(other.history["loss"], one.history["loss"], rtol=1e-7)


def test_a_step_of_length_zero_changes_nothing_with_any_option(deep):
    trainer = pz.Trainer(
        GD("sgd", 0.0, accumulate=2),
        5,
        precision="bfloat16",
        rematerialise=True,
        curriculum=pz.SelfPaced(0.5),
    )
    state = trainer.init(deep)
    after, _ = trainer.step(state, X, Y)
    close(after.model, deep, rtol=1e-6, atol=1e-7)
