"""One notion of input: what is given is taken and right, or refused by an error that names the argument."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest
from kinds import KINDS, belongs
from zoo import blobs

import protozoo as pz


X, Y = blobs()
KEY = jax.random.key(0)
ADAM = pz.GradientDescent(optax.adam(1e-2))
POINTS = pz.Prototypes(X[::20], [0, 1, 2])
OMEGA = pz.metrics.Omega.identity(5, 2)
MODEL = pz.PrototypeModel(POINTS, OMEGA, pz.losses.GLVQ())


# Constructors and functions, driven by their signatures.

#: For every public class what it can be made of.
CLASSES: dict[type, dict[str, Any]] = {
    pz.Constant: {"value": 1.0},
    pz.Cosine: {"start": 1.0},
    pz.Exponential: {"start": 1.0, "end": 0.1},
    pz.Linear: {"start": 1.0, "end": 0.1},
    pz.OverRun: {"schedule": 1.0},
    pz.PiecewiseConstant: {"values": [1.0, 2.0], "boundaries": [0.5]},
    pz.Polynomial: {"start": 1.0, "end": 0.1},
    pz.Restarts: {"schedule": pz.Cosine(1.0)},
    pz.WarmUp: {"schedule": 1.0},
    pz.RankCooperation: {"neighbourhood": 1.0},
    pz.WinnerTakesAll: {},
    pz.PrototypeModel: {"prototypes": POINTS, "metric": OMEGA, "loss": pz.losses.GLVQ()},
    pz.Prototypes: {"points": X[:3], "labels": [0, 1, 2]},
    pz.AlternatingOptimization: {},
    pz.Averaged: {"rule": ADAM},
    pz.Checkpoints: {"directory": "checkpoints"},
    pz.GradientDescent: {"optimiser": "adam", "learning_rate": 0.1},
    pz.Lazy: {},
    pz.Lookahead: {"rule": ADAM},
    pz.MedianOptimization: {},
    pz.Phases: {"trainers": [pz.Trainer(ADAM, 1)]},
    pz.SelfPaced: {"share": 0.5},
    pz.Stopping: {},
    pz.Trainer: {"rule": ADAM, "epochs": 1},
    pz.losses.CBC: {"reasoning": np.full((3, 4, 2), 0.5)},
    pz.losses.ClasswiseClustering: {},
    pz.losses.CrossEntropy: {},
    pz.losses.Fuzzy: {},
    pz.losses.GLVQ: {"transfer": "sigmoid"},
    pz.losses.HardClustering: {},
    pz.losses.LVQ1: {},
    pz.losses.LVQ21: {},
    pz.losses.Mixture: {"logits": np.zeros(3)},
    pz.losses.NearestNeighbours: {},
    pz.losses.NeuralGas: {"neighbourhood": 1.0},
    pz.losses.RSLVQ: {},
    pz.losses.SoftLVQ: {},
    pz.metrics.Chain: {"first": OMEGA, "second": pz.metrics.Omega.identity(2)},
    pz.metrics.ClassOmega: {"matrix": np.ones((3, 5, 2))},
    pz.metrics.Cosine: {},
    pz.metrics.ExponentialKernel: {"matrix": np.ones((5, 2))},
    pz.metrics.GaussianKernel: {"metric": OMEGA},
    pz.metrics.LocalOmega: {"matrix": np.ones((3, 5, 2))},
    pz.metrics.LpNorm: {"order": 2.0},
    pz.metrics.Mahalanobis: {"log_scales": np.zeros((3, 5))},
    pz.metrics.Missing: {"metric": OMEGA},
    pz.metrics.Omega: {"matrix": np.ones((5, 2))},
    pz.metrics.Precomputed: {},
    pz.metrics.Relevance: {"logits": np.zeros(5)},
    pz.metrics.SparseRelevance: {"logits": np.zeros(5)},
    pz.metrics.SquaredEuclidean: {},
    pz.metrics.Subspace: {"basis": np.eye(5, 2)},
    pz.metrics.Tangent: {"bases": np.stack([np.eye(5, 2)] * 3)},
    pz.metrics.Wasserstein: {"metric": OMEGA, "log_variances": np.zeros((3, 5))},
    pz.manifolds.Euclidean: {"shape": 3},
    pz.manifolds.SPD: {"n": 3},
    pz.backbones.CNN: {"shape": (6, 6, 1), "latent_dim": 2, "channels": (2,), "key": KEY},
    pz.backbones.MLP: {"sizes": (5, 2), "key": KEY},
    pz.backbones.Rematerialised: {"encoder": jax.nn.relu},
    pz.training.Diversity: {},
    pz.training.HistoryFile: {"path": "history.csv"},
    pz.training.OmegaLogDet: {},
    pz.training.OmegaTrace: {},
    pz.training.Progress: {},
    pz.training.Slices: {"x": X, "y": Y, "batch_size": 10},
    pz.training.SparseRelevances: {},
    pz.training.TensorBoard: {"directory": "events"},
    pz.training.WeightDecay: {"part": "encoder"},
}

#: What is made by others or holds what they computed: nobody passes its arguments.
MADE = {
    pz.backbones.Stateful,
    pz.metrics.Composed,
    pz.metrics.Dense,
    pz.metrics.Identity,
    pz.metrics.Moments,
    pz.metrics.OwnUnits,
    pz.metrics.Residual,
    pz.metrics.Scale,
    pz.training.Batch,
    pz.training.Fit,
    pz.training.Objective,
    pz.training.Reason,
    pz.training.TrainState,
    pz.training.View,
    pz.zoo.Context,
    pz.zoo.CrossValidation,
    pz.zoo.Recipe,
}

#: Functions that make parts, and what they can be given.
FUNCTIONS: dict[Callable, dict[str, Any]] = {
    pz.Prototypes.from_classes: {"x": X, "y": Y, "key": 0},
    pz.Prototypes.from_samples: {"x": X, "count": 3, "key": 0},
    pz.losses.Mixture.uniform: {"prototypes": 3},
    pz.metrics.ClassOmega.identity: {"classes": 3, "dimension": 5},
    pz.metrics.ClassOmega.repeated: {"omega": OMEGA, "classes": 3},
    pz.metrics.ExponentialKernel.from_data: {"x": X},
    pz.metrics.GaussianKernel.from_data: {"metric": OMEGA, "x": X, "prototypes": POINTS},
    pz.metrics.GaussianKernel.with_bandwidths: {"metric": OMEGA, "bandwidths": 1.0},
    pz.metrics.LocalOmega.identity: {"prototypes": 3, "dimension": 5},
    pz.metrics.LocalOmega.repeated: {"omega": OMEGA, "prototypes": 3},
    pz.metrics.Mahalanobis.from_covariances: {"covariances": np.ones((3, 5))},
    pz.metrics.Mahalanobis.from_data: {"x": X, "prototypes": POINTS},
    pz.metrics.Omega.from_lda: {"x": X, "y": Y},
    pz.metrics.Omega.from_pca: {"x": X},
    pz.metrics.Omega.identity: {"dimension": 5},
    pz.metrics.Relevance.uniform: {"dimension": 5},
    pz.metrics.SparseRelevance.uniform: {"dimension": 5},
    pz.metrics.Subspace.spanned_by: {"x": X},
    pz.metrics.Tangent.from_data: {"x": X, "prototypes": POINTS},
}

#: Arguments that take more than their annotation tells: names of parts, functions of one's own, things of other libraries.
OPEN = {
    (pz.metrics.LpNorm, "order"): ("infinity",),
    (pz.training.Slices, "x"): tuple(KINDS),
    (pz.training.Slices, "y"): tuple(KINDS),
    (pz.backbones.MLP, "sizes"): (),
}


def test_every_public_class_is_given_what_it_cannot_take():
    public = {
        value
        for module in (
            pz,
            pz.losses,
            pz.metrics,
            pz.manifolds,
            pz.cooperation,
            pz.prototypes,
            pz.backbones,
            pz.training,
            pz.zoo,
        )
        for name, value in vars(module).items()
        if inspect.isclass(value) and name in module.__all__ and not inspect.isabstract(value)
    }
    concrete = {one for one in public if not one.__name__.startswith("Abstract")}
    assert concrete - MADE == set(CLASSES)
    makers = {
        value
        for module in (pz.Prototypes, *(one for one in CLASSES if one.__module__.startswith("protozoo.")))
        for name, value in inspect.getmembers(module, inspect.ismethod)
        if not name.startswith("_")
    }
    assert makers - {pz.losses.CBC.from_data} <= {*FUNCTIONS}


@pytest.mark.parametrize("make", [*CLASSES, *FUNCTIONS], ids=lambda make: make.__qualname__)
def test_arguments_of_another_kind_are_refused_by_name(make, unchecked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {**CLASSES, **FUNCTIONS}[make]
    make(**given)
    faults = []
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        for kind, value in KINDS.items():
            try:
                make(**{**given, name: value})
            except (ValueError, TypeError, NotImplementedError) as error:
                if f"`{name}" not in str(error):
                    faults.append(f"{name}={kind}: {type(error).__name__}: {str(error)[:120]}")
            except Exception as error:
                faults.append(f"{name}={kind}: {type(error).__name__}: {str(error)[:120]}")
            else:
                if not belongs(value, parameter.annotation) and kind not in OPEN.get((make, name), ()):
                    faults.append(f"{name}={kind}: taken")
    assert not faults, "\n".join(faults)
