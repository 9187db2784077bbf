"""One notion of input: what is given is taken and right, or refused by an error that names the
argument."""

import inspect
import os
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
import pandas as pd
import pytest
from kinds import KINDS, belongs
from zoo import blobs

import protozoo as pz
from protozoo.sklearn import PrototypeClassifier


X, Y = blobs()
KEY = jax.random.key(0)
ADAM = pz.GradientDescent(optax.adam(1e-2))
POINTS = pz.Prototypes(X[::20], [0, 1, 2])
OMEGA = pz.metrics.Omega.identity(5, 2)
RADII = pz.losses.Radii(np.ones(3))
MODEL = pz.PrototypeModel(POINTS, OMEGA, pz.losses.GLVQ())
NETWORK = pz.networks.RecurrentNetwork.layered((5, 4, 3), key=0)


# Constructors and functions, driven by their signatures.

#: For every public class what it can be made of.
CLASSES: dict[type, dict[str, Any]] = {
    pz.Box: {"low": 0.0, "high": 1.0},
    pz.Orthonormal: {},
    pz.Positive: {},
    pz.UnitTrace: {},
    pz.manifolds.OnManifold: {"space": pz.manifolds.SPD(2)},
    pz.Constant: {"value": 1.0},
    pz.Cosine: {"start": 1.0},
    pz.Exponential: {"start": 1.0, "end": 0.1},
    pz.Linear: {"start": 1.0, "end": 0.1},
    pz.OverRun: {"schedule": 1.0},
    pz.PiecewiseConstant: {"values": [1.0, 2.0], "boundaries": [0.5]},
    pz.Polynomial: {"start": 1.0, "end": 0.1},
    pz.Restarts: {"schedule": pz.Cosine(1.0)},
    pz.WarmUp: {"schedule": 1.0},
    pz.EqualShares: {},
    pz.cooperation.GradedShares: {"grade": 0.5, "width": 1.0},
    pz.RankCooperation: {"neighbourhood": 1.0},
    pz.WinnerTakesAll: {},
    pz.cooperation.Lattice: {"shape": (2, 3)},
    pz.cooperation.LatticeCooperation: {
        "lattice": pz.cooperation.Lattice((1, 3)),
        "neighbourhood": 1.0,
    },
    pz.cooperation.GaussianShares: {"variance": 1.0},
    pz.cooperation.ProductOfShares: {"first": pz.WinnerTakesAll(), "second": pz.EqualShares()},
    pz.cooperation.StudentShares: {"variance": 1.0},
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
    pz.Resize: {},
    pz.SelfPaced: {"share": 0.5},
    pz.Stopping: {},
    pz.Trainer: {"rule": ADAM, "epochs": 1},
    pz.losses.CBC: {"reasoning": np.full((3, 4, 2), 0.5)},
    pz.losses.Calibrated: {"decision": pz.losses.OneClass(RADII)},
    pz.losses.ClasswiseClustering: {},
    pz.losses.ContrastiveSVQOCC: {"visibility": RADII},
    pz.losses.CrossEntropy: {},
    pz.losses.DataDescription: {"visibility": RADII, "rejected": pz.losses.RejectedShare(0.1)},
    pz.losses.Fuzzy: {},
    pz.losses.GLVQ: {"transfer": "sigmoid"},
    pz.losses.HardClustering: {},
    pz.losses.HypothesisMargin: {},
    pz.losses.LVQ1: {},
    pz.losses.LVQ21: {},
    pz.losses.Cauchy: {"bandwidths": np.ones(3)},
    pz.losses.Columnwise: {},
    pz.losses.Possibilistic: {"radial": pz.losses.Cauchy(1.0)},
    pz.losses.Saturated: {"radial": pz.losses.Welsch(1.0), "loss": pz.losses.Fuzzy()},
    pz.losses.Welsch: {"bandwidths": 2.0},
    pz.losses.Level: {"loss": pz.losses.HardClustering(), "level": 1.0},
    pz.losses.Mixture: {"logits": np.zeros(3)},
    pz.losses.NearestNeighbours: {},
    pz.losses.OneClass: {"visibility": RADII},
    pz.losses.OpenSet: {"decision": pz.losses.GLVQ(), "visibility": RADII},
    pz.losses.Radii: {"radii": np.ones(3)},
    pz.losses.RobustStableCBC: {"log_reasoning": np.zeros((3, 4, 2))},
    pz.losses.StableCBC: {"log_reasoning": np.zeros((3, 4, 2))},
    pz.losses.RejectedShare: {"share": 0.1},
    pz.losses.SVQOCC: {"visibility": RADII},
    pz.losses.Cooperative: {"cooperation": pz.WinnerTakesAll()},
    pz.losses.RSLVQ: {},
    pz.losses.SoftLVQ: {},
    pz.metrics.Chain: {"first": OMEGA, "second": pz.metrics.Omega.identity(2)},
    pz.metrics.ClassOmega: {"matrix": np.ones((3, 5, 2))},
    pz.metrics.Cosine: {},
    pz.metrics.Diagonal: {"log_scales": np.zeros((3, 5))},
    pz.metrics.ExponentialKernel: {"matrix": np.ones((5, 2))},
    pz.metrics.Full: {"log_scales": np.zeros((3, 5)), "upper": np.zeros((3, 5, 5))},
    pz.metrics.GaussianKernel: {"metric": OMEGA},
    pz.metrics.LocalOmega: {"matrix": np.ones((3, 5, 2))},
    pz.metrics.LpNorm: {"order": 2.0},
    pz.metrics.Mahalanobis: {"covariance": pz.metrics.Diagonal(np.zeros((3, 5)))},
    pz.metrics.Missing: {"metric": OMEGA},
    pz.metrics.Omega: {"matrix": np.ones((5, 2))},
    pz.metrics.Precomputed: {},
    pz.metrics.Relational: {"dissimilarities": 1 - np.eye(5)},
    pz.metrics.Relevance: {"logits": np.zeros(5)},
    pz.metrics.SparseRelevance: {"logits": np.zeros(5)},
    pz.metrics.Spherical: {"log_scales": np.zeros(3)},
    pz.metrics.SpectralRelevance: {"logits": np.zeros(2)},
    pz.metrics.SquaredEuclidean: {},
    pz.metrics.Subspace: {"basis": np.eye(5, 2)},
    pz.metrics.TangentExponentialKernel: {"metric": OMEGA},
    pz.metrics.Tangent: {"bases": np.stack([np.eye(5, 2)] * 3)},
    pz.metrics.Tied: {"log_scales": np.zeros(5), "upper": np.zeros((5, 5))},
    pz.metrics.Wasserstein: {"metric": OMEGA, "log_variances": np.zeros((3, 5))},
    pz.manifolds.Euclidean: {"shape": 3},
    pz.manifolds.Grassmannian: {"n": 4, "k": 2},
    pz.manifolds.PoincareBall: {"d": 2},
    pz.manifolds.Product: {"spaces": [pz.manifolds.SPD(2), pz.manifolds.Sphere(3)]},
    pz.manifolds.SO: {"n": 3},
    pz.manifolds.SPD: {"n": 3},
    pz.manifolds.Simplex: {"n": 3},
    pz.manifolds.Sphere: {"n": 3},
    pz.backbones.CNN: {"shape": (6, 6, 1), "latent_dim": 2, "channels": (2,), "key": KEY},
    pz.backbones.Curved: {"encoder": jax.nn.tanh, "space": pz.manifolds.Sphere(3)},
    pz.backbones.TangentSpace: {"space": pz.manifolds.SPD(2), "base": np.eye(2)},
    pz.backbones.KernelDistances: {},
    pz.backbones.MLP: {"sizes": (5, 2), "key": KEY},
    pz.backbones.MinMax: {"shift": np.zeros(5), "factor": np.ones(5)},
    pz.backbones.Robust: {"shift": np.zeros(5), "factor": np.ones(5)},
    pz.backbones.Standardise: {"shift": np.zeros(5), "factor": np.ones(5)},
    pz.backbones.Whitening: {"shift": np.zeros(5), "factor": np.ones(5), "matrix": np.eye(5)},
    pz.backbones.Rematerialised: {"encoder": jax.nn.relu},
    pz.networks.Binary: {"size": 3},
    pz.networks.CrossEntropy: {},
    pz.networks.Delta: {},
    pz.networks.Dense: {"matrix": np.ones((5, 3))},
    pz.networks.Edge: {
        "synapses": pz.networks.Dense(np.ones((5, 3))),
        "loss": pz.networks.Perceptron(),
    },
    pz.networks.Ferromagnetic: {"strength": np.ones(3)},
    pz.networks.Frozen: {"synapses": pz.networks.Dense(np.ones((5, 3)))},
    pz.networks.Graded: {"size": 3},
    pz.networks.Hebbian: {},
    pz.networks.Hollow: {},
    pz.networks.LayerMap: {"units": NETWORK.layers.units, "edges": dict(NETWORK.layers.items())},
    pz.networks.Linear: {"size": 3},
    pz.networks.Perceptron: {},
    pz.networks.Phase: {"steps": 3},
    pz.networks.Recurrent: {"synapses": pz.networks.Dense(np.zeros((3, 3)), "hollow")},
    pz.networks.RecurrentNetwork: {"layers": NETWORK.layers},
    pz.networks.Settled: {"layers": NETWORK.layers},
    pz.networks.Similarities: {"prototypes": POINTS},
    pz.networks.Sparse: {"weights": np.ones((1, 3)), "senders": [[1, 2, 3]], "size": 5},
    pz.networks.Standardised: {"synapses": pz.networks.Dense(np.ones((5, 3)))},
    pz.networks.Symmetric: {},
    pz.networks.TruncatedPerceptron: {},
    pz.trust.ConformalClassifier: {"model": MODEL, "x_cal": X, "y_cal": Y},
    pz.trust.Selective: {"decision": pz.losses.GLVQ()},
    pz.trust.Tempered: {"decision": pz.losses.GLVQ()},
    pz.training.ADWIN: {},
    pz.training.AdaptiveLVQ: {
        "model": pz.PrototypeModel(POINTS, pz.metrics.SquaredEuclidean(), pz.losses.GLVQ())
    },
    pz.training.Autodiff: {},
    pz.training.Diversity: {},
    pz.training.GrowingGraph: {},
    pz.training.HistoryFile: {"path": "history.csv"},
    pz.training.OmegaLogDet: {},
    pz.training.OmegaTrace: {},
    pz.training.RotatingHyperplane: {},
    pz.training.SEA: {},
    pz.training.Progress: {},
    pz.training.Slices: {"x": X, "y": Y, "batch_size": 10},
    pz.training.SparseRelevances: {},
    pz.training.TensorBoard: {"directory": "events"},
    pz.training.WeightDecay: {"part": "encoder"},
}

#: What is made by others or holds what they computed: nobody passes its arguments.
MADE = {
    pz.evaluation.Evaluation,
    pz.zoo.Comparison,
    pz.backbones.Stateful,
    pz.cooperation.GraphCooperation,
    pz.metrics.Composed,
    pz.metrics.Dense,
    pz.metrics.Identity,
    pz.losses.Sum,  # of any number of terms
    pz.losses.Winners,
    pz.manifolds.FrechetMean,
    pz.models.Boundaries,
    pz.metrics.Moments,
    pz.metrics.Step,
    pz.metrics.OwnUnits,
    pz.metrics.Residual,
    pz.metrics.Scale,
    pz.networks.Settling,
    pz.training.Batch,
    pz.trust.Certificates,
    pz.trust.Counterfactuals,
    pz.training.Fit,
    pz.training.Learner,
    pz.training.Objective,
    pz.training.Prequential,
    pz.training.Reason,
    pz.training.TrainState,
    pz.training.View,
    pz.trust.SetEvaluation,
    pz.zoo.Context,
    pz.zoo.CrossValidation,
    pz.zoo.Option,
    pz.zoo.Recipe,
    pz.zoo.Source,
}

#: Functions that make parts, and what they can be given.
FUNCTIONS: dict[Callable, dict[str, Any]] = {
    pz.Prototypes.from_classes: {"x": X, "y": Y, "key": 0},
    pz.Prototypes.from_samples: {"x": X, "count": 3, "key": 0},
    pz.cooperation.GraphCooperation.of_edges: {"edges": np.zeros((0, 2), int), "prototypes": 3},
    pz.losses.Mixture.from_weights: {"weights": np.ones(3)},
    pz.losses.Mixture.uniform: {"prototypes": 3},
    pz.losses.Radii.from_distances: {"delta": np.ones((4, 3))},
    pz.backbones.MinMax.from_data: {"x": X},
    pz.backbones.Robust.from_data: {"x": X},
    pz.backbones.Standardise.from_data: {"x": X},
    pz.backbones.Whitening.from_data: {"x": X},
    pz.backbones.TangentSpace.at_mean: {"space": pz.manifolds.Euclidean(5), "x": X},
    pz.losses.Mixture.from_weights: {"weights": np.ones(3)},
    pz.losses.Mixture.uniform: {"prototypes": 3},
    pz.manifolds.covariances: {"signals": np.random.default_rng(0).normal(size=(2, 3, 9))},
    pz.manifolds.embedded_tree: {"parents": [-1, 0, 0]},
    pz.manifolds.frechet_mean: {"space": pz.manifolds.Euclidean(5), "x": X},
    pz.manifolds.rotations_from_axis_angle: {"vectors": np.ones((2, 3))},
    pz.manifolds.rotations_from_quaternions: {"quaternions": np.ones((2, 4))},
    pz.metrics.SpectralRelevance.uniform: {"rank": 2},
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
    pz.metrics.Relational.from_rows: {"x": 1 - np.eye(5)},
    pz.metrics.dissimilarities_of: {"similarities": np.eye(5)},
    pz.metrics.Relevance.uniform: {"dimension": 5},
    pz.metrics.SparseRelevance.uniform: {"dimension": 5},
    pz.metrics.Subspace.spanned_by: {"x": X},
    pz.networks.Dense.normal: {"senders": 5, "receivers": 3, "key": 0},
    pz.networks.RecurrentNetwork.layered: {"sizes": (5, 4, 3), "key": 0},
    pz.networks.Sparse.normal: {"senders": 5, "receivers": 3, "sparsity": 0.5, "key": 0},
    pz.metrics.TangentExponentialKernel.from_data: {"metric": OMEGA, "x": X, "prototypes": POINTS},
    pz.metrics.TangentExponentialKernel.with_bandwidths: {"metric": OMEGA, "bandwidths": 1.0},
    pz.metrics.Tangent.from_data: {"x": X, "prototypes": POINTS},
}

#: Arguments that take more than their annotation tells: names of parts, functions of one's own,
#: things of other libraries.
OPEN = {
    (pz.metrics.LpNorm, "order"): ("infinity",),
    (pz.training.Slices, "x"): tuple(KINDS),
    (pz.training.Slices, "y"): tuple(KINDS),
}


#: What is found of the features that there are.
GAPS = (pz.backbones.Standardise, pz.backbones.MinMax, pz.backbones.Robust)


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
            pz.networks,
            pz.training,
            pz.trust,
            pz.zoo,
        )
        for name, value in vars(module).items()
        if inspect.isclass(value) and name in module.__all__ and not inspect.isabstract(value)
    }
    concrete = {one for one in public if not one.__name__.startswith("Abstract")}
    assert concrete - MADE == set(CLASSES)
    makers = {
        value
        for module in (
            pz.Prototypes,
            *(one for one in CLASSES if one.__module__.startswith("protozoo.")),
        )
        for name, value in inspect.getmembers(module, inspect.ismethod)
        if not name.startswith("_")
    }
    components = (pz.losses.CBC, pz.losses.StableCBC, pz.losses.RobustStableCBC)
    assert makers - {one.from_data for one in components} <= {*FUNCTIONS}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [*CLASSES, *FUNCTIONS], ids=lambda make: make.__qualname__)
def test_what_is_no_number_is_refused_by_name(make, value, unchecked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {**CLASSES, **FUNCTIONS}[make]
    for name, numbers in given.items():
        if not isinstance(numbers, float | np.ndarray) or np.asarray(numbers).dtype.kind != "f":
            continue
        # A norm may be of infinite order, a scale leaves gaps out, and samples that may fill a disk
        # are looked at when they are drawn.
        infinite = make is pz.metrics.LpNorm and value == np.inf
        gaps = getattr(make, "__self__", None) in GAPS and np.isnan(value)
        if infinite or gaps or make is pz.training.Slices:
            continue
        wrong = np.array(numbers, float)
        wrong.flat[wrong.size // 2] = value
        with pytest.raises((ValueError, TypeError), match=f"`{name}`"):
            make(**{**given, name: wrong if wrong.ndim else float(wrong)})


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
                if not belongs(value, parameter.annotation) and kind not in OPEN.get(
                    (make, name), ()
                ):
                    faults.append(f"{name}={kind}: taken")
    assert not faults, "\n".join(faults)


# Data of every origin.

SLOW = pz.Trainer(pz.GradientDescent(optax.sgd(0.01)), epochs=2)
W = 1.0 + np.arange(len(X)) % 2


def frames(library: str) -> tuple[Any, Any, Any]:
    """Samples, classes and weights as a library of data frames has them."""
    module = pytest.importorskip(library)
    return module.DataFrame(X), module.Series(Y), module.Series(W)


def same(one: Any, other: Any) -> None:
    assert eqx.tree_equal(one, other, typematch=True), (one, other)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_taken_wherever_arrays_are(library, unchecked):
    def results(x: Any, y: Any, w: Any) -> list[Any]:
        fit = SLOW.fit(
            MODEL, x, y, key=0, sample_weight=w, validation=(x, y, w), class_weight=w[:3]
        )
        crossed = pz.cross_validate("NPC", x, y, key=0, folds=3, sample_weight=w, epochs=1)
        return [
            fit.model,
            fit.history,
            crossed.scores,
            crossed.folds,
            pz.zoo.GMLVQ(x, y, key=0, sample_weight=w),
            pz.zoo.HCM(x, key=0),
            pz.Prototypes.from_classes(x, y, 2, key=0, initialiser="kmeans++", sample_weight=w),
            pz.Prototypes.from_samples(x, 2, key=0, sample_weight=w),
            pz.metrics.Omega.from_pca(x, 2, sample_weight=w),
            pz.metrics.Omega.from_lda(x, y, 2, sample_weight=w),
            pz.metrics.Mahalanobis.from_data(x, POINTS, sample_weight=w),
            MODEL.predict(x),
            MODEL.predict_proba(x),
            MODEL.relevances(x, w),
            MODEL.win_ratios(x, y),
        ]

    for found, expected in zip(results(*frames(library)), results(X, Y, W), strict=True):
        same(found, expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_batches_of_a_stream_may_be_data_frames(library, unchecked):
    x, y, w = frames(library)

    def source(x, y, w):
        return lambda epoch: (
            (x[at : at + 20], y[at : at + 20], w[at : at + 20]) for at in (0, 20, 40)
        )

    sources = source(x, y, w), source(X, Y, W)
    one, other = (SLOW.fit(MODEL, given, key=0, validation=given) for given in sources)
    same(one.model, other.model)
    same(one.history, other.history)


@pytest.mark.parametrize(
    "dtype",
    ["float16", "bfloat16", "float64", "longdouble", ">f8", ">f2", "int32", ">i2", "uint8", "bool"],
)
def test_training_computes_in_float32_whatever_the_numbers_are_stored_as(dtype, unchecked):
    """Integers, too, learn: nothing blames `freeze`, and no difference wraps around."""
    stored = np.abs(np.round(4 * X)).astype(jnp.bfloat16 if dtype == "bfloat16" else dtype)
    plain = stored.astype(np.float32)
    same(
        pz.fit("GMLVQ", stored, Y, key=0, epochs=2).model,
        pz.fit("GMLVQ", plain, Y, key=0, epochs=2).model,
    )
    points = [pz.Prototypes.from_classes(x, Y, 2, key=0) for x in (stored, plain)]
    same(*points)


def test_options_may_be_scalars_of_numpy_and_lists(unchecked):
    plain = pz.zoo.SiameseGLVQ(
        X, Y, key=0, hidden=(4,), latent_dim=2, prototypes_per_class={0: 1, 1: 1, 2: 1}
    )
    of_numpy = {np.int64(k): np.int32(1) for k in range(3)}
    same(
        pz.zoo.SiameseGLVQ(
            X,
            Y,
            key=np.int64(0),
            hidden=[np.int64(4)],
            latent_dim=np.int8(2),
            prototypes_per_class=of_numpy,
        ),
        plain,
    )
    fits = [
        pz.Trainer(
            pz.Lookahead(ADAM, period, 0.5),
            epochs,
            batch_size=batch_size,
            freeze=freeze,
            restore_best=best,
        ).fit(MODEL, X, Y, key=0)
        for period, epochs, batch_size, freeze, best in (
            (2, 2, 20, ("metric",), True),
            (np.int64(2), np.int32(2), np.uint8(20), ["metric"], np.bool_(True)),
        )
    ]
    same(fits[0].model, fits[1].model)
    same(pz.losses.NearestNeighbours(np.int64(3)), pz.losses.NearestNeighbours(3))
    same(
        pz.losses.GLVQ("sigmoid", np.float64(0.25), np.int64(4)),
        pz.losses.GLVQ("sigmoid", 0.25, 4.0),
    )


@pytest.mark.parametrize("what", ["x", "y", "sample_weight", "class_weight", "validation"])
def test_what_is_masked_is_no_number(what, unchecked):
    """It would be the fill value, or what was there before."""
    given: dict[str, Any] = {
        "x": X,
        "y": Y,
        "sample_weight": W,
        "class_weight": W[:3],
        "validation": X,
    }
    some = np.zeros(given[what].shape, bool)
    some.reshape(-1)[0] = True
    masked = {**given, what: np.ma.masked_array(given[what], some, fill_value=-999)}
    masked["validation"] = (masked["validation"], Y)
    rows = masked if what == "validation" else {**masked, what: list(masked[what])}
    for wrong in (dict(rows), masked):
        with pytest.raises(ValueError, match=f"`{what}.*masked"):
            SLOW.fit(MODEL, wrong.pop("x"), wrong.pop("y"), key=0, **wrong)
    # Without a single masked entry it is an array.
    whole = {**given, what: np.ma.masked_array(given[what], False)}
    whole["validation"] = (whole["validation"], Y)
    SLOW.fit(MODEL, whole.pop("x"), whole.pop("y"), key=0, **whole)


def test_sparse_matrices_are_refused_with_the_remedy(unchecked):
    sparse = pytest.importorskip("scipy.sparse")
    for x in (sparse.csr_array(X), sparse.coo_matrix(X)):
        for ask in (
            MODEL.predict,
            lambda x: SLOW.fit(MODEL, x, Y, key=0),
            lambda x: pz.fit("GLVQ", x, Y),
        ):
            with pytest.raises(
                TypeError, match=r"`x` is sparse \(c.._.*\): make it dense first, `x.toarray\(\)`"
            ):
                ask(x)


def test_no_error_blames_something_else(unchecked):
    assert np.isfinite(MODEL.predict_proba(np.full((1, 5), 1e30, np.float32))).all()
    with pytest.raises(
        ValueError, match="`components` asks for 61 prototypes, but there are only 60 samples"
    ):
        pz.zoo.CBC(X, Y, key=0, components=61)
    with pytest.raises(
        ValueError, match="`prototypes` asks for 61 prototypes, but there are only 60 samples"
    ):
        pz.zoo.HCM(X, key=0, prototypes=61)
    with pytest.raises(ValueError, match="`count` asks for 61 prototypes"):
        pz.Prototypes.from_samples(X, 61, key=0)
    with pytest.raises(
        ValueError, match="`per_class` asks for 21 prototypes, but class 0 has only 20 samples"
    ):
        pz.Prototypes.from_classes(X, Y, 21, key=0)
    with pytest.raises(ValueError, match="`x` must have shape .* got .5,."):
        pz.zoo.GLVQ(X[0], Y, key=0)
    with pytest.raises(
        ValueError, match="`omega_dim` must lie between 1 and the number of features 4, got 5"
    ):
        pz.zoo.SiameseGMLVQ(X, Y, key=0, latent_dim=4, omega_dim=5)
    with pytest.raises(ValueError, match="`neighbourhood` must be positive and finite, got -1"):
        pz.zoo.SNG(X, Y, key=0, neighbourhood=-1.0)
    with pytest.raises(ValueError, match="`y` has class 3, but the model knows classes 0…2 only"):
        MODEL.win_ratios(X, Y + 1)
    with pytest.raises(
        ValueError,
        match="`y` does not go with a stream, for which `x` is taken because it is a function",
    ):
        SLOW.fit(MODEL, lambda epoch: [], Y, key=0)


def test_folds_are_no_more_than_the_samples_of_a_class(unchecked):
    few = np.r_[0:20, 20:23, 40:60]
    with pytest.raises(
        ValueError, match="`folds` is 5, but class 1 has 3 samples only.*ask for 3 folds at most"
    ):
        pz.cross_validate("GLVQ", X[few], Y[few], key=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda v: pz.metrics.Mahalanobis(pz.metrics.Diagonal(np.zeros((3, 5))), regularisation=v),
        lambda v: pz.metrics.Mahalanobis.from_data(X, POINTS, regularisation=v),
        lambda v: pz.zoo.GaussianMixture(X, key=0, regularisation=v),
        lambda v: pz.zoo.GaussianMixture(X, key=0, regularisation=[1.0, v, 1.0, 1.0, 1.0]),
    ],
)
@pytest.mark.parametrize("value", [-1.0, np.inf, np.nan])
def test_a_regularisation_is_finite_and_not_negative(make, value, unchecked):
    with pytest.raises((ValueError, TypeError), match="`regularisation` must"):
        make(value)


@pytest.mark.parametrize(
    "value",
    [
        *(-1.0, np.inf, np.nan, "0.1", None, np.ones(2), float),
        *(lambda: 0.1, lambda count: None, lambda count: jnp.ones(2), lambda count: "0.1"),
    ],
)
@pytest.mark.parametrize(
    "rate", [lambda v: v, lambda v: {"metric": v, "rest": 0.1}], ids=["one", "by part"]
)
def test_a_learning_rate_is_a_finite_number(value, rate, unchecked):
    with pytest.raises((ValueError, TypeError), match="`learning_rate`"):
        pz.GradientDescent("adam", rate(value))


# Rows of the table.

SPACE = pz.manifolds.SPD(2)
TANGENTS = pz.PrototypeModel(
    pz.Prototypes(np.eye(3), [0, 1, 2]),
    pz.metrics.Omega(np.eye(3)),
    pz.losses.GLVQ(),
    pz.backbones.TangentSpace(SPACE, np.eye(2)),
)


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda: pz.zoo.LVQMLN(X, Y, key=0, latent_dim=0), "`latent_dim` must be a positive"),
        (lambda: pz.Trainer(pz.Lazy(), 2**31), "`epochs` must be .* of at most 31 bits"),
        (lambda: pz.save("somewhere", MODEL, overwrite="no"), "`overwrite` must be"),
        (lambda: pz.evaluate(MODEL, X, Y, bins=10**8), "`bins` must be 1000000 at most"),
        (lambda: pz.trust.certified_accuracy(MODEL, X, Y, np.nan), "`radii` must lie in"),
        (lambda: pz.plots.decision_regions(MODEL, X, Y, ax=3), "`ax` must be axes"),
        (
            lambda: pz.Trainer(pz.Lazy(), 1, callbacks=2 * [pz.training.HistoryFile("a.csv")]),
            "`callbacks`: two of them write to 'a.csv'",
        ),
        (
            lambda: PrototypeClassifier("GLVQ", class_weight={"q": 5}, epochs=1).fit(X, Y),
            "`class_weight` has 'q'",
        ),
        (
            lambda: PrototypeClassifier("GLVQ", warm_start="no", epochs=1).fit(X, Y),
            "`warm_start` must be",
        ),
        (lambda: pz.zoo.LVQMLN(X, Y, key=0, hidden=(0,)), "`hidden` must be a positive"),
        (lambda: pz.zoo.LVQMLN(X, Y, key=0, activation=np.matmul), "`activation` must be a func"),
        (lambda: pz.backbones.MLP((5, 2), jnp.sum, key=0), "`activation` must be .*one of its sh"),
        (lambda: pz.zoo.HCM(X[None], key=0), "`prototypes` asks for .* 1 samples in `x`"),
        (lambda: pz.fit("HCM", X, key=0, validation=eqx.nn.Linear(2, 2, key=KEY)), "`validation"),
        (
            lambda: pz.Trainer(pz.GradientDescent("sgd", 0.1), 1).fit(
                MODEL, eqx.nn.Linear(2, 2, key=KEY), key=0
            ),
            "`x`",
        ),
        (lambda: pz.fit("KNN", X, Y, precomputed=True), "`x` must hold dissimilarities"),
        (
            lambda: pz.fit("LVQ1", pd.DataFrame(X, columns=list("aabcd")), Y, epochs=1),
            "`x` has several columns of one name, 'a'",
        ),
        (lambda: pz.Phases("ab"), "`trainers` must be a list of things of kind Trainer"),
        (
            lambda: pz.Phases([pz.Trainer(pz.Lazy(), 1)], between=pz.Resize()),
            "`between` means nothing for a single phase",
        ),
        (lambda: pz.trust.certified_accuracy(MODEL, X, Y, True), "`radii` must be a number"),
        (lambda: pz.Checkpoints("gs:/bucket"), "`directory` must be a folder of this machine"),
        (lambda: TANGENTS.predict(np.ones((3, 1, 2))), "`x` of shape .*points of SPD"),
        (lambda: TANGENTS.relevances(-np.ones((3, 2, 2))), "`x` is mapped to values that are NaN"),
    ],
)
def test_what_is_wrong_is_named(give, message, unchecked):
    with pytest.raises((ValueError, TypeError), match=message):
        give()


def test_what_records_does_not_write_to_a_folder(tmp_path):
    (tmp_path / "losses.png").mkdir()
    live = pz.plots.LivePlot(tmp_path / "losses.png")
    with pytest.raises(ValueError, match="`path`: .* is there, and no file"):
        pz.fit("LVQ1", X, Y, epochs=1, callbacks=[live])


def test_no_unit_of_variances_or_weights_is_out_of_range():
    plain = pz.zoo.WGLVQ(X, Y, key=0)
    for unit in (1e-30, 1e30):
        model = pz.zoo.WGLVQ(X * unit, Y, key=0)
        moved = model.metric.log_variances - plain.metric.log_variances
        np.testing.assert_allclose(moved, 2 * np.log(unit), rtol=1e-5)
    for row in (pz.zoo.CBC, pz.zoo.StableCBC):
        weight = 1.0 + np.arange(len(X)) % 2
        large, small = (row(X, Y, key=0, sample_weight=unit * weight) for unit in (1e300, 1))
        for one, other in zip(jax.tree.leaves(large), jax.tree.leaves(small), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def campaign(*arguments: str) -> str:
    """What tests/bad_inputs.py prints."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent / "src"), str(here)])
    environment = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(here / "bad_inputs.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(done.stdout, done.stderr[-3000:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


#: A flat row, one of a curved space, one of images, a siamese and an unsupervised one.
SAMPLE = ("RiemannianSRNG", "ImageGLVQ")


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(("--few", *SAMPLE), id="few"),
        pytest.param((), id="all", marks=pytest.mark.nightly),
    ],
)
def test_bad_inputs_are_taken_right_or_refused_by_name(rows):
    counts = campaign(*rows).partition("in all: ")[2]
    assert "'faults'" not in counts and "'refused'" in counts and "'taken'" in counts
