"""What a newcomer meets first: what is printed, what `help` tells, what the command line says."""

import ast
import inspect
import pydoc
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import blobs

import protozoo as pz
from protozoo import cli, testing


X, Y = blobs()


# What is printed.


def test_a_fit_is_printed_in_one_line(key):
    fit = pz.fit("LVQMLN", X, Y, key=key, epochs=3, validation=(X, Y))
    loss, held_out = (fit.history[name][-1] for name in ("loss", "validation_loss"))
    assert repr(fit) == (
        "Fit(model=PrototypeModel(GLVQ, SquaredEuclidean, MLP, 3 prototypes of 3 classes), "
        f"epochs=3, reason='max epochs', loss={loss:.4g}, validation_loss={held_out:.4g})"
    )
    assert str(fit) == repr(fit)
    assert "points=f32[3,16]" in repr(fit.model)
    clusters = pz.fit("HCM", X, key=key, epochs=1, prototypes=4)
    assert "PrototypeModel(HardClustering, SquaredEuclidean, 4 prototypes), epochs=1" in repr(
        clusters
    )


def test_results_stay_short_however_much_they_hold(key):
    result = pz.cross_validate("GLVQ", X, Y, folds=3, epochs=2, key=key)
    assert repr(result) == (
        f"CrossValidation(mean={result.mean:.4g}, standard_error={result.standard_error:.2g}, "
        f"folds=3)"
    )
    assert len(repr(result.fits)) < 500
    view = pz.training.View(result.fits[0].model, {"loss": np.zeros(1000)}, 1000, 2000)
    assert repr(view) == (
        "View(model=PrototypeModel(GLVQ, SquaredEuclidean, 3 prototypes of 3 classes), epoch=1000, "
        "epochs=2000)"
    )
    untrained = pz.training.Fit(
        result.fits[0].model, {"loss": np.zeros(0)}, 0, pz.training.Reason.MAX_EPOCHS
    )
    assert repr(untrained).endswith("epochs=0, reason='max epochs')")


def test_a_row_is_printed_with_its_options():
    text = repr(pz.zoo.GLVQ)
    assert (
        text.startswith("Recipe(GLVQ: A. Sato, K. Yamada")
        and "prototypes_per_class=1" in text
        and " at 0x" not in text
    )


def test_what_trains_is_printed_in_a_line():
    rule = pz.GradientDescent("adam", 0.1)
    trainer = pz.Trainer(rule, 2, batch_size=20, restore_best=True)
    assert repr(trainer) == (
        "Trainer(GradientDescent(scale_by_adam(b1=0.9, b2=0.999, eps=1e-08, eps_root=0), "
        "scale(step_size=-0.1)), epochs=2, batch_size=20, restore_best=True)"
    )
    model = pz.zoo.GLVQ(X, Y, key=0)
    parts = pz.GradientDescent({"metric": optax.adam(1e-2), "rest": optax.sgd(0.1)})
    scheduled = pz.GradientDescent("adamw", pz.Cosine(0.1), accumulate=2)
    for thing, said in (
        (pz.Phases([trainer, trainer]), "Phases([Trainer(GradientDescent(scale_by_adam"),
        (trainer.init(model), "TrainState(model=PrototypeModel(GLVQ"),
        (pz.training.AdaptiveLVQ(model), "AdaptiveLVQ(state=TrainState(model=PrototypeModel"),
        (parts, "GradientDescent(metric: scale_by_adam("),
        (scheduled, "GradientDescent(scale_by_adam("),
        (pz.GradientDescent(optax.lbfgs()), "GradientDescent(scale_by_lbfgs(memory_size=10)"),
    ):
        text = repr(thing)
        assert text.startswith(said) and len(text) < 500 and " at 0x" not in text
    assert "accumulate=2" in repr(scheduled) and "OverRun" in repr(scheduled)


def test_whoever_lists_what_a_model_has_is_not_refused():
    model = pz.zoo.GLVQ(X, Y, key=0)
    assert not hasattr(model, "class_names") and dict(inspect.getmembers(model))["classes"] == 3
    with pytest.raises(ValueError, match="`names`: the classes of this model have no names"):
        model.predict(X, names=True)


# What `help` tells.

PACKAGES = [
    *(pz, cli, testing),
    *(getattr(pz, name) for name in pz.__all__ if inspect.ismodule(getattr(pz, name))),
]


def reexported(module) -> set[str]:
    """What type checkers take for public: `X as X` in a package's file, what a module defines."""
    names = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.__name__)
def test_all_is_what_is_public(module):
    assert len(set(module.__all__)) == len(module.__all__)
    rows = set(pz.zoo.names()) if module is pz.zoo else set()
    assert set(module.__all__) == reexported(module) | rows
    star: dict = {}
    exec(f"from {module.__name__} import *", star)
    assert all(star[name] is getattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.__name__)
def test_help_lists_every_class_and_function(module):
    text = pydoc.render_doc(module, renderer=pydoc.plaintext)
    for name in module.__all__:
        thing = getattr(module, name)
        if not str(getattr(thing, "__module__", None) or "protozoo").startswith("protozoo"):
            continue  # Another library's
        if inspect.isclass(thing):
            assert f"class {name}(" in text, name
        elif not inspect.ismodule(thing):
            assert re.search(rf"^    {name}(\(| = )", text, re.MULTILINE), name


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.__name__)
def test_whoever_may_use_a_class_may_derive_from_its_bases(module):
    public = {id(getattr(package, name)) for package in PACKAGES for name in package.__all__}
    for name in module.__all__:
        for base in getattr(getattr(module, name), "__mro__", ()):
            assert not base.__module__.startswith("protozoo.") or id(base) in public, (
                f"{name} is a {base}"
            )


def test_a_linear_map_of_ones_own():
    """A metric with a map that the library does not have, of its public parts."""

    class Rotated(pz.metrics.AbstractAdaptation):
        angle: jax.Array

        @property
        def local(self) -> bool:
            return False

        def linear_map(self, prototypes):
            c, s = jnp.cos(self.angle), jnp.sin(self.angle)
            turn = pz.metrics.Dense(jnp.stack([jnp.stack([c, s]), jnp.stack([-s, c])]))
            return pz.metrics.Composed(turn, pz.metrics.Scale(jnp.array([1.0, 0.0])))

    x = X[:, :2]
    prototypes = pz.Prototypes.from_classes(x, Y, key=jax.random.key(0))
    model = pz.PrototypeModel(prototypes, Rotated(jnp.asarray(np.pi / 2)), pz.losses.GLVQ())
    points = np.asarray(prototypes.points)
    # A quarter turn takes the second feature, with the other sign, to where the first one was.
    np.testing.assert_allclose(
        model.distances(x), (x[:, None, 1] - points[:, 1]) ** 2, rtol=1e-4, atol=1e-5
    )
