"""Mistakes get an error that names the argument, the value and the remedy; the model that came in
is untouched."""

import functools
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import blobs, matrices

import protozoo as pz


X, Y = blobs()


def changed(value: float, at: tuple[int, int] = (7, 2)) -> np.ndarray:
    x = X.copy()
    x[at] = value
    return x


TRAINER = pz.Trainer(pz.GradientDescent(optax.sgd(0.1)), epochs=2)

DATA = {
    "NaN": (
        changed(np.nan),
        Y,
        r"`x` has 1 values that are NaN or infinite, the first one at index \(7, 2\); impute",
    ),
    "inf": (changed(np.inf), Y, r"NaN or infinite.*\(7, 2\)"),
    "features": (X[:, :3], Y, r"`x` must have shape \(n, 5\), got \(60, 3\)"),
    "one sample": (X[0], Y, r"shape \(n, 5\), got \(5,\); for a single sample, pass x\[None\]"),
    "empty": (X[:0], Y[:0], r"`x` is empty: it has shape \(0, 5\)"),
    "strings": (X.astype(str), Y, r"`x` must hold numbers"),
    "no y": (X, None, r"`y` is missing"),
    "y of another length": (X, Y[:-1], r"one label for each of the 60 samples.*\(59,\)"),
    "float labels": (X, Y.astype(float), r"`y` must hold integers.*float64.*np.unique"),
    "text labels": (
        X,
        Y.astype(str),
        r"`y` must hold integers.*np.unique\(y, return_inverse=True\)",
    ),
    "negative labels": (X, Y - 1, r"`y` must hold integers 0…c-1, got -1"),
    "one class": (X, np.zeros_like(Y), r"single class 0.*pz.zoo.HCM"),
    "unknown class": (X, np.where(Y == 2, 3, Y), r"class 3.*(0…2 only|no sample of class 2)"),
}


@pytest.mark.parametrize("what", DATA)
@pytest.mark.parametrize("entry", ["fit", "build"])
def test_data(what, entry, key):
    x, y, message = DATA[what]
    model = pz.zoo.GMLVQ(X, Y, key=key)
    before = jax.tree.map(np.array, eqx.filter(model, eqx.is_array))
    if entry == "build" and what in ("features", "one sample"):
        message = r"`x` must have shape" if what == "one sample" else None
    if entry == "build" and what == "unknown class":
        message = "no sample of class 2"
    if message is None:
        return
    enter = functools.partial(TRAINER.fit, model) if entry == "fit" else pz.zoo.GMLVQ
    with pytest.raises(ValueError, match=message):
        enter(x, y, key=key)
    assert eqx.tree_equal(before, jax.tree.map(np.array, eqx.filter(model, eqx.is_array)))


@pytest.mark.parametrize("what", ["NaN", "inf", "features", "one sample", "empty"])
@pytest.mark.parametrize(
    "ask", ["predict", "predict_proba", "confidence", "distances", "transform", "win_ratios"]
)
def test_questions(what, ask, key):
    model = pz.zoo.GMLVQ(X, Y, key=key)
    x, _, message = DATA[what]
    with pytest.raises(ValueError, match=message):
        getattr(model, ask)(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prototypes_per_class": 0}, "positive integer, got 0"),
        (
            {"prototypes_per_class": 21},
            "`prototypes_per_class` asks for 21 prototypes, but class 0 has only 20 samples",
        ),
        ({"prototypes_per_class": {0: 1, 1: 2}}, "name every class 0…2"),
        (
            {"prototypes_per_class": True},
            "`prototypes_per_class` must be an integer or a mapping, got True",
        ),
        ({"initialiser": "medoids"}, "initialiser.*'kmeans\\+\\+'.*'medoids'"),
        ({"latent_dim": 6}, "latent_dim.*between 1 and.*5, got 6"),
        ({"latent": 2}, "GMLVQ has no option 'latent'; it has prototypes_per_class=1"),
        ({"transfer": "tanh"}, "transfer.*'tanh'"),
        ({"space": pz.manifolds.SPD(2)}, "to lie in SPD"),
    ],
)
def test_options_of_a_row(options, message, key):
    with pytest.raises(ValueError, match=message):
        pz.zoo.GMLVQ(X, Y, key=key, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pz.Trainer(TRAINER.rule, epochs=0), "`epochs` must be a positive integer, got 0"),
        (
            lambda: pz.Trainer(TRAINER.rule, 1, batch_size=0),
            "`batch_size` must be a positive integer, got 0",
        ),
        (lambda: pz.Trainer(TRAINER.rule, True), "`epochs` must be a positive integer, got True"),
        (
            lambda: pz.Stopping(patience=0),
            "`patience` must be a positive number of epochs or None, got 0",
        ),
        (lambda: pz.Stopping(min_delta=-1.0), "`min_delta` must not be negative"),
        (lambda: pz.Stopping(tolerance=-1.0), "`tolerance` must not be negative"),
        (lambda: pz.Checkpoints("x", every=0), "`every` must be a positive integer, got 0"),
        (lambda: pz.AlternatingOptimization(0.0), "`step` must be positive"),
    ],
)
def test_options_of_the_trainer(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "rate", "options", "message"),
    [
        *(
            ("sgd", rate, {}, "`learning_rate` must not be negative, got -1")
            for rate in (
                -1.0,
                pz.Linear(0.1, -1.0),
                pz.WarmUp(pz.Cosine(0.1, -1.0)),
                pz.PiecewiseConstant([0.1, -1.0, 0.1], [0.3, 0.6]),
            )
        ),
        ("sgd", 0.1, {"momentum": np.nan}, "`momentum` must be finite, got nan"),
        ("sgd", 0.1, {"momentum": "a"}, "`momentum` must hold numbers, got 'a'"),
        ("sgd", 0.1, {"momentum": [0.9]}, "`momentum` must be one number"),
        ("sgd", 0.1, {"momentum": 1.0}, r"`momentum` must lie in \[0, 1\), got 1"),
        ("sgd", 0.1, {"nesterov": "a"}, "`nesterov` must be True or False, got 'a'"),
        ("adam", 0.1, {"b1": 2.0}, r"`b1` must lie in \[0, 1\), got 2"),
        ("adam", 0.1, {"b2": 2.0}, r"`b2` must lie in \[0, 1\), got 2"),
        ("adam", 0.1, {"eps": -1.0}, "`eps` must not be negative, got -1"),
        ("lbfgs", None, {"memory_size": 0.5}, "`memory_size` must be an integer, got 0.5"),
    ],
)
def test_options_of_an_optimiser(name, rate, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        pz.GradientDescent(name, rate, **options)


@pytest.mark.parametrize("name", pz.training.OPTIMISERS)
def test_options_that_optax_has_by_default_are_taken(name):
    known = inspect.signature(pz.training.OPTIMISERS[name]).parameters
    # Weight decay is refused where it would shrink prototypes; a key and a seed go not together.
    others = "learning_rate", "weight_decay", "weight_decay_rate", "key", "seed"
    options = {k: p.default for k, p in known.items() if k not in others}
    pz.GradientDescent(name, 0.1, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.ones(3)}, r"`sample_weight` must have shape \(60,\), got \(3,\)"),
        (
            {"sample_weight": -np.ones(60)},
            "`sample_weight` must be finite and not negative, got -1",
        ),
        ({"sample_weight": np.zeros(60)}, "weights of all samples are zero"),
        ({"class_weight": "balance"}, "`class_weight` must be 'balanced'.*'balance'"),
        ({"class_weight": {0: 1.0}}, "`class_weight` must name every class 0…2"),
        ({"validation": (X[:, :2], Y)}, "`validation x` must have shape"),
        ({"validation": X}, "`validation y` is missing"),
        ({"resume": True}, "`resume` continues from `checkpoints`"),
    ],
)
def test_options_of_a_fit(options, message, key):
    with pytest.raises(ValueError, match=message):
        TRAINER.fit(pz.zoo.GMLVQ(X, Y, key=key), X, Y, key=key, **options)


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ("metrik", "'metrik' names no part.*PrototypeModel has 'prototypes', 'metric'"),
        ("metric.omega", "Omega has 'matrix', 'normalised', not 'omega'"),
        (["metric", "prototypes"], "leaves no parameter to train"),
        (lambda m: m.backbone, "freeze.*does not have.*backbone"),
        (lambda m: "metric", "freeze.*must return parts"),
    ],
)
def test_freeze(freeze, message, key):
    with pytest.raises(ValueError, match=message):
        pz.Trainer(TRAINER.rule, 1, freeze=freeze).fit(pz.zoo.GMLVQ(X, Y, key=key), X, Y, key=key)


def test_matrices_that_are_not_positive_definite(key):
    x, y = matrices()
    bad = x.copy()
    bad[3] = np.diag([1.0, 1.0, -1.0])
    with pytest.raises(ValueError, match=r"`x` does not lie in SPD\(n=3\).*3"):
        pz.zoo.RiemannianSMNG(bad, y, key=key)
    with pytest.raises(ValueError, match=r"`x` must hold square matrices"):
        pz.zoo.RiemannianSMNG(X, Y, key=key)


def test_labels_for_a_model_that_has_none(key):
    with pytest.raises(ValueError, match="`y` was given, but HCM learns without labels"):
        pz.zoo.HCM(X, Y, key=key)
    model = pz.zoo.HCM(X, key=key)
    with pytest.raises(ValueError, match="`y` was given, but HardClustering"):
        TRAINER.fit(model, X, Y, key=key)
    with pytest.raises(ValueError, match="prototypes of this model have no classes"):
        model.win_ratios(X, Y)
    with pytest.raises(ValueError, match="`class_weight` needs classes"):
        TRAINER.fit(model, X, key=key, class_weight="balanced")


def test_encoders_that_do_not_fit(key):
    model = pz.zoo.LVQMLN(X, Y, key=key)
    with pytest.raises(ValueError, match=r"`encoder` refuses `x` of shape \(60, 3\)"):
        model.predict(X[:, :3])
    with pytest.raises(
        ValueError, match=r"encoder maps a sample of `x` to shape \(4,\), but prototypes.*\(16,\)"
    ):
        eqx.tree_at(lambda m: m.encoder, model, pz.backbones.MLP((5, 4), key=key)).predict(X)


def test_a_broken_model_does_not_decide(key):
    model = pz.zoo.GLVQ(X, Y, key=key)
    broken = eqx.tree_at(
        lambda m: m.prototypes.points, model, jnp.full_like(model.prototypes.points, jnp.nan)
    )
    with pytest.raises(ValueError, match="parameters that are NaN or infinite"):
        broken.predict(X)


def test_thresholds_and_names(key):
    with pytest.raises(ValueError, match=r"`threshold`.*\[0, 1\], got 1.5"):
        pz.zoo.GLVQ(X, Y, key=key).predict_with_reject(X, 1.5)
    with pytest.raises(ValueError, match="no model 'GMLV'; it has .*GLVQ"):
        pz.fit("GMLV", X, Y)
    with pytest.raises(ValueError, match="GLVQ has no option 'latent_dim'"):
        pz.fit("GLVQ", X, Y, latent_dim=2)


def asked_of_a_model():
    """All public functions with an argument `model` that is one."""
    kinds, found = (pz.PrototypeModel, pz.models.AbstractTrainable), {}
    for module in {pz, *(one for one in vars(pz).values() if inspect.ismodule(one))}:
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            if not inspect.isfunction(function):
                continue
            argument = inspect.signature(function).parameters.get("model")
            if argument is not None and argument.annotation in kinds:
                found[f"{function.__module__}.{name}"] = function
    return found


def test_every_function_of_a_model_refuses_what_training_returns(unchecked):
    found, functions = pz.fit("GLVQ", X, Y, key=0, epochs=1), asked_of_a_model()
    assert len(functions) > 50
    for function in functions.values():
        needed = inspect.signature(function).parameters.values()
        others = {p.name: None for p in needed if p.default is p.empty and p.name != "model"}
        with pytest.raises(TypeError, match=r"`model` must be of kind .*, `model\.model`"):
            function(model=found, **others)
    for asked in (TRAINER.init, TRAINER.mask, lambda m: pz.Resize()(m, X, Y, key=0)):
        with pytest.raises(TypeError, match=r"`model` must be of kind .*, `model\.model`"):
            asked(found)
    with pytest.raises(TypeError, match="`state` must be a `TrainState`, which .*got PrototypeM"):
        TRAINER.step(found.model, X, Y)
    with pytest.raises(TypeError, match="`mixture` must be a `sklearn"):
        pz.mixtures.from_sklearn(found)


MIXTURE = {"weights": [0.5, 0.5], "means": X[:2], "covariances": np.ones(2)}
#: Numbers and words that are asked for beside a model and samples, and what is none of them.
WRONG = {
    **{
        f"norm={norm!r}": (lambda m, norm=norm: pz.trust.certify(m, X, norm=norm), "`norm` must be")
        for norm in (np.True_, np.array([1, 2]), "2", np.nan, None)
    },
    "norm of counterfactuals": (
        lambda m: pz.trust.counterfactuals(m, X, norm=np.array([1, 2])),
        "`norm` must be",
    ),
    **{
        f"radii={radii}": (
            lambda m, radii=radii: pz.trust.certified_accuracy(m, X, Y, radii),
            "`radii` must be a number or some",
        )
        for radii in ([], [[0.1], [0.2]])
    },
    "threshold": (lambda m: m.outliers(X, [0.1, 0.2]), "`threshold` must be one number"),
    "covariance": (
        lambda _: pz.mixtures.from_parameters(**MIXTURE, covariance=["spherical"]),
        "`covariance` must be a word",
    ),
    "weights": (
        lambda _: pz.mixtures.from_parameters(
            **(MIXTURE | {"weights": np.ones(3)}), covariance="spherical"
        ),
        r"`weights` must have shape \(2,\), got \(3,\)",
    ),
    "sets": (lambda _: pz.manifolds.subspaces(3, 1), "`sets` must"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_asked_for_beside_samples(what, unchecked):
    ask, message = WRONG[what]
    with pytest.raises((TypeError, ValueError), match=message):
        ask(glvq_of_samples())


@functools.cache
def glvq_of_samples() -> pz.PrototypeModel:
    return pz.PrototypeModel(
        pz.Prototypes(X[::20], [0, 1, 2]), pz.metrics.SquaredEuclidean(), pz.losses.GLVQ()
    )


@pytest.mark.parametrize("features", [1, 2])
def test_a_default_fits_samples_of_few_features(features):
    model = pz.zoo.GTLVQ(X[:, :features], Y, key=0)
    assert model.metric.bases.shape[2] == features - 1
    assert np.isfinite(model.predict_proba(X[:, :features])).all()
    with pytest.raises(ValueError, match=f"`subspace_dim` must lie between 0 and {features - 1}"):
        pz.zoo.GTLVQ(X[:, :features], Y, key=0, subspace_dim=2)
