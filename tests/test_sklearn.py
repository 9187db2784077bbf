"""Estimators of scikit-learn: its own checks, its own tools, and every row of the table."""

import inspect
import pickle
from typing import Any

import numpy as np
import pandas
import polars
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from zoo import CASES, Case, blobs

import protozoo as pz
import protozoo.sklearn as ps
from protozoo.sklearn._base import task


X, Y = blobs()
IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
CLASSES = (
    ps.PrototypeClassifier,
    ps.PrototypeClusterer,
    ps.PrototypeMap,
    ps.PrototypeMixture,
    ps.NoveltyDetector,
)
#: How many epochs tell one model from another.
FEW = {"epochs": 5, "random_state": 0}


def for_row(name: str, **options: Any) -> Any:
    return getattr(ps, task(getattr(pz.zoo, name)))(name, **options)


# The checks of scikit-learn.

#: Where nothing is trained, little is compiled; manners do not depend on the rule.
LAZY = {"rule": pz.Lazy(), "epochs": 1}


def unlike(estimator: Any) -> dict[str, str]:
    """The checks that a row cannot pass, and why."""
    weights = "check_sample_weight_equivalence_on_dense_data"
    if isinstance(estimator, ps.PrototypeClassifier):
        return {
            weights: "seven digits are compared, and float32 has seven",
            "check_class_weight_classifiers": "a margin knows no priors",
        }
    if isinstance(estimator, ps.PrototypeMap):
        return {}
    return {weights: "which samples prototypes start at depends on their order"}


@pytest.mark.filterwarnings("ignore")  # scikit-learn provokes warnings
@parametrize_with_checks(
    [ps.PrototypeClassifier("NPC", **LAZY)],
    expected_failed_checks=unlike,
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        ps.PrototypeClusterer("HCM", prototypes=3, **LAZY),
        ps.PrototypeMap("KohonenSOM", grid=(2, 2), topology="rectangular", **LAZY),
        ps.PrototypeMixture(prototypes=2, initialiser="samples", **LAZY),
        ps.NoveltyDetector("SVDD", prototypes=2, **LAZY),
    ],
    expected_failed_checks=unlike,
)
def test_checks_of_other_tasks(estimator, check):
    check(estimator)


# Parameters.


def test_every_option_is_a_parameter():
    for name in pz.zoo.names():
        row = getattr(pz.zoo, name)
        estimator = for_row(name)
        trainer = list(inspect.signature(pz.Trainer).parameters)
        for option in [*row.options, *trainer, "restarts", "encoder", "space"]:
            assert estimator.set_params(**{option: 3}).get_params()[option] == 3


def test_parameters_are_those_that_were_given():
    estimator = ps.PrototypeClassifier("GMLVQ", latent_dim=2, epochs=7)
    own = {"model": "GMLVQ", "class_weight": None, "random_state": None, "warm_start": False}
    assert estimator.get_params() == {**own, "latent_dim": 2, "epochs": 7}
    assert clone(estimator).set_params(latent_dim=1).get_params()["latent_dim"] == 1
    assert estimator.get_params()["latent_dim"] == 2
    assert "latent_dim=2" in repr(estimator) and "latent_dim" in estimator._repr_html_()


def test_misspelt_options_are_named():
    with pytest.raises(ValueError, match="GMLVQ has no option 'latent_dimm'; it has .*latent_dim,"):
        ps.PrototypeClassifier("GMLVQ").set_params(latent_dimm=2)
    with pytest.raises(ValueError, match="GLVQ has no option 'latent_dim'; it has .*batch_size"):
        ps.PrototypeClassifier("GLVQ").set_params(latent_dim=2)
    with pytest.raises(ValueError, match="no option 'latent_dimm'"):
        ps.PrototypeClassifier("GMLVQ", latent_dimm=2).fit(X, Y)
    with pytest.raises(ValueError, match="the zoo has no model 'GMLV'"):
        ps.PrototypeClassifier("GMLV").set_params(anything=2).fit(X, Y)


# Rows.


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_row_is_trained_by_one_class(case: Case):
    estimator: Any = for_row(case.name, random_state=3, epochs=2, **case.options)
    y = case.y
    given = None if y is None else 1 - 2 * y if case.recipe.one_class else NAMES[::50][y]
    estimator.fit(case.x, given)
    model = pz.fit(case.name, case.x, y, key=3, epochs=2, **case.options).model
    if case.recipe.one_class:
        expected = 1 - 2 * np.asarray(model.predict(case.x))
    elif case.recipe.supervised:
        expected = estimator.classes_[np.asarray(model.predict(case.x))]
        assert estimator.score(case.x, given) == np.mean(expected == given)
    else:
        expected = np.asarray(model.predict(case.x))
        assert np.isfinite(estimator.score(case.x))
    assert np.array_equal(estimator.predict(case.x), expected)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) <= 2
    again = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(again.predict(case.x), expected)


def test_every_row_belongs_to_one_class():
    for name in pz.zoo.names():
        for cls in CLASSES:
            if cls.__name__ != task(getattr(pz.zoo, name)):
                with pytest.raises(ValueError, match=f"{name} is a model for `"):
                    cls(name).fit(X, Y)
    assert {task(getattr(pz.zoo, name)) for name in pz.zoo.names()} == {
        cls.__name__ for cls in CLASSES
    }


def test_a_function_may_compose_the_model():
    def mine(x, y, *, key, exponent=1.0):
        prototypes = pz.Prototypes.from_classes(x, y, key=key)
        return pz.PrototypeModel(prototypes, pz.metrics.LpNorm(exponent), pz.losses.GLVQ())

    search = GridSearchCV(
        ps.PrototypeClassifier(mine, rule=pz.GradientDescent("adam", 0.01), **FEW),
        {"exponent": [1.0, 2.0]},
        cv=2,
    )
    assert search.fit(IRIS, NAMES).best_score_ > 0.8


# Labels, frames, weights.


@pytest.mark.parametrize(
    "labels",
    [["c", "a", "b"], [7, -2, 40], [2.0, 0.0, 1.0], [True, False, True]],
    ids=["words", "gaps", "floats", "booleans"],
)
def test_labels_of_any_kind(labels):
    y = np.array(labels)[Y]
    estimator = ps.PrototypeClassifier("GLVQ", **FEW).fit(X, y)
    assert estimator.classes_.tolist() == sorted(set(labels))
    assert estimator.predict(X).dtype == y.dtype
    assert estimator.score(X, y) > 0.8
    place = np.searchsorted(estimator.classes_, estimator.predict(X))
    assert np.array_equal(estimator.predict_proba(X).argmax(axis=1), place)
    scores = estimator.decision_function(X)
    best = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
    assert np.array_equal(best, place)


@pytest.mark.parametrize("library", [pandas, polars], ids=lambda m: m.__name__)
def test_data_frames_keep_their_names(library):
    columns = [f"feature {k}" for k in range(X.shape[1])]
    frame = library.DataFrame({name: X[:, k] for k, name in enumerate(columns)})
    if library is polars and sklearn.__version__ < "1.7" and not hasattr(frame, "__dataframe__"):
        pytest.skip("scikit-learn asks for names by a protocol that polars has no more")
    target = library.Series([["a", "b", "c"][k] for k in Y])
    estimator = ps.PrototypeClassifier("GMLVQ", latent_dim=2, **FEW)
    estimator.set_output(transform=library.__name__).fit(frame, target)
    assert estimator.feature_names_in_.tolist() == columns
    assert estimator.get_feature_names_out().tolist() == [
        "prototypeclassifier0",
        "prototypeclassifier1",
    ]
    mapped = estimator.transform(frame)
    assert isinstance(mapped, library.DataFrame) and mapped.shape == (len(X), 2)
    assert list(mapped.columns) == estimator.get_feature_names_out().tolist()
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[columns[::-1]])


def test_weights_are_copies():
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, len(X)).astype(float)
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    estimator = ps.PrototypeClassifier("GLVQ", **FEW)
    weighted = clone(estimator).fit(X, Y, sample_weight=weight).predict_proba(X)
    repeated = clone(estimator).fit(X[copies], Y[copies]).predict_proba(X)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-3)
    # A class without weight is not there.
    present = clone(estimator).fit(X, Y, sample_weight=Y != 1)
    assert present.classes_.tolist() == [0, 2]
    np.testing.assert_allclose(
        present.predict_proba(X), clone(estimator).fit(X[Y != 1], Y[Y != 1]).predict_proba(X), 1e-4
    )
    with pytest.raises(ValueError, match="single class 2"):
        clone(estimator).fit(X, Y, sample_weight=Y == 2)


def test_a_mask_is_not_lost():
    hidden, words = np.ma.masked_less(X, 0), np.ma.masked_equal(Y, 0)
    for estimator, *data in (
        (ps.PrototypeClassifier("GLVQ", **FEW), hidden, Y),
        (ps.PrototypeClassifier("GLVQ", **FEW), X, words),
        (ps.PrototypeClusterer("HCM", **FEW), hidden),
        (ps.NoveltyDetector("SVDD", **FEW), X, np.ma.masked_equal(np.where(Y == 0, 1, -1), -1)),
        (ps.PrototypeClassifier("GLVQ", **FEW).fit(X, Y).predict, hidden),
    ):
        with pytest.raises(ValueError, match="`[Xy]` is a masked array"):
            getattr(estimator, "fit", estimator)(*data)


@pytest.mark.parametrize("name", ["key", "x", "sample_weight"])
def test_no_option_is_what_an_estimator_gives_itself(name):
    with pytest.raises(ValueError, match=f"`{name}` is no option of an estimator.*`random_state`"):
        ps.PrototypeClassifier("GLVQ", **FEW, **{name: 0}).fit(X, Y)


def test_a_series_weighs_labels_by_its_index():
    y, weights = np.array(["a", "b", "c"])[Y], {"c": 2.0, "a": 0.5}
    one, other = (
        ps.PrototypeClassifier("GLVQ", class_weight=made(weights), **FEW).fit(X, y)
        for made in (dict, pandas.Series)
    )
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_weights_of_classes_multiply():
    y, weight = np.array(["a", "b", "c"])[Y], np.linspace(1, 2, len(X))
    estimator = ps.PrototypeClassifier("GMLVQ", **FEW)
    by_class = clone(estimator).set_params(class_weight={"b": 3.0}).fit(X, y, sample_weight=weight)
    by_sample = clone(estimator).fit(X, y, sample_weight=weight * np.where(Y == 1, 3, 1))
    np.testing.assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(X), rtol=1e-5)
    few = np.r_[0:50]
    balanced = clone(estimator).set_params(class_weight="balanced").fit(X[few], y[few])
    shares = len(few) / (3 * np.bincount(Y[few]))
    by_sample = clone(estimator).fit(X[few], y[few], sample_weight=shares[Y[few]])
    np.testing.assert_allclose(balanced.predict_proba(X), by_sample.predict_proba(X), rtol=1e-5)


def test_what_diverges_warns():
    estimator = ps.PrototypeClassifier("GLVQ", rule=pz.GradientDescent("sgd", 1e38), epochs=20)
    with pytest.warns(ConvergenceWarning, match="learning rate"):
        estimator.fit(X, Y)


# Training goes on.


def test_partial_fit_is_a_loop_of_steps():
    y = np.array(["a", "b", "c"])[Y]
    estimator = ps.PrototypeClassifier("GMLVQ", random_state=0)
    batches = [slice(k, None, 4) for k in range(4)]
    for k, rows in enumerate(batches):
        estimator.partial_fit(X[rows], y[rows], classes=["c", "b", "a"] if k == 0 else None)
    trainer = pz.zoo.GMLVQ.trainer()
    first = X[batches[0]], Y[batches[0]]
    state = trainer.init(pz.fit("GMLVQ", *first, key=0, rule=pz.Lazy(), epochs=1).model)
    for rows in batches:
        state, _ = trainer.step(state, X[rows], Y[rows])
    expected = np.asarray(state.model.predict_proba(X))
    np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-5)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == 4
    # It goes on in another process, and after `fit`.
    pickle.loads(pickle.dumps(estimator)).partial_fit(X, y)
    assert clone(estimator).fit(X, y).partial_fit(X, y).n_iter_ == 301


def test_partial_fit_says_what_it_needs():
    estimator = ps.PrototypeClassifier("GLVQ")
    with pytest.raises(ValueError, match="`classes` must be given in the first call"):
        estimator.partial_fit(X, Y)
    with pytest.raises(ValueError, match="needs some of each class"):
        estimator.partial_fit(X[Y > 0], Y[Y > 0], classes=[0, 1, 2])
    estimator.partial_fit(X, Y, classes=[0, 1, 2], sample_weight=np.ones(len(X)))
    with pytest.raises(ValueError, match=r"labels \[3\]"):
        estimator.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="`classes` is"):
        estimator.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="balanced"):
        ps.PrototypeClassifier("GLVQ", class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        ps.PrototypeClassifier("MedianLVQ").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("name", ["KMeans", "KohonenSOM"])
def test_partial_fit_without_labels(name):
    rule = pz.AlternatingOptimization(step=0.2)
    estimator = for_row(name, random_state=0, rule=rule)
    for rows in np.array_split(np.random.default_rng(0).permutation(len(X)), 3):
        estimator.partial_fit(X[rows])
    assert estimator.n_iter_ == 3 and np.isfinite(estimator.score(X))


def test_warm_start_goes_on():
    estimator = ps.PrototypeClassifier("GLVQ", warm_start=True, **FEW).fit(X, Y)
    before = estimator.model_
    expected = pz.zoo.GLVQ.trainer(epochs=5).fit(before, X, Y, key=0).model
    estimator.fit(X, Y)
    assert np.array_equal(estimator.model_.prototypes.points, expected.prototypes.points)
    with pytest.raises(ValueError, match=r"labels \[3\]"):
        estimator.fit(X, Y + 1)


# Answers of the other tasks.


def test_clusters_and_maps_have_places():
    clusters = ps.PrototypeClusterer(prototypes=3, random_state=0)
    labels = clusters.fit_predict(X)
    assert np.array_equal(labels, clusters.transform(X).argmin(axis=1))
    assert clusters.get_feature_names_out().tolist() == [f"prototypeclusterer{k}" for k in range(3)]
    nearest = np.square(X[:, None] - np.asarray(clusters.model_.prototypes.points)).sum(-1).min(1)
    assert clusters.score(X) == pytest.approx(-nearest.mean(), rel=1e-5)
    som = ps.PrototypeMap(grid=(3, 2), topology="rectangular", **FEW)
    places = som.fit_transform(X)
    assert places.shape == (len(X), 2) == (len(X), len(som.get_feature_names_out()))
    assert {tuple(place) for place in places} <= {(i, j) for i in range(3) for j in range(2)}


def test_a_mixture_is_a_density():
    mixture = ps.PrototypeMixture(prototypes=2, covariance="diagonal", random_state=0).fit(X)
    theirs = pz.mixtures.to_sklearn(mixture.model_)
    np.testing.assert_allclose(mixture.score_samples(X), theirs.score_samples(X), rtol=1e-4)
    np.testing.assert_allclose(mixture.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert mixture.score(X) == pytest.approx(theirs.score(X), rel=1e-4)
    assert mixture.bic(X) == pytest.approx(theirs.bic(X), rel=1e-4)
    assert mixture.aic(X) == pytest.approx(theirs.aic(X), rel=1e-4)
    points, components = mixture.sample(20)
    assert points.shape == (20, X.shape[1]) and set(components) <= {0, 1}
    assert np.array_equal(points, mixture.sample(20)[0])


def test_detectors_learn_from_labels_of_their_own_kind():
    y = np.where(Y == 0, 1, -1)
    detector = ps.NoveltyDetector("OCGLVQ", random_state=0, epochs=30).fit(X, y)
    assert np.mean(detector.predict(X) == y) > 0.8
    assert np.array_equal(detector.predict(X) > 0, detector.decision_function(X) >= 0)
    with pytest.warns(UserWarning, match="`y` is ignored"):
        other = ps.NoveltyDetector("SVDD", random_state=0).fit(X, Y)
    alone = ps.NoveltyDetector("SVDD", random_state=0).fit(X)
    assert np.array_equal(other.score_samples(X), alone.score_samples(X))
    search = GridSearchCV(
        # Ten targets a fold: in 30 epochs a prototype has not yet left the sample it began at.
        ps.NoveltyDetector("OCGLVQ", random_state=0, epochs=150),
        {"prototypes": [1, 2]},
        cv=StratifiedKFold(2),
        scoring="roc_auc",
    )
    assert search.fit(X, y).best_score_ > 0.7


def test_answers_need_training():
    for cls in CLASSES:
        with pytest.raises(NotFittedError):
            cls().predict(X)
    with pytest.raises(NotFittedError):
        ps.PrototypeMixture().sample()


# The tools of scikit-learn.


def test_pipelines_and_searches():
    x, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), ps.PrototypeClassifier(random_state=0, epochs=20))
    grid = {"prototypeclassifier__model": ["GLVQ", "GMLVQ"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x, y)
    assert search.best_score_ > 0.9
    assert search.best_estimator_[-1].n_features_in_ == 13
    assert cross_val_score(pipeline, x, y, cv=2).mean() > 0.9
    out = pipeline.fit(x, y)[:-1].get_feature_names_out()
    assert len(pipeline.get_feature_names_out()) == len(out) == 13
    importance = permutation_importance(pipeline, x, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.shape == (13,)


def test_meta_estimators():
    estimator = ps.PrototypeClassifier("GLVQ", random_state=0, epochs=20)
    assert np.mean(cross_val_predict(estimator, IRIS, NAMES, cv=2) == NAMES) > 0.9
    calibrated = CalibratedClassifierCV(estimator, cv=2).fit(IRIS, NAMES)
    assert calibrated.score(IRIS, NAMES) > 0.9
    others = [("ours", estimator), ("theirs", LogisticRegression(max_iter=1000))]
    for voting in ("hard", "soft"):
        assert VotingClassifier(others, voting=voting).fit(IRIS, NAMES).score(IRIS, NAMES) > 0.9
    bag = BaggingClassifier(estimator, n_estimators=2, random_state=0).fit(IRIS, NAMES)
    assert bag.score(IRIS, NAMES) > 0.9


def test_metadata_are_routed():
    weight = np.where(SPECIES == 2, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = ps.PrototypeClassifier("GLVQ", **FEW).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        found = cross_validate(
            estimator,
            IRIS,
            NAMES,
            cv=2,
            params={"sample_weight": weight},
            return_estimator=True,
        )
    assert all(one.classes_.tolist() == ["setosa", "versicolor"] for one in found["estimator"])
    assert found["test_score"].min() > 0.9


# Searches as one program.


def same_results(compiled: GridSearchCV, plain: GridSearchCV, tolerance: float = 0.0) -> None:
    assert compiled.cv_results_.keys() == plain.cv_results_.keys()
    assert compiled.cv_results_["params"] == plain.cv_results_["params"]
    for name, values in plain.cv_results_.items():
        if "score" in name and "time" not in name and "rank" not in name:
            np.testing.assert_allclose(
                compiled.cv_results_[name], values, atol=tolerance, err_msg=name
            )
    assert compiled.best_params_ == plain.best_params_
    assert compiled.best_score_ == pytest.approx(plain.best_score_, abs=tolerance)


def test_a_compiled_search_finds_what_the_plain_one_does():
    rates = [pz.GradientDescent("adam", rate) for rate in (0.001, 0.05)]
    grid = {"rule": rates, "prototypes_per_class": [1, 2], "epochs": [4, 8]}
    arguments = (ps.PrototypeClassifier("GMLVQ", random_state=0), grid)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    options = {"cv": folds, "scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"}
    weight = np.random.default_rng(0).uniform(0.5, 2, len(IRIS))
    plain = GridSearchCV(*arguments, **options).fit(IRIS, NAMES, sample_weight=weight)
    compiled = ps.CompiledGridSearchCV(*arguments, **options)
    compiled.fit(IRIS, NAMES, sample_weight=weight)
    same_results(compiled, plain, 1e-3)
    assert compiled.programs_ == 2  # numbers of prototypes: rates and epochs are arguments
    assert np.array_equal(compiled.predict(IRIS), plain.predict(IRIS))
    assert isinstance(compiled.best_estimator_, ps.PrototypeClassifier)
    assert compiled.get_params()["cv"] is folds


def test_a_compiled_search_without_labels():
    grid = {"prototypes": [2, 3]}
    arguments = (ps.PrototypeClusterer("KMeans", restarts=2, random_state=0), grid)
    plain = GridSearchCV(*arguments, cv=2).fit(IRIS)
    compiled = ps.CompiledGridSearchCV(*arguments, cv=2).fit(IRIS)
    same_results(compiled, plain, 1e-4)
    assert compiled.programs_ == 2 and compiled.best_estimator_.labels_.shape == (150,)


def test_a_compiled_search_leaves_out_what_does_not_go_together():
    estimator = ps.PrototypeClassifier("GLVQ", **FEW)
    # A candidate that fails, and folds that lack a class.
    grid = {"prototypes_per_class": [1, 1000]}
    options = {"cv": GroupKFold(3), "error_score": -1.0}
    arguments = {"groups": SPECIES}
    with pytest.warns(FitFailedWarning, match="fits failed"):
        plain = GridSearchCV(estimator, grid, **options).fit(IRIS, NAMES, **arguments)
    compiled = ps.CompiledGridSearchCV(estimator, grid, **options)
    with pytest.warns(FitFailedWarning, match="fits failed"):
        compiled.fit(IRIS, NAMES, **arguments)
    same_results(compiled, plain)
    assert compiled.programs_ == 0
    with pytest.raises(TypeError, match="`estimator` must be one of `protozoo.sklearn`"):
        ps.CompiledGridSearchCV(LogisticRegression(), {}).fit(IRIS, NAMES)


# Samples that are rows of dissimilarities.


def test_folds_of_dissimilarities_are_cut_out_of_both_axes():
    x, y = IRIS[::3], NAMES[::3]
    d = ((x[:, None] - x[None]) ** 2).sum(axis=-1)
    estimator = ps.PrototypeClassifier("RGLVQ", **FEW)
    folds = list(StratifiedKFold(2).split(x, y))
    scores = [
        clone(estimator).fit(d[np.ix_(a, a)], y[a]).score(d[np.ix_(b, a)], y[b]) for a, b in folds
    ]
    np.testing.assert_array_equal(cross_val_score(estimator, d, y, cv=folds), scores)
    for kind in (GridSearchCV, ps.CompiledGridSearchCV):
        search = kind(estimator, {"prototypes_per_class": [1]}, cv=folds).fit(d, y)
        np.testing.assert_allclose(search.best_score_, np.mean(scores))
        assert search.best_estimator_.n_features_in_ == len(d)


@pytest.mark.parametrize(
    ("name", "options", "pairwise"),
    [
        ("GLVQ", {}, False),
        ("KNN", {}, False),
        ("KNN", {"precomputed": True}, True),
        ("MedianKMeans", {"precomputed": True}, True),
        ("KGLVQ", {}, True),
        ("RelationalFCM", {}, True),
    ],
)
def test_estimators_say_whether_they_take_dissimilarities(name, options, pairwise):
    assert get_tags(for_row(name, **options)).input_tags.pairwise is pairwise


def test_options_of_a_warm_start_act_or_are_refused():
    x, y = np.asarray(X, np.float32), Y
    warm = ps.PrototypeClassifier(
        "GLVQ", epochs=2, validation=(x, y), warm_start=True, random_state=0
    )
    for _ in range(2):
        assert "validation_loss" in warm.fit(x, y).history_
    warm.set_params(model="GMLVQ")
    with pytest.raises(ValueError, match="`model` is another one than the model was built by"):
        warm.fit(x, y)
    steps = ps.PrototypeClassifier("GLVQ", epochs=2, random_state=0)
    steps.partial_fit(x, y, classes=np.unique(y))
    before = np.asarray(steps.model_.prototypes.points)
    steps.set_params(rule=pz.GradientDescent("sgd", 0.0)).partial_fit(x, y)
    np.testing.assert_array_equal(steps.model_.prototypes.points, before)
    with pytest.raises(ValueError, match="`initialiser` is another one"):
        steps.set_params(initialiser="samples").partial_fit(x, y)
    for name, value in (("restarts", 3), ("validation", (x, y)), ("resume", True)):
        once = ps.PrototypeClassifier("GLVQ", epochs=2, random_state=0, **{name: value})
        with pytest.raises(ValueError, match=f"`{name}` belongs to `fit`"):
            once.partial_fit(x, y, classes=np.unique(y))
