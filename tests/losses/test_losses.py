"""Losses against their definitions, their limits, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

import protozoo as pz
from protozoo import losses
from protozoo._argmin import nearest_column


LABELS = np.array([0, 0, 1, 1, 1, 2])  # classes of unequal size
SOFT = np.array([0, 0, 1, 1, 2, 2])


def problem(labels: np.ndarray = LABELS, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 3, size=(n, len(labels))).astype(np.float32), rng.integers(
        0, 3, n
    ).astype(np.int32)


def winners_by_hand(
    delta: np.ndarray, labels: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    own = labels[None, :] == y[:, None]
    return np.where(own, delta, np.inf).min(1), np.where(own, np.inf, delta).min(1)


@pytest.mark.parametrize("labels", [LABELS, SOFT], ids=["unequal", "equal"])
def test_winners_and_their_derivative(labels):
    delta, y = problem(labels)
    closest, rival = losses.winners(jnp.asarray(delta), labels, jnp.asarray(y))
    np.testing.assert_array_equal((closest, rival), winners_by_hand(delta, labels, y))
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, len(delta))).astype(np.float32)

    def combined(delta):
        closest, rival = losses.winners(delta, labels, jnp.asarray(y))
        return jnp.sum(a * closest + b * rival)

    own = labels[None, :] == y[:, None]
    expected = np.where(own & (delta == closest[:, None]), a[:, None], 0) + np.where(
        ~own & (delta == rival[:, None]), b[:, None], 0
    )
    np.testing.assert_array_equal(jax.grad(combined)(jnp.asarray(delta)), expected)


def test_a_tie_has_one_winner():
    delta = jnp.ones((1, 4))
    labels = np.array([0, 0, 1, 1])
    gradient = jax.grad(lambda d: sum(losses.winners(d, labels, jnp.array([1])))[0])(delta)
    np.testing.assert_array_equal(gradient, [[1, 0, 1, 0]])
    np.testing.assert_array_equal(
        jax.grad(lambda d: losses.HardClustering()(d, labels, None)[0])(delta), [[1, 0, 0, 0]]
    )


@pytest.mark.parametrize("columns", [3, 50])
def test_the_nearest_column_is_the_first_of_equals(columns):
    delta = np.round(np.random.default_rng(0).uniform(size=(200, columns)), 1)
    assert (np.sum(delta == delta.min(axis=1, keepdims=True), axis=1) > 1).any()
    np.testing.assert_array_equal(nearest_column(jnp.asarray(delta)), delta.argmin(axis=1))
    np.testing.assert_array_equal(nearest_column(jnp.full((1, columns), jnp.nan)), [0])


@pytest.mark.parametrize("labels", [LABELS, SOFT], ids=["unequal", "equal"])
def test_class_pooling(labels):
    delta, _ = problem(labels)
    for k in range(3):
        np.testing.assert_array_equal(
            losses.class_minimum(jnp.asarray(delta), labels)[:, k], delta[:, labels == k].min(1)
        )
        pooled = losses.class_logsumexp(jnp.asarray(delta), labels)[:, k]
        np.testing.assert_allclose(pooled, logsumexp(delta[:, labels == k], axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("transfer", "function"),
    [
        ("identity", lambda t: t),
        ("sigmoid", lambda t: 1 / (1 + np.exp(-4 * t))),
        ("swish", lambda t: t / (1 + np.exp(-4 * t))),
        (lambda t, steepness: jnp.exp(steepness * t), lambda t: np.exp(4 * t)),
    ],
    ids=["identity", "sigmoid", "swish", "own"],
)
def test_glvq(transfer, function):
    delta, y = problem()
    options = {} if transfer == "identity" else {"margin": 0.25, "steepness": 4.0}
    closest, rival = winners_by_hand(delta, LABELS, y)
    relative = (closest - rival) / (closest + rival)
    expected = function(relative + options.get("margin", 0))
    np.testing.assert_allclose(
        losses.GLVQ(transfer, **options)(jnp.asarray(delta), LABELS, jnp.asarray(y)),
        expected,
        rtol=1e-5,
    )


def test_glvq_is_the_difference_of_two_probabilities():
    delta, y = problem()
    keep = y < 2
    two, y = jnp.asarray(delta[keep][:, :5]), jnp.asarray(y[keep])
    proba = jax.nn.softmax(losses.GLVQ().scores(two, LABELS[:5]), axis=1)
    own = jnp.take_along_axis(proba, y[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(losses.GLVQ()(two, LABELS[:5], y), 1 - 2 * own, atol=1e-6)


def test_glvq_does_not_know_the_unit_of_the_data():
    delta, y = problem()
    for scale in (1e-12, 1e12):
        np.testing.assert_allclose(
            losses.GLVQ()(jnp.asarray(delta * scale), LABELS, jnp.asarray(y)),
            losses.GLVQ()(jnp.asarray(delta), LABELS, jnp.asarray(y)),
            rtol=1e-4,
        )


def supervised_neural_gas_by_hand(delta: np.ndarray, y: np.ndarray, gamma: float) -> np.ndarray:
    values = []
    for row, k in zip(delta, y, strict=True):
        own, rival = np.sort(row[k == LABELS]), row[k != LABELS].min()
        h = np.exp(-np.arange(len(own)) / gamma)
        values.append(np.sum(h / h.sum() * (own - rival) / (own + rival)))
    return np.array(values)


def test_cooperation_of_glvq():
    delta, y = problem()
    loss = losses.GLVQ(cooperation=pz.RankCooperation(0.7))
    value = loss(jnp.asarray(delta), LABELS, jnp.asarray(y))
    np.testing.assert_allclose(
        value, supervised_neural_gas_by_hand(delta, y, 0.7), rtol=1e-4, atol=1e-6
    )


def gradient(loss, delta, y):
    return jax.grad(lambda d: jnp.mean(loss(d, LABELS, jnp.asarray(y))))(jnp.asarray(delta))


@pytest.mark.parametrize("make", [losses.GLVQ, losses.CrossEntropy])
def test_cooperation_shrinks_to_the_winner(make):
    delta, y = problem()
    shared, alone = make(cooperation=pz.RankCooperation(0.01)), make()
    np.testing.assert_allclose(
        shared(jnp.asarray(delta), LABELS, jnp.asarray(y)),
        alone(jnp.asarray(delta), LABELS, jnp.asarray(y)),
        atol=1e-6,
    )
    np.testing.assert_allclose(gradient(shared, delta, y), gradient(alone, delta, y), atol=1e-6)


def test_rank_cooperation_of_the_soft_loss_grows_to_none():
    delta, y = problem()
    shared, alone = losses.RSLVQ(0.5, cooperation=pz.RankCooperation(1e8)), losses.RSLVQ(0.5)
    np.testing.assert_allclose(gradient(shared, delta, y), gradient(alone, delta, y), atol=1e-6)
    near = losses.RSLVQ(0.5, cooperation=pz.RankCooperation(0.5))
    assert np.abs(gradient(near, delta, y) - gradient(alone, delta, y)).max() > 1e-3


def test_limits_of_the_neighbourhood():
    delta, y = problem()
    for gamma, limit in ((0.01, pz.WinnerTakesAll()), (1e8, pz.EqualShares())):
        for make in (losses.GLVQ, losses.CrossEntropy):
            shared, expected = make(cooperation=pz.RankCooperation(gamma)), make(cooperation=limit)
            arguments = jnp.asarray(delta), LABELS, jnp.asarray(y)
            np.testing.assert_allclose(
                shared(*arguments), expected(*arguments), rtol=1e-5, atol=1e-6
            )
        shared, expected = losses.Cooperative(pz.RankCooperation(gamma)), losses.Cooperative(limit)
        np.testing.assert_allclose(
            weights(shared, delta), weights(expected, delta), rtol=1e-5, atol=1e-6
        )
    np.testing.assert_array_equal(
        weights(losses.Cooperative(pz.WinnerTakesAll()), delta),
        weights(losses.HardClustering(), delta),
    )


def test_a_cooperation_of_ones_own_needs_its_shares_alone():
    class Nearby(pz.cooperation.AbstractCooperation):
        def log_weights(self, group, progress):
            return jnp.where(group <= 2 * jnp.min(group, axis=-2, keepdims=True), 0.0, -jnp.inf)

    delta, y = problem()
    expected = []
    for row, k in zip(delta, y, strict=True):
        own, rival = row[k == LABELS], row[k != LABELS].min()
        own = own[own <= 2 * own.min()]
        expected.append(np.mean((own - rival) / (own + rival)))
    loss = losses.GLVQ(cooperation=Nearby())
    value = loss(jnp.asarray(delta), LABELS, jnp.asarray(y))
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(gradient(loss, delta, y)).all()


def test_the_neighbourhood_follows_its_schedule():
    delta, y = problem()
    loss = losses.GLVQ(cooperation=pz.RankCooperation(pz.Exponential(2.0, 0.5)))
    for progress, gamma in ((0.0, 2.0), (0.5, 1.0), (1.0, 0.5)):
        value = loss(jnp.asarray(delta), LABELS, jnp.asarray(y), progress)
        np.testing.assert_allclose(
            value, supervised_neural_gas_by_hand(delta, y, gamma), rtol=1e-4, atol=1e-6
        )


def test_rslvq_is_the_posterior_of_its_mixture():
    delta, y = problem()
    logits = -delta / (2 * 0.3)
    posterior = np.stack([softmax(logits, axis=1)[:, k == LABELS].sum(1) for k in range(3)], axis=1)
    loss = losses.RSLVQ(0.3)
    np.testing.assert_allclose(
        loss(jnp.asarray(delta), LABELS, jnp.asarray(y)),
        -np.log(posterior[np.arange(len(y)), y]),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        jax.nn.softmax(loss.scores(jnp.asarray(delta), LABELS), axis=1), posterior, rtol=1e-4
    )


def test_rslvq_keeps_its_gradient_where_probabilities_vanish():
    delta = jnp.array([[50.0, 60.0, 1.0, 2.0, 3.0, 70.0]])
    value, slope = jax.value_and_grad(lambda d: losses.RSLVQ(1e-3)(d, LABELS, jnp.array([0]))[0])(
        delta
    )
    np.testing.assert_allclose(value, 49.0 / 2e-3, rtol=1e-5)
    np.testing.assert_allclose(slope[0, 0], 1 / 2e-3, rtol=1e-5)


def test_cross_entropy():
    delta, y = problem()
    nearest = np.stack([delta[:, k == LABELS].min(1) for k in range(3)], axis=1)
    loss = losses.CrossEntropy(0.6)
    expected = logsumexp(-nearest / 0.6, axis=1) + nearest[np.arange(len(y)), y] / 0.6
    np.testing.assert_allclose(
        loss(jnp.asarray(delta), LABELS, jnp.asarray(y)), expected, rtol=1e-4, atol=1e-5
    )


def weights(loss, delta):
    return jax.grad(lambda d: jnp.sum(loss(d, np.arange(d.shape[1]), None)))(jnp.asarray(delta))


def test_derivatives_of_clustering_losses_are_the_textbook_weights():
    delta, _ = problem()
    np.testing.assert_array_equal(
        weights(losses.HardClustering(), delta), np.eye(6)[delta.argmin(1)]
    )
    for m in (1.5, 2.0, 3.0):
        u = delta ** (-1 / (m - 1))
        u /= u.sum(1, keepdims=True)
        np.testing.assert_allclose(weights(losses.Fuzzy(m), delta), u**m, rtol=1e-4, atol=1e-6)
        proba = jax.nn.softmax(losses.Fuzzy(m).scores(jnp.asarray(delta), np.arange(6)), axis=1)
        np.testing.assert_allclose(proba, u, rtol=1e-4)
    ranks = delta.argsort(1).argsort(1)
    np.testing.assert_allclose(
        weights(losses.Cooperative(pz.RankCooperation(0.8)), delta), np.exp(-ranks / 0.8), rtol=1e-5
    )
    mixture = losses.Mixture(jnp.log(jnp.arange(1.0, 7.0)))
    responsibilities = softmax(np.log(np.arange(1, 7)) - 0.5 * delta, axis=1)
    np.testing.assert_allclose(weights(mixture, delta), 0.5 * responsibilities, rtol=1e-4)
    np.testing.assert_allclose(mixture.weights, np.arange(1, 7) / 21, rtol=1e-6)


def test_fuzzy_limits():
    delta, _ = problem()
    crisp = losses.Fuzzy(1.0 + 1e-3)(jnp.asarray(delta), np.arange(6), None)
    np.testing.assert_allclose(crisp, delta.min(1), rtol=1e-2)
    on_a_prototype = jnp.array([[0.0, 1.0, 2.0]])
    np.testing.assert_allclose(weights(losses.Fuzzy(2.0), on_a_prototype), [[1, 0, 0]], atol=1e-4)


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_competition_is_finite_on_a_prototype_and_hides_no_nan(exponent):
    def cost(row: jax.Array) -> jax.Array:
        return jnp.sum(losses.Fuzzy(exponent)(row[None], np.arange(3), None))

    for row in ([0.0, 1.0, 2.0], [0.0, 0.0, 2.0], [1e-30, 1.0, 1e30]):
        for function in (cost, jax.grad(cost), jax.hessian(cost)):
            assert jnp.isfinite(function(jnp.array(row))).all(), row
    unknown = jnp.array([1.0, jnp.nan, 2.0])
    assert jnp.isnan(cost(unknown))
    assert jnp.isnan(jax.grad(cost)(unknown)).any()


def test_ranks_of_large_groups_agree_with_those_of_small_ones():
    from protozoo.cooperation._rank import ranks

    values = np.random.default_rng(0).integers(0, 20, size=(60, 7)).astype(np.float32)  # with ties
    for size in (40, 60):
        group = values[:size]
        by_sorting = group.argsort(0, kind="stable").argsort(0, kind="stable")
        np.testing.assert_array_equal(ranks(jnp.asarray(group)), by_sorting)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.GLVQ("sigmod"), "identity.*sigmod"),
        (lambda: losses.GLVQ(margin=0.1), "nothing with the identity"),
        (lambda: losses.GLVQ(steepness=3.0), "nothing with the identity"),
        (lambda: losses.GLVQ("sigmoid", steepness=-1.0), "steepness.*positive.*-1"),
        (lambda: losses.RSLVQ(0.0), "variance.*positive.*0"),
        (lambda: losses.CrossEntropy(float("nan")), "temperature.*finite.*nan"),
        (lambda: losses.Fuzzy(1.0), "fuzzifier.*greater than 1.*1"),
        (lambda: losses.Cooperative(pz.RankCooperation(0.0)), "neighbourhood.*positive"),
        (lambda: pz.Exponential(1.0, 0.0), "end.*positive"),
    ],
)
def test_numbers_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_posterior_needs_a_share_for_every_prototype():
    with pytest.raises(ValueError, match="`cooperation` must leave every prototype a share"):
        losses.RSLVQ(1.0, cooperation=pz.WinnerTakesAll())
