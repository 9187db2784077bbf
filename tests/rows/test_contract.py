"""What every model of the zoo must satisfy."""

import dataclasses
import re

import equinox as eqx
import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import count_compilations
from zoo import CASES, CLASSES, COVER, Case, D, N

import protozoo as pz
from protozoo._constraints import FREE
from protozoo._module import chart, declarations, project, pull, retract
from protozoo.manifolds import OnManifold
from protozoo.training import trainable_mask


def each(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=str)


def labels_of(case: Case, count: int = 1) -> jax.Array | None:
    return None if case.y is None else jnp.asarray(np.tile(case.y, count), jnp.int32)


def parts(model: pz.PrototypeModel) -> set[str]:
    """The kinds of everything in a model."""
    found, nodes = set(), [model]
    while nodes:
        node = nodes.pop()
        if isinstance(node, eqx.Module):
            found |= (
                {type(node).__name__} if type(node).__module__.startswith("protozoo.") else set()
            )
            nodes += [getattr(node, field.name) for field in dataclasses.fields(node)]
        elif isinstance(node, tuple | list):
            nodes += node
    return found


@pytest.mark.nightly
def test_the_rows_that_are_always_tried_have_every_kind_of_part():
    every = {str(case): parts(case.model) for case in CASES}
    assert set(every) >= COVER
    # in test_clusters.py, test_mixtures.py, test_one_class.py, test_curved_models.py,
    # test_metrics.py and test_certificates.py
    elsewhere = {
        *("SoftLVQ", "GaussianKernel", "Relevance", "Wasserstein", "ClasswiseClustering"),
        *("StableCBC", "RobustStableCBC"),
        *(
            "KernelDistances",
            "Columnwise",
            "GradedShares",
            "Saturated",
            "Welsch",
            "Diagonal",
            "Spherical",
            "Tied",
        ),
        *(
            "DataDescription",
            "RejectedShare",
            "SVQOCC",
            "Chain",
            "Curved",
            "TangentExponentialKernel",
            "TangentSpace",
        ),
    }
    assert set().union(*every.values()) - elsewhere <= set().union(*(every[name] for name in COVER))


def test_every_row_has_a_case():
    assert {case.name for case in CASES} == set(pz.zoo.names())


@each(CASES)
def test_a_model_keeps_nothing_of_the_array_that_it_was_built_from(case):
    """Which its user may write into later: it is read where it is, and JAX would take it over."""
    for leaf in jax.tree.leaves(eqx.filter(case.model, eqx.is_array)):
        assert not np.may_share_memory(np.asarray(leaf), case.x)


@pytest.mark.few_rows
@each([case for case in CASES if not case.label])
def test_a_row_needs_no_options(case):
    model = case.recipe(case.x, case.y, key=jax.random.key(0))
    assert all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    )
    assert set(case.options) <= set(case.recipe.options)


@each(CASES)
def test_what_it_builds_on_is_cited(case):
    entries = case.model.citation().split("\n\n")
    keys = [
        re.fullmatch(r"@[a-z]+\{([a-z]+[0-9]{4}[a-z]+),\n(  [a-z]+ = \{.+\},\n)+\}", entry)[1]
        for entry in entries
    ]
    assert len(set(keys)) == len(keys)


@each(CASES)
def test_answers_have_their_shapes_and_agree(case):
    model = case.model
    delta, proba = model.distances(case.x), model.predict_proba(case.x)
    assert delta.shape == (N, len(model.prototypes))
    assert jnp.isfinite(delta).all()
    assert proba.shape == (N, case.classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(case.x), proba.argmax(axis=1))
    ordered = np.sort(np.asarray(proba, np.float64), axis=1)
    confidence = model.confidence(case.x)
    margin = (ordered[:, -1] - ordered[:, -2]) / (ordered[:, -1] + ordered[:, -2])
    np.testing.assert_allclose(confidence, margin, atol=2e-5)
    threshold = float(np.median(confidence))
    rejected = model.predict_with_reject(case.x, threshold)
    np.testing.assert_array_equal(
        rejected, np.where(np.asarray(confidence) < threshold, -1, model.predict(case.x))
    )
    assert 0 < (rejected == -1).sum() < N
    np.testing.assert_allclose(model.win_ratios(case.x).sum(), 1, rtol=1e-6)
    if case.y is not None and model.prototypes.labelled:
        nearest = model.prototypes.labels[np.asarray(delta).argmin(axis=1)]
        np.testing.assert_allclose(
            model.win_ratios(case.x, case.y).sum(), np.mean(nearest == case.y), rtol=1e-5
        )


def constrained(params: pz.PrototypeModel) -> bool:
    """Whether learned values move on something curved: points of a flat space do not, and on the
    border of a box there is a derivative for each side."""
    free = (FREE, OnManifold(params.prototypes.space))
    flat = params.prototypes.space.displacement_is_difference
    declared = [one.constraint for one in jax.tree.leaves(declarations(params))]
    return any(one not in free[: 1 + flat] and not isinstance(one, pz.Box) for one in declared)


@each([case for case in CASES if case.learns])
def test_gradients_are_those_of_the_charts(case, x64):
    """What training pulls back, against automatic differentiation through what keeps the
    constraints."""
    model = jax.tree.map(lambda a: a.astype(float) if eqx.is_inexact_array(a) else a, case.model)
    params, rest = eqx.partition(model, trainable_mask(model))
    if not (model.loss.differentiable and constrained(params)):
        pytest.skip("no derivative, or no constraint")
    params = project(params)
    x, y, weight = jnp.asarray(case.x, float), labels_of(case), jnp.full(N, 1 / N)

    def objective(params):
        return eqx.combine(params, rest).loss_of(x, y, weight, 0.5)

    def through_charts(coordinates):
        return objective(retract(coordinates, params))

    pulled = pull(jax.jit(jax.grad(objective))(params), params)
    expected = jax.jit(jax.grad(through_charts))(chart(params))
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
    for a, b in zip(jax.tree.leaves(pulled), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10 * largest)


@each(CASES)
def test_the_relevance_matrix_is_symmetric_and_positive_semidefinite(case):
    model = case.model
    if not case.quadratic:
        with pytest.raises(ValueError, match="no linear adaptation"):
            model.relevance_matrix()
        return
    k = model.encoded_prototypes().space.coordinate_size
    for matrix in (model.relevance_matrix()[None], model.relevance_matrix(per_prototype=True)):
        assert matrix.shape[1:] == (k, k)
        np.testing.assert_allclose(matrix, matrix.swapaxes(1, 2), atol=1e-6)
        assert np.linalg.eigvalsh(np.asarray(matrix, np.float64)).min() > -1e-5
    diagonal = np.diag(model.relevance_matrix())
    np.testing.assert_allclose(
        model.relevance_diagonal(), diagonal / diagonal.sum(), rtol=1e-4, atol=1e-6
    )
    relevances = np.asarray(model.relevances(case.x))
    assert relevances.shape == (k,) and (relevances >= 0).all()
    np.testing.assert_allclose(relevances.sum(), 1, rtol=1e-5)


@each(CASES)
def test_transform_is_the_space_of_the_metric(case):
    """Squared norms of differences (or of displacements from the winner) are the metric's inner
    dissimilarities."""
    model = case.model
    if not case.quadratic:
        with pytest.raises(ValueError, match="no linear adaptation"):
            model.transform(case.x)
        return
    z = model.transform(case.x)
    points = model.encode(jnp.asarray(case.x))
    prototypes = model.encoded_prototypes()
    squared = model.metric.squared(points, prototypes)
    if prototypes.space.displacement_is_difference and not model.metric.local:
        v = model.metric.linear_map(prototypes).apply(prototypes.points)
        np.testing.assert_allclose(((z[:, None] - v) ** 2).sum(-1), squared, rtol=1e-3, atol=1e-4)
    else:
        winner = model.distances(case.x).argmin(axis=1)
        expected = jnp.take_along_axis(squared, winner[:, None], axis=1)[:, 0]
        np.testing.assert_allclose((z**2).sum(-1), expected, rtol=1e-3, atol=1e-4)


@each(CASES)
def test_loss_and_gradients_are_finite_where_they_could_fail(case):
    """Samples that equal a prototype, duplicate samples, and ties."""
    model = case.model
    points = np.asarray(model.prototypes.points)
    if points.shape[1:] != case.x.shape[1:]:
        points = case.x[: len(points)]  # prototypes of a latent space: any samples will do
    x = np.concatenate([points, case.x, case.x])[: 2 * N]
    y = None
    if case.y is not None:
        first = model.prototypes.labels if model.prototypes.labelled else case.y[: len(points)]
        y = jnp.asarray(np.concatenate([first, case.y, case.y])[: 2 * N], jnp.int32)
    identical = model.prototypes.moved(
        jnp.broadcast_to(model.prototypes.points[:1], model.prototypes.points.shape)
    )
    for each_model in (model, eqx.tree_at(lambda m: m.prototypes, model, identical)):
        trainer = case.trainer(1)
        state = trainer.init(each_model)
        state, loss = trainer.step(state, x, y)
        assert jnp.isfinite(loss)
        for leaf in jax.tree.leaves(eqx.filter(state.model, eqx.is_inexact_array)):
            assert jnp.isfinite(leaf).all()


@pytest.mark.few_rows
@each(CASES)
def test_training_lowers_the_loss_and_leaves_the_model_alone(case, key):
    before = jax.tree.map(np.array, eqx.filter(case.model, eqx.is_array))
    fit = case.recipe.trainer(epochs=20).fit(case.model, case.x, case.y, key=key)
    assert fit.reason in ("max epochs", "converged")
    assert len(fit.history["loss"]) == fit.epochs
    if case.cost_falls:
        assert fit.history["loss"][-1] < fit.history["loss"][0]
    assert eqx.tree_equal(before, jax.tree.map(np.array, eqx.filter(case.model, eqx.is_array)))
    moved = fit.model.prototypes.points
    assert case.model.prototypes.space.violation(moved) is None
    assert np.array_equal(moved, case.model.prototypes.points) != case.learns


@pytest.mark.few_rows
@each(CASES)
def test_saved_and_loaded_it_predicts_the_same(case, tmp_path):
    pz.save(tmp_path / "model", case.model)
    loaded = pz.load(tmp_path / "model")
    assert jax.tree.structure(loaded) == jax.tree.structure(case.model)
    np.testing.assert_array_equal(loaded.predict_proba(case.x), case.model.predict_proba(case.x))


def parts_that_learn(model: pz.PrototypeModel) -> list[str]:
    mask = trainable_mask(model)
    return [
        name
        for name in ("prototypes", "metric", "loss", "encoder")
        if any(jax.tree.leaves(getattr(mask, name)))
    ]


@pytest.mark.few_rows
@each([case for case in CASES if case.learns])
def test_frozen_parts_are_bit_identical_after_weight_decay(case, key):
    model = case.model
    names = parts_that_learn(model)
    trainer = pz.Trainer(pz.GradientDescent(optax.adamw(1e-2, weight_decay=0.1)), epochs=3)
    free = trainer.fit(model, case.x, case.y, key=key).model
    for name in names:
        assert not eqx.tree_equal(getattr(free, name), getattr(model, name)), (
            f"{name} does not learn"
        )
    for name in names if len(names) > 1 else []:
        after = (
            pz.Trainer(trainer.rule, trainer.epochs, freeze=name)
            .fit(model, case.x, case.y, key=key)
            .model
        )
        assert eqx.tree_equal(getattr(after, name), getattr(model, name))
        for other in set(names) - {name}:
            assert not eqx.tree_equal(getattr(after, other), getattr(model, other))


@each([case for case in CASES if case.translation_invariant])
def test_a_large_offset_changes_no_prediction(case):
    model, offset = case.model, np.float32(1e4)
    prototypes = np.round(np.asarray(model.prototypes.points) * 128) / 128
    here = eqx.tree_at(lambda m: m.prototypes.points, model, jnp.asarray(prototypes))
    there = eqx.tree_at(lambda m: m.prototypes.points, model, jnp.asarray(prototypes + offset))
    assert np.array_equal((case.x + offset) - offset, case.x)
    np.testing.assert_array_equal(there.predict(case.x + offset), here.predict(case.x))
    np.testing.assert_allclose(
        there.distances(case.x + offset), here.distances(case.x), rtol=1e-3, atol=1e-3
    )


@pytest.mark.few_rows
@each([case for case in CASES if case.recipe.supervised and not case.recipe.one_class])
def test_relabelling_classes_permutes_outputs(case):
    model = case.model
    renamed = np.array([2, 0, 1])  # class k becomes renamed[k]
    p, prototypes = len(model.prototypes), model.prototypes
    order, labels = np.arange(p), None  # components belong to no class, and stay where they are
    if prototypes.labelled:
        order = np.argsort(renamed[prototypes.labels], kind="stable")
        labels = renamed[prototypes.labels][order]

    def permute(leaf):
        """What belongs to prototypes or to classes moves with them."""
        if not eqx.is_array(leaf) or leaf.ndim == 0 or leaf.shape[0] not in (p, CLASSES):
            return leaf
        return leaf[order if leaf.shape[0] == p else np.argsort(renamed)]

    assert len({p, D, CLASSES}) == 3
    other = eqx.tree_at(
        lambda m: (m.prototypes, m.metric, m.loss),
        model,
        (
            pz.Prototypes(prototypes.points[order], labels, prototypes.space),
            jax.tree.map(permute, model.metric),
            jax.tree.map(permute, model.loss),
        ),
    )
    # A prototype that is one of the samples is at distance zero but for rounding, which odds by
    # distance magnify.
    delta = np.asarray(model.distances(case.x))
    apart = (delta.min(axis=1) > 1e-3 * np.median(delta)) | (not model.loss.differentiable)
    assert apart.sum() > N // 2
    mine, theirs = model.predict_proba(case.x)[apart], other.predict_proba(case.x)[apart]
    np.testing.assert_allclose(theirs[:, renamed], mine, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(other.predict(case.x), renamed[np.asarray(model.predict(case.x))])
    weight = jnp.full(N, 1 / N)
    one = model.loss_of(jnp.asarray(case.x), labels_of(case), weight)
    two = other.loss_of(jnp.asarray(case.x), jnp.asarray(renamed[case.y], jnp.int32), weight)
    np.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.few_rows
@each(CASES)
def test_integer_weights_are_repeated_samples(case):
    repeats = np.arange(N) % 3
    x, y = (
        np.repeat(case.x, repeats, axis=0),
        None if case.y is None else np.repeat(case.y, repeats),
    )
    weighted = case.model.loss_of(
        jnp.asarray(case.x), labels_of(case), jnp.asarray(repeats / repeats.sum(), jnp.float32)
    )
    y = None if y is None else jnp.asarray(y, jnp.int32)
    repeated = case.model.loss_of(jnp.asarray(x), y, jnp.full(len(x), 1 / len(x)))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


@pytest.mark.few_rows
@each(CASES)
def test_equal_configurations_compile_once(case, key):
    def learn(x: np.ndarray, learning_rate: float, epochs: int) -> None:
        fit = case.trainer(epochs, learning_rate).fit(case.model, x, case.y, key=key)
        fit.model.predict(x), fit.model.predict_proba(x), fit.model.confidence(x)

    learn(case.x, 1e-2, 3)
    with count_compilations() as compiled:
        learn(case.x[::-1].copy() if case.y is None else case.x * np.float32(1.25), 2e-2, 4)
    assert compiled.names == []


def intermediates(jaxpr):
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield variable.aval
        for sub in jax.extend.core.jaxprs_in_params(equation.params):
            yield from intermediates(sub)


@each([case for case in CASES if case.flat])
def test_no_tensor_of_all_displacements(case):
    """Neither forwards nor backwards, for any metric of a flat space."""
    n, d = 257, 23
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)).astype(np.float32)
    y = None if case.y is None else np.arange(n) % case.classes
    model = case.recipe(x, y, key=jax.random.key(0), **case.options)
    p = len(model.prototypes)
    params, rest = eqx.partition(model, trainable_mask(model))
    labels = None if y is None else jnp.asarray(y, jnp.int32)

    def objective(params):
        return eqx.combine(params, rest).loss_of(jnp.asarray(x), labels, jnp.full(n, 1 / n))

    jaxpr = jax.make_jaxpr(jax.value_and_grad(objective))(params)
    sizes = [int(np.prod(a.shape)) for a in intermediates(jaxpr.jaxpr)]
    assert max(sizes) >= n * d
    assert max(sizes) < n * p * d
