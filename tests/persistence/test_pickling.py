"""Pickles and copies of models, trainers and all that belongs to them are what they were."""

import copy
import dataclasses
import functools
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from zoo import CASES, blobs

import protozoo as pz
from protozoo.persistence import _pickling, _registry
from protozoo.training import OPTIMISERS, Checkpoints, HistoryFile, Progress, TensorBoard


X, Y = blobs()
KEY = jax.random.key(0)


def pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


COPIES = {"pickle": pickled, "deepcopy": copy.deepcopy, "copy": copy.copy}
each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def assert_same(one: Any, other: Any) -> None:
    """The same structure, static parts included, dtypes, weak types and bits."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if not eqx.is_array(a):
            assert a is b or (type(a) is type(b) and a == b)
            continue
        assert type(a) is type(b)
        assert (a.dtype, a.shape, getattr(a, "weak_type", None)) == (
            b.dtype,
            b.shape,
            getattr(b, "weak_type", None),
        )
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def encoded_by(encoder: Any, loss: Any = None) -> pz.PrototypeModel:
    points = jax.vmap(encoder)(jnp.asarray(X))
    prototypes = pz.Prototypes.from_classes(np.asarray(points), Y, 1, key=KEY)
    return pz.PrototypeModel(
        prototypes, pz.metrics.SquaredEuclidean(), loss or pz.losses.GLVQ("sigmoid"), encoder
    )


def twice(t, steepness):
    """A transfer function of a module that can be imported."""
    return 2 * t


@jax.custom_jvp
def bend(x):
    return jnp.tanh(x)


bend.defjvps(lambda t, ans, x: t * (1 - ans**2))


def stateful() -> pz.backbones.Stateful:
    class Network(eqx.Module):
        linear: eqx.nn.Linear
        norm: eqx.nn.BatchNorm

        def __init__(self, key):
            self.linear = eqx.nn.Linear(5, 4, key=key)
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")

        def __call__(self, x, state):
            return self.norm(self.linear(x), state)

    Network.__qualname__ = "Network"
    globals()["Network"] = Network
    module, state = eqx.nn.make_with_state(Network)(KEY)
    _, state = jax.vmap(module, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
        jnp.asarray(X), state
    )
    return pz.backbones.Stateful(module, state)


MODELS = {
    "equinox MLP": lambda: encoded_by(eqx.nn.MLP(5, 3, 4, 1, activation=jax.nn.relu, key=KEY)),
    "activation that learns": lambda: encoded_by(
        eqx.nn.MLP(5, 3, 4, 1, activation=eqx.nn.PReLU(0.1), key=KEY)
    ),
    "layers": lambda: encoded_by(
        eqx.nn.Sequential([eqx.nn.Linear(5, 4, key=KEY), eqx.nn.Lambda(jnp.tanh)])
    ),
    "MLP": lambda: encoded_by(pz.backbones.MLP((5, 4, 3), jax.nn.silu, key=KEY)),
    "own activation": lambda: encoded_by(pz.backbones.MLP((5, 4, 3), bend, key=KEY)),
    "own transfer": lambda: encoded_by(eqx.nn.Identity(), pz.losses.GLVQ(twice)),
    "partial": lambda: encoded_by(
        pz.backbones.MLP((5, 3), functools.partial(jax.nn.leaky_relu, negative_slope=0.2), key=KEY)
    ),
    "running statistics": lambda: encoded_by(stateful()),
    "frozen halves": lambda: eqx.filter(CASES[0].model, pz.training.trainable_mask(CASES[0].model)),
}


@each_copy
@pytest.mark.parametrize("name", MODELS)
def test_models_with_functions_of_every_kind(name, copied):
    model = MODELS[name]()
    again = copied(model)
    if name != "partial" or copied is not pickled:  # equal partials are not equal to Python
        assert_same(again, model)
    if name != "frozen halves":
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_copy_of_any_row_goes_into_the_same_programs(case, tmp_path):
    model = case.model
    before = model.predict(case.x)
    for copied in COPIES.values():
        with count_compilations() as compiled:
            again = copied(model)
            assert_same(again, model)
            np.testing.assert_array_equal(again.predict(case.x), before)
        assert compiled.names == []
        pz.save(tmp_path / "model", again, overwrite=True)
    assert_same(pz.load(tmp_path / "model"), model)


@pytest.mark.parametrize("part", ["encoder", "metric", "loss", "prototypes"])
@each_copy
def test_parts_are_copied_by_themselves(part, copied):
    (case,) = [case for case in CASES if case.name == "SiameseGMLVQ"]
    thing = getattr(case.model, part)
    assert_same(copied(thing), thing)


def test_a_copy_owns_what_can_be_changed():
    model = eqx.tree_at(
        lambda m: m.prototypes.points, CASES[1].model, np.asarray(CASES[1].model.prototypes.points)
    )
    for copied in (pickled, copy.deepcopy):
        again = copied(model)
        again.prototypes.points[:] = 7
        assert not (model.prototypes.points == 7).any()
    assert copy.copy(model).prototypes.points is model.prototypes.points
    shared = jnp.ones(3)
    pair = copy.deepcopy((encoded_by(eqx.nn.Identity()), shared, [shared]))
    assert pair[1] is pair[2][0]


@each_copy
@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_by_name(name, copied):
    rule = pz.GradientDescent(name, 1e-2)
    assert_same(copied(rule), rule)


RULES = {
    "chain": lambda: pz.GradientDescent(
        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))
    ),
    "schedule": lambda: pz.GradientDescent("adamw", pz.WarmUp(pz.Cosine(1e-2)), weight_decay=1e-3),
    "over the run": lambda: pz.GradientDescent(optax.sgd(pz.OverRun(pz.Restarts(pz.Cosine(0.1))))),
    "schedule of optax": lambda: pz.GradientDescent(
        optax.adam(optax.cosine_decay_schedule(1e-2, 100))
    ),
    "joined schedules": lambda: pz.GradientDescent(
        optax.sgd(
            optax.join_schedules(
                [optax.constant_schedule(0.1), optax.linear_schedule(0.1, 0.0, 5)], [3]
            )
        )
    ),
    "injected": lambda: pz.GradientDescent(optax.inject_hyperparams(optax.adam)(1e-2)),
    "schedule free": lambda: pz.GradientDescent(optax.contrib.schedule_free_adamw(1e-2)),
    "plateau": lambda: pz.GradientDescent(
        optax.chain(optax.sgd(1e-2), optax.contrib.reduce_on_plateau())
    ),
    "masked": lambda: pz.GradientDescent(optax.masked(optax.adam(1e-2), True)),
    "parts": lambda: pz.GradientDescent("adam", {"prototypes": pz.Cosine(2e-2), "rest": 1e-3}),
    "optimisers": lambda: pz.GradientDescent(
        {"prototypes": optax.adam(1e-2), "rest": optax.sgd(1e-3, momentum=0.9)}
    ),
    "averaged": lambda: pz.Averaged(pz.GradientDescent("adam", 1e-2)),
    "lookahead": lambda: pz.Lookahead(pz.GradientDescent("adam", 1e-2), period=5),
    "alternating": lambda: pz.AlternatingOptimization(pz.Linear(1.0, 0.1)),
    "median": pz.MedianOptimization,
    "lazy": pz.Lazy,
}


def test_methods_are_shared_by_copies():
    rule = pz.GradientDescent(optax.MultiSteps(optax.adam(1e-2), 2).gradient_transformation())
    assert_same(copy.deepcopy(rule), rule)


@each_copy
@pytest.mark.parametrize("name", RULES)
def test_rules_of_every_kind(name, copied):
    rule = RULES[name]()
    assert_same(copied(rule), rule)


def trainer(**settings: Any) -> pz.Trainer:
    defaults = {
        "rule": pz.GradientDescent("adam", pz.Cosine(1e-2)),
        "epochs": 3,
        "batch_size": 16,
        "freeze": "metric",
        "stopping": pz.Stopping(patience=3),
        "regularisers": [pz.training.Diversity(1e-3)],
        "curriculum": pz.SelfPaced(0.5),
    }
    return pz.Trainer(**(defaults | settings))


@each_copy
def test_trainers_train_alike_and_compile_nothing(copied, tmp_path):
    model = CASES[1].model
    one = trainer(
        checkpoints=Checkpoints(tmp_path / "run"), callbacks=[HistoryFile(tmp_path / "h.csv")]
    )
    again = copied(one)
    if copied is pickled:  # callbacks are objects, which no pickle keeps the identity of
        assert (again.checkpoints, again.callbacks[0].path) == (
            one.checkpoints,
            one.callbacks[0].path,
        )
    else:
        assert_same(again, one)
    one = trainer()
    first = one.fit(model, X, Y, key=KEY)
    with count_compilations() as compiled:
        second = copied(one).fit(copied(model), X, Y, key=KEY)
        both = pz.fit_many([one, copied(one)], [model, copied(model)], X, Y, key=KEY)
    assert "jit(run_epochs)" not in compiled.names
    assert_same(first.model, second.model)
    assert len(both) == 2
    fit = copied(first)
    assert_same(fit.model, first.model)
    assert (fit.reason, fit.epochs, fit.member) == (first.reason, first.epochs, first.member)
    assert fit.reason is first.reason
    np.testing.assert_array_equal(fit.history["loss"], first.history["loss"])


class Rewritten:
    """Something that is pickled with other fields than those that it has."""

    def __init__(self, thing: Any, change: Callable[[dict[str, Any]], dict[str, Any]]):
        self.thing, self.change = thing, change

    def __reduce__(self):
        make, (cls, fields) = _pickling.reduced(self.thing)
        return make, (cls, self.change(fields))


def test_trainers_and_rules_that_an_earlier_version_pickled():
    """Trainers held an objective in place of its settings, and rules said nothing of their
    gradients."""
    one = trainer(precision="bfloat16", rematerialise=True)
    later = {field.name for field in dataclasses.fields(one.objective)} | {"progress"}

    def before(fields):
        return {n: v for n, v in fields.items() if n not in later} | {"objective": one.objective}

    assert_same(pickled(Rewritten(one, before)), one)
    rule = pz.GradientDescent("adam", 1e-2)
    assert_same(
        pickled(
            Rewritten(rule, lambda fields: {n: v for n, v in fields.items() if n != "gradient"})
        ),
        rule,
    )


@each_copy
def test_states_of_training_go_on(copied):
    model, one = CASES[1].model, trainer(batch_size=None, restore_best=False)
    state, _ = one.step(one.init(model, KEY), X, Y)
    again = copied(state)
    assert_same(again, state)
    (state, _), (again, _) = one.step(state, X, Y), copied(one).step(again, X, Y)
    assert_same(again.model, state.model)


def test_states_of_training_that_an_earlier_version_pickled():
    """What the rule remembers had the rule's name, and the status was a number."""
    one = trainer(batch_size=None, restore_best=False)
    loop = one.init(CASES[1].model, KEY).loop

    def before(fields):
        (status,) = jax.tree.leaves(loop.status)
        changed = {n: v for n, v in fields.items() if n not in ("status", "rule_state")}
        return changed | {"rule": fields["rule_state"], "status": status}

    again = pickled(Rewritten(loop, before))
    assert_same(again, loop)
    assert jax.tree.structure(again) == jax.tree.structure(loop)


@each_copy
def test_phases_checkpoints_and_schedules(copied, tmp_path):
    phases = pz.Phases(
        [trainer(), trainer(freeze=None, epochs=2)], Checkpoints(tmp_path / "run", 3, keep=1)
    )
    assert_same(copied(phases), phases)
    for thing in (
        Checkpoints(tmp_path / "run"),
        pz.Stopping(3),
        pz.Restarts(pz.Cosine(0.1)),
        pz.training.OmegaLogDet(0.1),
    ):
        again = copied(thing)
        assert again == thing or jax.tree.structure(again) == jax.tree.structure(thing)


def test_rows_are_what_they_are_called():
    for name in pz.zoo.names():
        row = getattr(pz.zoo, name)
        for copied in COPIES.values():
            assert copied(row) is row


def test_a_recipe_of_one_s_own_is_copied_and_pickled_by_its_functions(monkeypatch):
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
    mine = dataclasses.replace(pz.zoo.GLVQ, name="Mine")
    assert copy.deepcopy(mine) == mine
    with pytest.raises(ValueError, match=r"adam.*lambda.* cannot be pickled.*pz\.register"):
        pickle.dumps(mine)
    pz.register(mine.training, "mine.training")
    assert pickled(mine) == mine
    for again in (copy.copy(mine), copy.deepcopy(mine), pickled(mine)):
        assert again.__doc__ == mine.__doc__ and "`Mine(x, y, key=0)`" in mine.__doc__


def test_callbacks_that_have_been_called_can_be_pickled(tmp_path):
    callbacks = [
        Progress(),
        HistoryFile(tmp_path / "h.csv"),
        TensorBoard(tmp_path / "events"),
        pz.plots.LivePlot(tmp_path / "a.png"),
    ]
    used = trainer(callbacks=callbacks)
    used.fit(CASES[1].model, X, Y, key=KEY)
    again = pickled(used)
    assert [type(one) for one in again.callbacks] == [type(one) for one in callbacks]
    again.callbacks[1].overwrite = True
    again.callbacks[2].directory = tmp_path / "more"
    again.fit(CASES[1].model, X, Y, key=KEY)


# By name, never by value.


def half(m):
    return m.encoder


unnamed = lambda m: m.metric  # noqa: E731


def test_what_has_no_name_is_named_in_the_error(monkeypatch):
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
    assert_same(pickled(trainer(freeze=half)), trainer(freeze=half))
    local = lambda m: m.prototypes  # noqa: E731
    for thing in (
        trainer(freeze=unnamed),
        trainer(freeze=["metric", local]),
        pz.GradientDescent({local: optax.adam(1e-2), "rest": optax.sgd(1e-2)}),
        encoded_by(eqx.nn.Identity(), pz.losses.GLVQ(lambda t, steepness: t)),
        encoded_by(pz.backbones.MLP((5, 3), functools.partial(lambda x: x), key=KEY)),
    ):
        with pytest.raises(
            ValueError, match=r"<lambda>.* cannot be pickled: .* `pz\.register\(thing, name\)`"
        ):
            pickle.dumps(thing)
        # Copies need no names.
        assert_same(copy.deepcopy(thing), thing)
        assert_same(copy.copy(thing), thing)
    pz.register(unnamed, "mine.metric")
    text = pickle.dumps(trainer(freeze=unnamed))
    assert b"mine.metric" in text
    assert pickle.loads(text).freeze is unnamed
    del _registry._REGISTERED["mine.metric"]
    with pytest.raises(
        ValueError, match="names 'mine.metric', which is not known here: register it"
    ):
        pickle.loads(text)


def test_classes_that_cannot_be_imported_need_a_name(monkeypatch):
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))

    class Local(eqx.Module):
        weight: jax.Array

        def __call__(self, x):
            return self.weight * x

    model = encoded_by(Local(jnp.ones(5)))
    with pytest.raises(ValueError, match=r"<class .*Local'> cannot be pickled.*pz\.register"):
        pickle.dumps(model)
    assert_same(copy.deepcopy(model), model)
    assert_same(copy.copy(model), model)
    pz.register(Local, "mine.Local")
    assert_same(pickled(model), model)


def test_devices_are_of_this_process():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("samples",))
    one = trainer(sharding=mesh)
    assert_same(copy.deepcopy(one), one)
    with pytest.raises(ValueError, match="a trainer with `sharding` cannot be pickled"):
        pickle.dumps(one)


def test_functions_of_the_registry_are_pickled_by_its_names():
    text = pickle.dumps(MODELS["equinox MLP"]())
    assert b"jax.nn.relu" in text and b"MLP.final_activation" in text
    assert b"co_code" not in text and b"CodeType" not in text


def test_a_closure_of_a_function_that_cannot_be_found_says_so():
    scope: dict[str, Any] = {"__name__": "nowhere"}
    exec("def outer(a):\n    def inner(count):\n        return a * count\n    return inner", scope)
    rule = pz.GradientDescent(optax.sgd(scope["outer"](0.1)))
    with pytest.raises(
        ValueError, match=r"outer.<locals>.inner.* cannot be pickled: .* in the module 'nowhere'"
    ):
        pickle.dumps(rule)
    assert_same(copy.deepcopy(rule), rule)


def test_a_closure_that_has_changed_since_is_noticed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    first = "def outer(a):\n    def inner(count):\n        return a * count\n    return inner\n"
    (tmp_path / "changing_schedules.py").write_text(first)
    import changing_schedules  # pyright: ignore[reportMissingImports]

    rule = pz.GradientDescent(optax.sgd(changing_schedules.outer(0.1)))
    text = pickle.dumps(rule)
    assert_same(pickle.loads(text), rule)
    longer = first.replace("def outer(a)", "def outer(a, b=2)").replace(
        "a * count", "a * b * count"
    )
    for later in (longer, "def outer(a):\n    return a\n"):
        (tmp_path / "changing_schedules.py").write_text(later)
        importlib.invalidate_caches()
        sys.modules["changing_schedules"].__dict__.clear()
        sys.modules["changing_schedules"].__dict__.update(__name__="changing_schedules")
        exec(later, sys.modules["changing_schedules"].__dict__)
        with pytest.raises(ValueError, match="is not the function that was pickled"):
            pickle.loads(text)


# Other processes.


def test_another_process_goes_on(tmp_path):
    (case,) = [case for case in CASES if case.name == "PLVQ"]
    rule = pz.GradientDescent("adamw", {"prototypes": pz.Cosine(1e-2), "rest": 1e-3})
    things = trainer(rule=rule, freeze=None), case.model, pz.zoo.GMLVQ, jax.random.key_data(KEY)
    (tmp_path / "pickle").write_bytes(pickle.dumps(things))
    program = (
        "import pickle, jax, sys\n"
        "trainer, model, row, key = pickle.load(open('pickle', 'rb'))\n"
        "import protozoo as pz, numpy as np\n"
        "assert row is pz.zoo.GMLVQ\n"
        "x, y = np.load('x.npy'), np.load('y.npy')\n"
        "fit = trainer.fit(model, x, y, key=jax.random.wrap_key_data(key))\n"
        "pickle.dump(fit, open('fit', 'wb'))\n"
    )
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    environment = os.environ | {"PYTHONPATH": str(Path(pz.__file__).parents[1])}
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, check=True
    )
    found = pickle.loads((tmp_path / "fit").read_bytes())
    expected = trainer(rule=rule, freeze=None).fit(case.model, X, Y, key=KEY)
    assert_same(found.model, expected.model)
    np.testing.assert_array_equal(found.history["loss"], expected.history["loss"])
