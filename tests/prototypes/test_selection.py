"""Taking prototypes out of a model, adding some, and classes in another order."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES, Case

import protozoo as pz
from protozoo import losses, metrics


def each(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=str)


MOVABLE = [case for case in CASES if not case.arranged]
LABELLED = [
    case
    for case in CASES
    if case.recipe.supervised and "CBC" not in case.name and not case.recipe.one_class
]


@each(CASES)
def test_all_prototypes_are_the_model(case):
    model = case.model
    assert eqx.tree_equal(model.select(np.ones(len(model.prototypes), bool)), model)
    assert eqx.tree_equal(
        model.relabelled(np.arange(model.classes - model.decides.open_set)), model
    )


@each(MOVABLE)
def test_a_selected_prototype_answers_as_before(case):
    model = case.model
    keep = np.ones(len(model.prototypes), bool)
    keep[0] = False
    selected = model.select(keep)
    assert len(selected.prototypes) == len(model.prototypes) - 1
    np.testing.assert_allclose(
        selected.distances(case.x),
        np.asarray(model.distances(case.x))[:, keep],
        rtol=2e-4,
        atol=1e-5,
    )
    for leaf in jax.tree.leaves(selected):
        assert not eqx.is_array(leaf) or bool(jnp.all(jnp.isfinite(leaf)))


@each(MOVABLE)
def test_what_was_added_can_be_taken_out_again(case):
    model = case.model
    p, first = len(model.prototypes), model.prototypes.points[:1]
    grown = model.grow(first, [0] if model.prototypes.labelled else None)
    assert len(grown.prototypes) == p + 1 and eqx.tree_equal(
        grown.prototypes.space, model.prototypes.space
    )
    new = model.prototypes.counts[0] if model.prototypes.counts else p
    np.testing.assert_array_equal(grown.prototypes.points[new], first[0])
    back = grown.select(np.arange(p + 1) != new)
    assert eqx.tree_equal(back, model)


@each([case for case in CASES if case.arranged])
def test_a_lattice_has_a_place_for_each_prototype(case):
    model, first = case.model, case.model.prototypes.points[:1]
    state = pz.Trainer(pz.GradientDescent("sgd", 0.1), 1).init(model)
    for changed in (model, state):
        with pytest.raises(ValueError, match="6 places, and 5 prototypes cooperate"):
            changed.select(np.arange(5))
        with pytest.raises(ValueError, match="6 places, and 7 prototypes cooperate"):
            changed.grow(first)


@each(LABELLED)
def test_classes_in_another_order_are_the_same_classes(case):
    model, order = case.model, np.array([2, 0, 1])
    other = model.relabelled(order)
    before, after = model.predict_proba(case.x), other.predict_proba(case.x)
    np.testing.assert_allclose(after, np.asarray(before)[:, order], rtol=1e-4, atol=1e-5)
    assert eqx.tree_equal(other.relabelled(np.argsort(order)), model)


def assembled() -> pz.PrototypeModel:
    points = jnp.asarray([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [5.0, 0.0], [0.0, 6.0]])
    metric = metrics.ClassOmega(jnp.asarray([[[1.0], [0.0]], [[0.0], [1.0]], [[1.0], [1.0]]]))
    loss = losses.RSLVQ(1.0, log_priors=jnp.log(jnp.asarray([0.1, 0.2, 0.3, 0.3, 0.1])))
    return pz.PrototypeModel(pz.Prototypes(points, [0, 0, 1, 1, 2]), metric, loss)


def test_what_belongs_to_a_prototype_or_a_class_goes_with_it():
    model = assembled()
    selected = model.select([1, 3, 2, 4])
    np.testing.assert_allclose(
        selected.loss.log_priors, model.loss.log_priors[jnp.asarray([1, 3, 2, 4])]
    )
    assert selected.prototypes.counts == (1, 2, 1)
    np.testing.assert_array_equal(selected.metric.matrix, model.metric.matrix)
    other = model.relabelled([1, 2, 0])
    assert other.prototypes.counts == (2, 1, 2)
    np.testing.assert_array_equal(other.metric.matrix, model.metric.matrix[jnp.asarray([1, 2, 0])])
    np.testing.assert_array_equal(
        other.prototypes.points, model.prototypes.points[jnp.asarray([2, 3, 4, 0, 1])]
    )


def test_new_prototypes_begin_as_their_nearest_do():
    model = assembled()
    grown = model.grow(np.array([[4.9, 0.1], [0.9, 0.0], [4.0, 1.0]]), [1, 0, 3])
    assert grown.prototypes.counts == (3, 3, 1, 1)
    # By the metric of class 1, only the second coordinate counts: both are as near, and the first
    # of equals is taken.
    priors = model.loss.log_priors
    np.testing.assert_allclose(
        grown.loss.log_priors[jnp.asarray([2, 5])], priors[jnp.asarray([1, 2])]
    )
    assert grown.metric.matrix.shape[0] == 4 and grown.classes == 4
    np.testing.assert_allclose(
        grown.prototypes.points[jnp.asarray([2, 5, 7])], [[0.9, 0.0], [4.9, 0.1], [4.0, 1.0]]
    )


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ([True, False], "mask of shape"),
        ([0, 0, 2, 4], "each once"),
        ([0, 9], "prototypes 0…4"),
        (np.zeros(5, bool), "some of the prototypes"),
        ([2, 0, 4], "grouped by class"),
        ([0, 1, 2], "class 2 without a prototype"),
        (np.array([0.5, 1.0]), "mask of shape"),
    ],
)
def test_a_selection_that_means_nothing_is_refused(keep, message):
    with pytest.raises(ValueError, match=f"`keep`.*{message}"):
        assembled().select(keep)


def test_what_is_added_must_fit():
    with pytest.raises(ValueError, match="`labels` are missing"):
        assembled().grow(np.array([[0.0, 0.0]]))
    with pytest.raises(ValueError, match="class 3 has no prototype"):
        assembled().grow(np.array([[0.0, 0.0]]), [4])
    with pytest.raises(ValueError, match="must have shape"):
        assembled().grow(np.array([[0.0, 0.0, 1.0]]), [0])
    with pytest.raises(ValueError, match="`order` must hold each of the classes"):
        assembled().relabelled([0, 1, 1])
    clusters = pz.PrototypeModel(
        pz.Prototypes(np.array([[0.0], [1.0]])), metrics.SquaredEuclidean(), losses.HardClustering()
    )
    with pytest.raises(ValueError, match="no classes"):
        clusters.grow(np.array([[2.0]]), [0])


RULES = {
    "adam": pz.GradientDescent("adam", 0.05),
    "averaged": pz.Averaged(pz.GradientDescent("sgd", 0.05)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_training_goes_on_with_some_of_the_prototypes(rule):
    """Of prototypes that do not meet each other, each learns as it would without the others."""
    x, y = np.array([[0.1, 0.2], [0.3, -0.1], [9.0, 9.5], [9.4, 9.1]]), np.array([0, 0, 1, 1])
    points = jnp.asarray([[0.0, 0.0], [50.0, -50.0], [9.0, 9.0], [60.0, 60.0]])
    model = pz.PrototypeModel(
        pz.Prototypes(points, [0, 0, 1, 1]), metrics.SquaredEuclidean(), losses.GLVQ()
    )
    trainer, keep = pz.Trainer(rule, 10), [0, 2]
    all_of_them, few = trainer.init(model), trainer.init(model.select(keep))
    for _ in range(3):
        all_of_them, few = trainer.step(all_of_them, x, y)[0], trainer.step(few, x, y)[0]
    selected = all_of_them.select(keep)
    assert eqx.tree_equal(selected.loop, few.loop, rtol=1e-6, atol=1e-6)
    after, _ = trainer.step(selected, x, y)
    expected, _ = trainer.step(few, x, y)
    np.testing.assert_allclose(
        after.model.prototypes.points, expected.model.prototypes.points, rtol=1e-6, atol=1e-6
    )


def test_training_goes_on_with_more_prototypes_and_other_classes():
    x, y = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 6.0]] * 2), np.array([0, 1, 2] * 2)
    trainer = pz.Trainer(pz.GradientDescent("adam", 0.01), 10)
    state, _ = trainer.step(trainer.init(assembled()), x, y)
    grown = state.grow(np.array([[3.0, 3.0]]), [1])
    assert grown.model.prototypes.counts == (2, 3, 1)
    np.testing.assert_allclose(grown.model.prototypes.points[4], [3.0, 3.0])
    grown, loss = trainer.step(grown, x, y)
    assert np.isfinite(loss)
    order = [2, 0, 1]
    one, _ = trainer.step(grown, x, y)
    other, _ = trainer.step(grown.relabelled(order), x, np.argsort(order)[y])
    assert eqx.tree_equal(other.model, one.model.relabelled(order), rtol=1e-5, atol=1e-6)


def test_what_has_no_axis_of_prototypes_cannot_be_selected_from():
    trainer = pz.Trainer(pz.GradientDescent("lbfgs"), 10)
    with pytest.raises(ValueError, match="begin with a new state"):
        trainer.init(assembled()).select([0, 2, 4])


def test_the_nearest_is_found_in_any_unit():
    points = np.array([[0.0, 0.0], [4.0, 0.0]], np.float32)
    for unit in (1e-25, 1.0, 1e25):
        prototypes = pz.Prototypes(jnp.asarray(points * np.float32(unit)), [0, 0])
        loss = losses.RSLVQ(1.0, log_priors=jnp.log(jnp.asarray([0.2, 0.8])))
        model = pz.PrototypeModel(prototypes, metrics.SquaredEuclidean(), loss)
        grown = model.grow(np.array([[3.5, 0.0]], np.float32) * np.float32(unit), [0])
        np.testing.assert_allclose(grown.loss.log_priors, np.log([0.2, 0.8, 0.8]), rtol=1e-6)
