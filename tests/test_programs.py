"""Programs that JAX traces: what is asked within one answers, or says which argument has no values
yet."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from test_inputs import ADAM, CLASSES, FUNCTIONS, MODEL, W, X, Y

import protozoo as pz
from protozoo import mixtures, topology, trust, validity


FCM = pz.zoo.FCM(X, key=0)
MAP = pz.zoo.KohonenSOM(X, key=0)
MIXTURE = pz.zoo.GaussianMixture(X, key=0)
SVDD = pz.zoo.SVDD(X, key=0)
TRAINER = pz.Trainer(ADAM, 1)
SETS = trust.ConformalClassifier(MODEL, X, Y)


def each(given: dict[str, Any], *functions: Callable) -> list[tuple[Callable, dict[str, Any]]]:
    """Functions that are asked the same."""
    return [(function, given) for function in functions]


#: What is asked of a model: whatever returns arrays alone may be part of a program.
ASKED: list[tuple[Callable, dict[str, Any]]] = [
    *(
        (getattr(pz.PrototypeModel, name), {"self": MODEL, "x": X})
        for name in (
            "distances",
            "predict_proba",
            "predict",
            "confidence",
            "transform",
            "encode",
            "relevances",
            "win_ratios",
            "open_set",
        )
    ),
    (pz.PrototypeModel.calibrated, {"self": SVDD, "x": X, "false_alarm_rate": 0.1}),
    (pz.PrototypeModel.score_samples, {"self": SVDD, "x": X}),
    (pz.PrototypeModel.decision_function, {"self": SVDD, "x": X}),
    (pz.PrototypeModel.memberships, {"self": FCM, "x": X}),
    (pz.PrototypeModel.predict_with_reject, {"self": MODEL, "x": X, "threshold": 0.5}),
    (pz.PrototypeModel.select, {"self": MODEL, "keep": np.arange(3)}),
    (pz.PrototypeModel.grow, {"self": MODEL, "points": X[:2], "labels": np.array([0, 1])}),
    (pz.PrototypeModel.relabelled, {"self": MODEL, "order": np.array([2, 1, 0])}),
    (pz.models.contributions, {"model": MODEL, "x": X}),
    (pz.models.boundaries, {"model": MODEL}),
    (pz.evaluate, {"model": MODEL, "x": X, "y": Y, "sample_weight": W}),
    (pz.evaluation.reject_curve, {"model": MODEL, "x": X, "y": Y}),
    (SETS.predict_set, {"x": X}),
    (trust.evaluate_sets, {"classifier": SETS, "x": X, "y": Y}),
    (trust.certify, {"model": MODEL, "x": X, "y": Y}),
    (trust.certified_accuracy, {"model": MODEL, "x": X, "y": Y, "radii": np.array([0.1])}),
    (trust.counterfactuals, {"model": MODEL, "x": X[:3]}),
    (trust.tempered, {"model": MODEL, "x": X, "y": Y}),
    (trust.reject_by_cost, {"model": MODEL, "x": X, "y": Y, "cost": 0.1}),
    (trust.reject_by_risk, {"model": MODEL, "x": X, "y": Y, "risk": 0.5}),
    *each(
        {"model": FCM, "x": X},
        validity.partition_coefficient,
        validity.partition_entropy,
        validity.xie_beni,
        validity.davies_bouldin,
        validity.silhouette,
    ),
    (validity.matched, {"clusters": Y, "y": Y}),
    (validity.number_of_clusters, {"model": "KMeans", "x": X, "numbers": np.array([2, 3])}),
    *each(
        {"model": MAP, "x": X},
        topology.winners,
        topology.units_in_use,
        topology.edges,
        topology.graph,
        topology.trustworthiness,
    ),
    *each(
        {"model": MAP, "x": X, "sample_weight": W},
        topology.hits,
        topology.quantisation_error,
        topology.topographic_error,
    ),
    (topology.label_map, {"model": MAP, "x": X, "y": Y, "sample_weight": W}),
    *each(
        {"model": MAP},
        topology.topographic_product,
        topology.neighbour_distances,
    ),
    *each(
        {"model": MIXTURE, "x": X},
        mixtures.log_prob,
        mixtures.entropy,
        mixtures.bic,
        mixtures.aic,
    ),
    (mixtures.sample, {"model": MIXTURE, "key": jax.random.key(0), "n": 3}),
    (
        mixtures.from_parameters,
        {
            "weights": np.ones(2),
            "means": X[:2],
            "covariances": np.stack([np.eye(5)] * 2),
            "regularisation": 1e-6,
        },
    ),
]
#: What writes files, which are there already if it is asked twice.
WRITTEN: list[tuple[Callable, dict[str, Any]]] = [
    (pz.save, {"path": "saved", "model": MODEL, "overwrite": True}),
    (pz.export.stablehlo, {"model": MODEL, "path": "program.stablehlo"}),
]
#: What builds models from samples, and trains them.
TRAINED: list[tuple[Callable, dict[str, Any]]] = [
    (pz.zoo.GMLVQ, {"x": X, "y": Y, "key": jax.random.key(0), "latent_dim": 2}),
    (pz.zoo.KMeans, {"x": X, "key": jax.random.key(0)}),
    (pz.fit, {"model": "GLVQ", "x": X, "y": Y, "epochs": 1, "sample_weight": W}),
    (pz.cross_validate, {"model": "GLVQ", "x": X, "y": Y, "folds": 2, "epochs": 1}),
    (pz.compare, {"models": ["GLVQ", "LVQ1"], "x": X, "y": Y, "folds": 2, "epochs": 1}),
    (TRAINER.fit, {"model": MODEL, "x": X, "y": Y, "key": 0, "sample_weight": W}),
    (pz.Phases([TRAINER]).fit, {"model": MODEL, "x": X, "y": Y, "key": 0}),
    (pz.fit_many, {"trainers": TRAINER, "models": [MODEL], "x": X, "y": Y, "key": 0}),
    (TRAINER.step, {"state": TRAINER.init(MODEL), "x": X, "y": Y, "sample_weight": W}),
]
CALLS = [*CLASSES.items(), *FUNCTIONS.items(), *ASKED, *WRITTEN, *TRAINED]


def name(call: tuple[Callable, dict[str, Any]]) -> str:
    return getattr(call[0], "__qualname__", getattr(call[0], "__name__", repr(call[0])[:20]))


def is_traceable(value: Any) -> bool:
    """Whether a program may take it as an argument."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub"
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    return numbers or isinstance(value, jax.Array | pz.PrototypeModel | pz.training.TrainState)


@pytest.mark.parametrize("call", CALLS, ids=name)
def test_what_has_no_values_yet_is_taken_or_named(call, unchecked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, given = call
    faults = []
    for argument, value in given.items():
        if not is_traceable(value):
            continue
        said = {"self": "model", "state": "state"}.get(argument, argument)

        def within(traced, argument=argument):
            make(**{**given, argument: traced})

        try:
            eqx.filter_jit(within)(np.float32(value) if isinstance(value, float) else value)
        except (ValueError, TypeError, NotImplementedError) as error:
            if f"`{said}" not in str(error) or isinstance(error, jax.errors.JAXTypeError):
                faults.append(f"{argument}: {type(error).__name__}: {str(error)[:120]}")
        except Exception as error:
            faults.append(f"{argument}: {type(error).__name__}: {str(error)[:120]}")
    assert not faults, "\n".join(faults)


#: A few of each kind; the others are asked nightly.
SAMPLED = (
    *ASKED[:12],
    *(call for call in ASKED if call[0] in (validity.silhouette, topology.hits)),
    *TRAINED[:2],
)


@pytest.mark.parametrize(
    "calls",
    [SAMPLED, pytest.param(CALLS, marks=pytest.mark.nightly)],
    ids=["some", "all"],
)
def test_what_is_known_is_known_within_a_program(calls, unchecked, tmp_path, monkeypatch):
    """Samples that a program was written with, for example."""
    monkeypatch.chdir(tmp_path)
    for make, given in calls:
        known = functools.partial(make, **given)
        jax.jit(lambda number, known=known: (known(), number)[1])(0.0)


def test_what_is_found_within_a_program_is_what_is_found_without():
    found = {}

    def program(number):
        found["model"] = pz.zoo.GMLVQ(X, Y, key=0)
        found["hits"] = topology.hits(MAP, X)
        return number

    jax.jit(program)(0.0)
    trees = found["model"], pz.zoo.GMLVQ(X, Y, key=0)
    for one, other in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found["hits"], topology.hits(MAP, X))
