"""What is monitored and returned, what a constructor promises, and that parts fit: said once, and
true afterwards."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import CASES, blobs, matrices

import protozoo as pz


X, Y = blobs()
KEY = jax.random.key(0)
SHARE = jnp.full(len(X), 1 / len(X))


def of(name: str) -> pz.PrototypeModel:
    (case,) = [c for c in CASES if str(c) == name]
    return case.model


def sgd(epochs: int, rate: float = 0.1, **settings) -> pz.Trainer:
    return pz.Trainer(pz.GradientDescent(optax.sgd(rate)), epochs, **settings)


def cost(model: pz.PrototypeModel) -> float:
    """What training has lowered in the end: nothing is annealed any more, and every sample
    counts."""
    return float(model.loss_of(jnp.asarray(X), jnp.asarray(Y, jnp.int32), SHARE, 1.0))


# What is monitored, and what is returned.


@pytest.mark.parametrize(("batches", "validated"), [(3, False), (1, True)])
def test_the_best_of_a_stream_is_that_of_a_loop_by_hand(batches, validated):
    """A step size that is too large: the best epoch is not the last one."""
    x, y = X[:54], Y[:54]
    parts = list(zip(np.split(x, batches), np.split(y, batches), strict=True))
    trainer = sgd(4, 3.0, restore_best=True)
    state = trainer.init(of("GLVQ"))
    losses, models = [], [state.model]
    for _ in range(4):
        loss = []
        for part in parts:
            state, value = trainer.step(state, *part)
            loss.append(float(value))
        losses.append(np.mean(loss))
        models.append(state.model)
    if validated:
        scores = [cost(m) for m in models[1:]]
        best = models[1 + int(np.argmin(scores))]
    else:
        best = models[1 + int(np.argmin(losses))]
    held_out = (X, Y) if validated else None
    fit = trainer.fit(of("GLVQ"), parts, key=KEY, validation=held_out)
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(
        fit.model.prototypes.points, best.prototypes.points, rtol=1e-5, atol=1e-6
    )
    one = pz.Trainer(trainer.rule, 1, restore_best=True).fit(
        of("GLVQ"), parts, key=KEY, validation=(X, Y) if validated else None
    )
    assert not np.array_equal(one.model.prototypes.points, of("GLVQ").prototypes.points)


def test_lookahead_loses_no_update():
    """Five updates at a period of six: half of the way that they went, and not the model before
    them."""
    plain = sgd(5).fit(of("GLVQ"), X, Y, key=KEY).model.prototypes.points
    start = of("GLVQ").prototypes.points
    rule = pz.training.Lookahead(sgd(5).rule, period=6, step_size=0.5)
    found = pz.Trainer(rule, 5).fit(of("GLVQ"), X, Y, key=KEY).model.prototypes.points
    np.testing.assert_allclose(found, start + 0.5 * (plain - start), rtol=1e-5, atol=1e-6)
    assert not np.array_equal(found, start)


ANNEALED = {
    "self-paced": lambda: (of("GLVQ"), {"curriculum": pz.SelfPaced(pz.Linear(0.2, 1.0))}),
    "variance": lambda: (
        eqx.tree_at(lambda m: m.loss, of("RSLVQ"), pz.losses.RSLVQ(pz.Linear(1.0, 40.0))),
        {},
    ),
}


@pytest.mark.parametrize("what", ANNEALED)
def test_epochs_are_compared_by_what_they_are_in_the_end(what):
    """The loss of the easiest samples, or under a narrow kernel, is not that of all: by it, the
    first epochs look best."""
    model, settings = ANNEALED[what]()
    last = sgd(12, 0.5, **settings).fit(model, X, Y, key=KEY)
    best = sgd(12, 0.5, restore_best=True, **settings).fit(model, X, Y, key=KEY)
    np.testing.assert_allclose(
        best.history["final_loss"].min(), cost(best.model), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        best.history["final_loss"][-1], cost(last.model), rtol=1e-5, atol=1e-6
    )
    assert cost(best.model) <= cost(last.model) + 1e-6
    np.testing.assert_array_equal(best.history["loss"], last.history["loss"])
    # The values that training lowered would choose another epoch, or stop too early.
    assert best.history["final_loss"].argmin() != best.history["loss"].argmin()
    patient = sgd(12, 0.5, stopping=pz.Stopping(patience=2), **settings).fit(model, X, Y, key=KEY)
    scores, waited, ran = best.history["final_loss"], 0, 12
    for epoch in range(12):
        waited = 0 if scores[epoch] < scores[:epoch].min(initial=np.inf) else waited + 1
        if waited == 2:
            ran = epoch + 1
            break
    assert patient.epochs == ran
    with pytest.raises(
        ValueError, match="`restore_best` and `stopping` compare.*pass `validation`"
    ):
        sgd(2, restore_best=True, **settings).fit(model, [(X, Y)], key=KEY)


class Clock(pz.training.AbstractRule):
    """Points move by the progress of training: what they have moved tells which progress there
    was."""

    def check(self, model, mask, objective, batch_size):
        pass

    def init(self, params, objective):
        return None

    def step(self, params, rest, state, batch, objective, progress, *, key):
        return jax.tree.map(lambda a: a + progress, params), state, jnp.zeros(())

    def evaluated(self, params, state):
        return params


def test_a_run_that_is_prolonged_counts_its_progress_by_all_epochs(tmp_path):
    """Said in `Trainer.fit`: it is not the run that would have been as long from the start."""

    def moved(epochs: int, **settings) -> float:
        checkpoints = pz.Checkpoints(tmp_path / "run", every=5) if settings else None
        fit = pz.Trainer(Clock(), epochs, checkpoints=checkpoints).fit(
            of("GLVQ"), X, Y, key=KEY, **settings
        )
        return float((fit.model.prototypes.points - of("GLVQ").prototypes.points).mean())

    np.testing.assert_allclose(moved(10, resume=True), sum(k / 9 for k in range(10)), rtol=1e-5)
    expected = sum(k / 9 for k in range(10)) + sum(k / 19 for k in range(10, 20))
    np.testing.assert_allclose(moved(20, resume=True), expected, rtol=1e-5)
    np.testing.assert_allclose(moved(20), sum(k / 19 for k in range(20)), rtol=1e-5)


# A rule of one's own.


class Descent(pz.training.AbstractRule):
    """Gradient descent in the few lines that one would write."""

    rate: float = eqx.field(static=True, default=0.5)

    def check(self, model, mask, objective, batch_size):
        pass

    def init(self, params, objective):
        return None

    def step(self, params, rest, state, batch, objective, progress, *, key):
        value, gradient = objective.value_and_grad(params, rest, batch, progress)
        return (
            objective.move(params, jax.tree.map(lambda g: -self.rate * g, gradient)),
            state,
            value,
        )

    def evaluated(self, params, state):
        return params


class Naive(Descent):
    """The same by the parameters themselves, and with no thought of constraints."""

    def step(self, params, rest, state, batch, objective, progress, *, key):
        def value_of(params):
            return objective(eqx.combine(params, rest), batch, progress)

        value, gradient = jax.value_and_grad(value_of)(params)
        return jax.tree.map(lambda a, g: a - self.rate * g, params, gradient), state, value


SETTINGS = {
    "regularisers": [pz.training.OmegaLogDet(0.05), pz.training.Diversity(0.05)],
    "curriculum": pz.SelfPaced(pz.Linear(0.3, 1.0)),
}


@pytest.mark.parametrize(
    "rule",
    [Descent(), Naive(), pz.training.Lookahead(Naive(), period=3)],
    ids=["charts", "naive", "held"],
)
def test_under_a_rule_of_ones_own_the_trace_stays_one(rule):
    fit = pz.Trainer(rule, 8, **SETTINGS).fit(of("GMLVQ"), X, Y, key=KEY)
    np.testing.assert_allclose(np.sum(np.square(fit.model.metric.matrix)), 1, rtol=1e-5)
    assert not np.allclose(fit.model.metric.matrix, of("GMLVQ").metric.matrix, atol=1e-2)


def test_a_rule_of_ones_own_is_gradient_descent_with_all_its_options():
    mine = pz.Trainer(Descent(), 6, **SETTINGS).fit(of("GMLVQ"), X, Y, key=KEY)
    theirs = sgd(6, 0.5, **SETTINGS).fit(of("GMLVQ"), X, Y, key=KEY)
    np.testing.assert_allclose(mine.history["loss"], theirs.history["loss"], rtol=1e-5, atol=1e-6)
    for a, b in zip(jax.tree.leaves(mine.model), jax.tree.leaves(theirs.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.sum(np.square(mine.model.metric.matrix)), 1, rtol=1e-5)


def test_points_of_a_curved_space_stay_there_under_a_rule_of_ones_own():
    (case,) = [c for c in CASES if c.name == "RiemannianSRNG"]
    fit = pz.Trainer(Naive(0.05), 5).fit(case.model, case.x, case.y, key=KEY)
    assert fit.reason == "max epochs"
    assert fit.model.prototypes.space.violation(fit.model.prototypes.points) is None
    assert not np.array_equal(fit.model.prototypes.points, case.model.prototypes.points)


# One meaning of one array.


def test_median_prototypes_of_a_siamese_model_are_samples():
    """They were encoded samples, and were encoded again."""
    model = of("SiameseGLVQ")
    trainer = pz.Trainer(pz.MedianOptimization(), 3, freeze="encoder")
    fit = trainer.fit(model, X, Y, key=KEY)
    which = [
        np.flatnonzero((X == point).all(axis=1))
        for point in np.asarray(fit.model.prototypes.points)
    ]
    assert [len(w) for w in which] == [1] * len(which)
    np.testing.assert_array_equal(Y[np.concatenate(which)], model.prototypes.labels)
    assert cost(fit.model) <= cost(model)
    np.testing.assert_allclose(fit.history["loss"][0], cost(model), rtol=1e-5)
    # The same exchanges as among what the encoder makes of the samples.
    z = np.asarray(jax.vmap(model.encoder)(jnp.asarray(X)))
    start = np.asarray(jax.vmap(model.encoder)(model.prototypes.points))
    latent = pz.PrototypeModel(
        pz.Prototypes(start, model.prototypes.labels), model.metric, model.loss
    )
    other = pz.Trainer(pz.MedianOptimization(), 3).fit(latent, z, Y, key=KEY)
    np.testing.assert_allclose(
        other.model.prototypes.points, z[np.concatenate(which)], rtol=1e-5, atol=1e-6
    )


def test_matrices_of_three_classes_do_not_fit_two():
    """The index was clamped, and one matrix served two classes."""
    prototypes = pz.Prototypes(X[[0, 25, 50]], [0, 1, 2])
    metric = pz.metrics.ClassOmega.identity(2, 5)
    message = (
        "`metric`: ClassOmega does not fit 3 prototypes.*`matrix` has 2 projections, and "
        "there are 3 classes"
    )
    with pytest.raises(ValueError, match=message):
        pz.PrototypeModel(prototypes, metric, pz.losses.GLVQ())
    pz.PrototypeModel(prototypes, pz.metrics.ClassOmega.identity(3, 5), pz.losses.GLVQ())


ONE = np.ones(1)
PLAIN, EYE = pz.metrics.SquaredEuclidean(), np.eye(5)
SINGLE = {
    "radii": lambda: (PLAIN, pz.losses.OneClass(pz.losses.Radii(ONE))),
    "bases": lambda: (pz.metrics.Tangent(EYE[None, :, :2]), pz.losses.GLVQ()),
    "matrix": lambda: (pz.metrics.LocalOmega(EYE[None]), pz.losses.GLVQ()),
    "log_bandwidths": lambda: (pz.metrics.GaussianKernel(PLAIN, ONE), pz.losses.GLVQ()),
    "covariance.log_scales": lambda: (
        pz.metrics.Mahalanobis(pz.metrics.Diagonal(EYE[:1])),
        pz.losses.HardClustering(),
    ),
    "logits": lambda: (PLAIN, pz.losses.Mixture(ONE)),
    "radial.bandwidths": lambda: (PLAIN, pz.losses.Possibilistic(pz.losses.Welsch(ONE))),
    "log_scales": lambda: (PLAIN, pz.losses.RSLVQ(log_scales=ONE, dimension=5)),
    "log_priors": lambda: (PLAIN, pz.losses.RSLVQ(log_priors=ONE)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_each_prototype_has_is_not_spread_from_one_to_all(name):
    metric, loss = SINGLE[name]()
    points, labels = X[[0, 25, 50]], [0, 1, 2] if loss.supervised else None
    with pytest.raises(ValueError, match=rf"does not fit 3 prototypes: .*{name}` has shape \(1"):
        pz.PrototypeModel(pz.Prototypes(points, labels), metric, loss)
    # Of one prototype, one entry is what there must be.
    pz.PrototypeModel(pz.Prototypes(points[:1], labels and labels[:1]), metric, loss)


def test_a_number_serves_all_prototypes():
    labelled = pz.Prototypes(X[[0, 25, 50]], [0, 1, 2])
    kernel = pz.metrics.GaussianKernel(PLAIN, 0.5)
    pz.PrototypeModel(labelled, kernel, pz.losses.RSLVQ(log_scales=0.5, dimension=5)).predict(X)
    loss = pz.losses.Possibilistic(pz.losses.Cauchy(1.0))
    pz.PrototypeModel(pz.Prototypes(X[:3]), PLAIN, loss).predict(X)


def test_components_are_normalised_in_the_adapted_space():
    labelled, scales = pz.Prototypes(X[[0, 25, 50]], [0, 1, 2]), [0.0, 0.5, 1.0]
    narrow, tangent = (
        pz.metrics.Omega.identity(5, 2),
        pz.metrics.Tangent(np.stack([EYE[:, :2]] * 3)),
    )
    for metric, fitting in ((PLAIN, {5}), (narrow, {2}), (tangent, {1, 2, 3, 4, 5})):
        for dimension in range(1, 8):
            loss = pz.losses.RSLVQ(log_scales=scales, dimension=dimension)
            if dimension in fitting:
                pz.PrototypeModel(labelled, metric, loss)
                continue
            message = rf"`dimension={dimension}`, and the adapted space has {max(fitting)}"
            with pytest.raises(ValueError, match=message):
                pz.PrototypeModel(labelled, metric, loss)
    with pytest.raises(ValueError, match="`dimension` must not be negative, got -1"):
        pz.losses.RSLVQ(dimension=-1)


BROKEN = {
    "tied": (
        lambda: pz.metrics.Tied(np.ones(4), np.zeros((1, 1))),
        r"`upper` must have shape \(4, 4\)",
    ),
    "full": (
        lambda: pz.metrics.Full(np.ones((3, 4)), np.zeros((3, 4, 1))),
        r"`upper` must have shape \(3, 4, 4\)",
    ),
    "singular": (
        lambda: pz.backbones.Whitening(np.zeros(3), np.ones(3), np.arange(9.0).reshape(3, 3)),
        "`matrix` is singular",
    ),
    "initialiser": (
        lambda: pz.fit("GLVQ", X, Y, epochs=1, initialiser=lambda x, m, key, s: x[:m] * np.nan),
        r"`initialiser\(x\)` has 5 values that are NaN",
    ),
    "decay": (
        lambda: sgd(1, regularisers=[pz.training.WeightDecay("loss")]).fit(of("GLVQ"), X, Y, key=0),
        "'loss' of `WeightDecay` holds no numbers that learn",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_means_nothing_is_refused(what, unchecked):
    make, message = BROKEN[what]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_strict_upper_triangle_is_one():
    whole = np.arange(1.0, 10.0).reshape(3, 3)
    expected = np.triu(whole, 1)

    def tied(upper):
        return pz.metrics.Tied(np.zeros(3), upper).upper

    np.testing.assert_array_equal(tied(whole), expected)
    np.testing.assert_array_equal(jax.jit(tied)(whole), expected)
    full = pz.metrics.Full(np.zeros((1, 3)), whole[None])
    np.testing.assert_array_equal(full.upper, expected[None])


def test_points_within_a_program_have_no_values_yet():
    found = jax.jit(lambda points: pz.Prototypes(points).points)(X[:3] * np.nan)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    "transfer",
    [
        lambda t, s: t.sum(),
        lambda t, s: t[:1],
        lambda t, s: None,
        lambda t, s: (t, t),
        lambda t: t,
        lambda t, s: np.tanh(np.asarray(t)),
        lambda t, s: t > 0,
    ],
)
@pytest.mark.parametrize("loss", [pz.losses.GLVQ, pz.losses.OneClass])
def test_a_transfer_makes_a_number_of_each_number(loss, transfer, unchecked):
    given = (pz.losses.Radii(ONE),) if loss is pz.losses.OneClass else ()
    with pytest.raises(ValueError, match=r"`transfer` must be a function f\(t, steepness\)"):
        loss(*given, transfer=transfer)
    loss(*given, transfer=lambda t, s: jnp.tanh(s * t))


def test_a_sample_of_dissimilarities_is_a_row_of_them():
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    median = pz.Trainer(pz.MedianOptimization(), 2)
    metric, loss, at = pz.metrics.Precomputed(), pz.losses.GLVQ(), [0, 25, 50]
    model = pz.PrototypeModel(pz.Prototypes(squares[at], [0, 1, 2]), metric, loss)
    fit = median.fit(model, squares, Y, key=KEY)
    np.testing.assert_array_equal(fit.model.predict(squares), fit.model.predict(squares[:, :]))
    similar = X @ X.T
    with pytest.raises(
        ValueError, match=r"`prototypes` must hold dissimilarities.*s_ii \+ s_jj - 2 s_ij"
    ):
        pz.PrototypeModel(pz.Prototypes(similar[at], [0, 1, 2]), metric, loss)
    kernel = np.exp(-squares / 10)
    with pytest.raises(
        ValueError,
        match="`prototypes` must hold dissimilarities of samples, each with a zero for itself",
    ):
        pz.PrototypeModel(pz.Prototypes(kernel[at], [0, 1, 2]), metric, loss)
    for wrong in (similar, kernel, squares[:, :50]):
        with pytest.raises(ValueError, match="`x` must"):
            median.fit(model, wrong, Y, key=KEY)
    with pytest.raises(ValueError, match="`x` must hold dissimilarities, which are not negative"):
        model.predict(similar)


@pytest.mark.parametrize("shape", [(5, 5), (5, 2), (6, 5, 5), (3, 5, 5)], ids=str)
def test_a_projection_has_the_trace_that_it_promises(shape):
    kinds = {2: pz.metrics.Omega, 6: pz.metrics.LocalOmega, 3: pz.metrics.ClassOmega}
    kind = kinds[shape[0] if len(shape) == 3 else 2]
    for scale in (5.0, 1e-12, 1e25):
        metric = kind(np.broadcast_to(scale * np.eye(*shape[-2:]), shape), normalised=True)
        np.testing.assert_allclose(np.sum(np.square(metric.matrix), axis=(-2, -1)), 1, rtol=1e-6)
    given = kind(np.broadcast_to(5 * np.eye(*shape[-2:]), shape))
    np.testing.assert_array_equal(np.asarray(given.matrix).max(), 5)


def test_tangents_are_the_subspace_that_their_columns_span():
    """A column of length two took twice too much away."""
    for length in (1.0, 2.0, 1e-6, 1e15):
        basis = np.array([[[length], [0.0], [0.0]]])
        metric = pz.metrics.Tangent(basis)
        prototypes = pz.Prototypes(np.zeros((1, 3)))
        x = jnp.asarray([[1.0, 1.0, 0.0], [7.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
        np.testing.assert_allclose(metric(x, prototypes), [[1], [0], [1]], atol=1e-6)
    with pytest.raises(ValueError, match="`bases`: the columns of basis 0 depend on each other"):
        pz.metrics.Tangent(np.ones((1, 3, 2)))


def test_a_fixed_projection_is_orthonormal():
    np.testing.assert_array_equal(pz.metrics.Subspace(np.eye(3)[:, :2]).basis, np.eye(3)[:, :2])
    for wrong in (2 * np.eye(3), np.ones((3, 2))):
        with pytest.raises(ValueError, match="`basis` must have orthonormal columns"):
            pz.metrics.Subspace(wrong)
    with pytest.raises(ValueError, match="`basis` must be finite, got nan"):
        pz.metrics.Subspace(np.full((3, 1), np.nan))


def test_points_outside_their_space_are_refused():
    x, y = matrices()
    (case,) = [c for c in CASES if c.name == "RiemannianSRNG"]
    space = pz.manifolds.SPD(3)
    asymmetric, singular, gap = (x[:20].copy() for _ in range(3))
    asymmetric[3, 0, 1] += 0.5
    singular[3] = np.diag([1.0, 1.0, 0.0])
    gap[3, 1, 1] = np.nan
    for wrong in (asymmetric, singular, gap):
        with pytest.raises(ValueError, match=r"`points` do not lie in SPD\(.*point 3"):
            pz.Prototypes(wrong[:6], [0, 0, 1, 1, 2, 2], space)
        for ask in (case.model.predict, case.model.predict_proba, case.model.distances):
            with pytest.raises(
                ValueError, match=r"`x` (does not lie in SPD\(|has 1 values that are NaN).*3"
            ):
                ask(wrong)
        with pytest.raises(ValueError, match="`x` "):
            case.trainer(1).fit(case.model, wrong, y[:20], key=KEY)


class Columns(pz.losses.AbstractSampleLoss):
    """A loss whose author forgot to pool the columns of a class."""

    supervised: ClassVar[bool] = True

    def __call__(self, delta, labels, y, progress=1.0):
        return jnp.min(delta, axis=1)

    def scores(self, delta, labels):
        return -delta


def test_scores_of_prototypes_are_no_scores_of_classes():
    with pytest.raises(
        ValueError,
        match="`loss`: Columns decides between 6 classes, but the prototypes stand for 3",
    ):
        pz.PrototypeModel(
            pz.Prototypes(X[::10], [0, 0, 1, 1, 2, 2]), pz.metrics.SquaredEuclidean(), Columns()
        )


def test_parts_that_do_not_fit_are_named_when_the_model_is_assembled(unchecked):
    prototypes, metric, loss = (
        pz.Prototypes(X[[0, 25, 50]], [0, 1, 2]),
        pz.metrics.SquaredEuclidean(),
        pz.losses.GLVQ(),
    )
    chain = pz.metrics.Chain(pz.metrics.Omega(np.eye(5)[:, :2]), pz.metrics.Omega(np.eye(3)))
    network = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
    wrong = {
        "`metric`: Omega": (prototypes, pz.metrics.Omega(np.eye(4)), loss),
        "`metric`: Relevance": (prototypes, pz.metrics.Relevance.uniform(4), loss),
        "`metric`: SparseRelevance": (prototypes, pz.metrics.SparseRelevance.uniform(1), loss),
        "`metric`: Mahalanobis": (
            prototypes,
            pz.metrics.Mahalanobis(pz.metrics.Diagonal(np.zeros((3, 1)))),
            loss,
        ),
        "`metric`: Wasserstein": (
            prototypes,
            pz.metrics.Wasserstein(metric, np.zeros((3, 4))),
            loss,
        ),
        "`metric`: Chain": (prototypes, chain, loss),
        "`metric`: LocalOmega": (prototypes, pz.metrics.LocalOmega.identity(4, 5), loss),
        "`metric`: Tangent": (
            prototypes,
            pz.metrics.Tangent(np.eye(5)[None, :, :2].repeat(4, axis=0)),
            loss,
        ),
        "`metric`: GaussianKernel": (
            prototypes,
            pz.metrics.GaussianKernel(metric, np.zeros(4)),
            loss,
        ),
        "`loss`: CBC": (prototypes, metric, pz.losses.CBC(np.full((3, 4, 2), 0.5))),
        "`loss`: Mixture": (pz.Prototypes(X[:3]), metric, pz.losses.Mixture.uniform(4)),
        "`loss`: NearestNeighbours": (prototypes, metric, pz.losses.NearestNeighbours(4)),
        "`encoder`|`prototypes.points`": (prototypes, metric, loss, network, True),
        "`prototypes` must": (metric, prototypes, loss),
        "`metric` must": (prototypes, loss, metric),
        "`loss` must": (prototypes, metric, metric),
        "`encoder` must": (prototypes, metric, loss, 3),
    }
    for message, parts in wrong.items():
        with pytest.raises((ValueError, TypeError), match=message):
            pz.PrototypeModel(*parts)
