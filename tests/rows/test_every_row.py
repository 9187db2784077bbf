"""What holds for every row of the zoo, whatever the numbers are: units, offsets, dtypes, far
samples, what is no number.

A campaign over all rows takes long; the ordinary suite has a sample of rows that are as unlike as
rows can be.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zoo import CASES, CLASSES, Case, N, blobs, matrices

import protozoo as pz
from protozoo._module import project


#: A relative winner, an adapted one, a posterior, a kernel of the pair, one map for each prototype
#: behind a network that samples and prototypes go through, and densities.
SAMPLE = ("GLVQ", "GMLVQ", "RSLVQ", "DKGMLVQ", "SiameseGTLVQ", "GaussianMixture")


@pytest.fixture(
    scope="module",
    params=[pytest.param(c, marks=() if str(c) in SAMPLE else pytest.mark.nightly) for c in CASES],
    ids=str,
)
def case(request) -> Case:
    """One row after the other, so that its programs are compiled once for all that is asked."""
    return request.param


@pytest.fixture(scope="module")
def model(case) -> pz.PrototypeModel:
    """Trained a little, so that it is nothing special."""
    return case.trainer(3).fit(case.model, case.x, case.y, key=0).model


def built(case: Case, x: np.ndarray) -> pz.PrototypeModel:
    return case.recipe(x, case.y, key=jax.random.key(3), **case.options)


@eqx.filter_jit
def answers(model: pz.PrototypeModel, x: jax.Array) -> tuple[jax.Array, ...]:
    """All answers, in a program of the user's own: nothing is refused there."""
    return model.predict(x), model.predict_proba(x), model.confidence(x), model.distances(x)


def in_double(model: pz.PrototypeModel, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same model, computed in 64 bits, in which constraints hold to as many."""
    with jax.enable_x64(True):
        numbers, rest = eqx.partition(model, eqx.is_inexact_array)
        wide = project(jax.tree.map(lambda a: a.astype(jnp.float64), numbers))
        wide = eqx.combine(wide, rest)
        return tuple(np.asarray(a) for a in answers(wide, jnp.asarray(x, jnp.float64)))


def refuse_or_answer(proba: np.ndarray, label: np.ndarray, confidence: np.ndarray) -> None:
    """What every answer is, whatever was asked."""
    assert np.isfinite(proba).all() and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(label, proba.argmax(axis=1))
    assert ((confidence >= 0) & (confidence <= 1)).all()


# Units.


def scale_free(case: Case, unit: float) -> pz.Trainer:
    """The row's own rule, if it has no step size in the units of the data; otherwise steps by the
    sign of the gradient, in the units of what moves."""
    if not isinstance(case.recipe.rule, pz.GradientDescent):
        return case.recipe.trainer(epochs=3)
    of_points = unit if case.flat else 1.0  # tangents of positive definite matrices have no unit
    of_metric = 1 / unit if case.of_pairs and case.flat else 1.0
    # An optimiser for what does not learn is refused.
    parts = {
        "prototypes": optax.sign_sgd(0.02 * of_points),
        "metric": optax.sign_sgd(0.005 * of_metric),
    }
    mask = pz.training.trainable_mask(case.model)
    learns = any(jax.tree.leaves(mask.metric))
    rest = {"rest": optax.sign_sgd(0.005)} if any(jax.tree.leaves(mask.loss)) else {}
    return pz.Trainer(
        pz.GradientDescent({n: o for n, o in parts.items() if n != "metric" or learns} | rest), 3
    )


def test_no_unit_of_the_data_matters(case):
    if case.encoded:  # a network has weights and biases for numbers of one size
        for k in (-60, 60):
            x = np.ldexp(case.x, k)
            answer = answers(built(case, x), x)
            refuse_or_answer(*(np.asarray(answer[i]) for i in (1, 0, 2)))
        return

    def asked(k: int) -> dict[str, tuple[np.ndarray, ...]]:
        """Of the model as it is built, and as it is trained."""
        x = np.ldexp(case.x, k)
        model = built(case, x)
        fit = scale_free(case, 2.0**k).fit(model, x, case.y, key=0)
        assert fit.reason != "diverged"
        models = {"built": model, "trained": fit.model}
        return {
            n: tuple(np.asarray(a) for a in (m.predict(x), m.predict_proba(x)))
            for n, m in models.items()
        }

    expected = asked(0)
    for k in (-60, -17, 17, 60):
        found = asked(k)
        if abs(k) > 17 and isinstance(case.recipe.rule, pz.GradientDescent):
            # A gradient is no answer: of the largest and smallest units, some of its entries are
            # out of range.
            found.pop("trained")
        elif case.name == "GRLGQ":
            # A prototype of the case lies on the only sample that it wins: its gradient is
            # rounding, of which the steps are as long as of any.
            found.pop("trained")
        # Parameters that are logarithms of scales have fewer bits for their digits in units that
        # are so far from one: one of 42 (2^60) is rounded by 4e-6, a δ of some tens by up to 1e-3.
        tolerance = 1e-3 if abs(k) > 17 else 1e-5
        for name, (label, proba) in found.items():
            np.testing.assert_array_equal(label, expected[name][0], err_msg=f"2^{k}, {name}")
            np.testing.assert_allclose(
                proba, expected[name][1], rtol=1e-4, atol=tolerance, err_msg=f"2^{k}, {name}"
            )


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_each_feature_of_a_mixture_has_a_unit_of_its_own(covariance):
    x, _ = blobs()
    exponents = np.array([-60, 17, 0, 60, -3])

    def asked(x: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, ...]:
        model = pz.zoo.GaussianMixture(x, key=3, prototypes=4, covariance=covariance)
        fit = pz.zoo.GaussianMixture.trainer(epochs=3).fit(model, x, key=0)
        points = np.ldexp(np.asarray(fit.model.prototypes.points), -k)
        return points, np.asarray(fit.model.predict_proba(x)), np.asarray(fit.model.predict(x))

    expected, found = asked(x, 0 * exponents), asked(np.ldexp(x, exponents), exponents)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# Offsets and spreads.

#: Rows of a curved space.
CURVED = ("RiemannianSRNG", "RiemannianSMNG", "RiemannianNeuralGas", "RiemannianSOM")


def moved(case: Case) -> dict[str, np.ndarray]:
    """Samples at offsets of 1e4 and 1e6 standard deviations, and classes as far from each other as
    1e4 of their own."""
    x, _ = blobs()
    at = np.eye(5)[np.repeat(np.arange(CLASSES), N // CLASSES)]
    spread = {"1e4": x + 1e4, "-1e6": x - 1e6, "spread": x + 1e4 * at}
    return {name: v.astype(np.float32) for name, v in spread.items()}


def test_where_the_data_are_does_not_matter(case):
    """Of what float32 leaves of such data, answers are those of 64 bits."""
    # Of a network, of a kernel of pairs, and of matrices, differences are not all that counts;
    # dissimilarities are nowhere.
    if case.model.metric.takes_dissimilarities:
        pytest.skip("Samples are known by their dissimilarities.")
    if case.encoded or case.of_pairs or case.data is matrices:
        if case.data is blobs:
            for x in moved(case).values():
                answer = answers(built(case, x), x)
                refuse_or_answer(*(np.asarray(answer[i]) for i in (1, 0, 2)))
        return
    for name, x in moved(case).items():
        model = built(case, x)
        label, proba, _, delta = (np.asarray(a) for a in answers(model, x))
        exact = in_double(model, x)
        ordered = np.sort(exact[1], axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 1e-3
        assert clear.sum() > N / 2, name
        np.testing.assert_array_equal(label[clear], exact[0][clear], err_msg=name)
        np.testing.assert_allclose(proba, exact[1], atol=1e-3, err_msg=name)
        # Squares of differences of numbers that float32 has: to its precision, or what is left of
        # it in a few sums.
        np.testing.assert_allclose(
            delta, exact[3], rtol=2e-3, atol=1e-5 * np.median(exact[3]), err_msg=name
        )


def gradient(model: pz.PrototypeModel, x: np.ndarray, y: np.ndarray | None) -> pz.PrototypeModel:
    """Of the loss that training lowers, by all that learns."""
    params, rest = eqx.partition(model, pz.training.trainable_mask(model))

    @eqx.filter_jit
    @eqx.filter_grad
    def of_loss(params, rest, x, y, weight):
        return eqx.combine(params, rest).loss_of(x, y, weight, 0.5)

    labels = None if y is None else jnp.asarray(y, jnp.int32)
    weight = jnp.full(len(x), 1 / len(x), x.dtype)
    return of_loss(params, rest, jnp.asarray(x), labels, weight)


def test_gradients_are_those_of_differences(case):
    """Two classes beside each other, and all others ten thousand times farther away: of sums of
    expanded squares, nothing would be left."""
    if case.encoded or case.of_pairs or case.data is not blobs or not case.learns:
        return
    if case.arranged:  # a lattice begins with samples that are as near to one unit as to another
        return
    x, y = blobs()
    x = (x + np.where(y < 2, 1e4, -1e4)[:, None]).astype(np.float32)
    model = built(case, x)
    if not model.loss.differentiable or not model.metric.differentiable:
        return
    found = gradient(model, x, case.y)
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda a: a.astype(jnp.float64) if eqx.is_inexact_array(a) else a, model
        )
        exact = gradient(wide, x.astype(float), case.y)
    # What a loss learns, it learns from distances; these are right to 2⁻¹³, and partly cancel.
    of_parts, right = ((g.prototypes, g.metric) for g in (found, exact))
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(of_parts), jax.tree.leaves(right), strict=True
    ):
        np.testing.assert_allclose(
            a,
            b,
            atol=4e-3 * np.abs(b).max(initial=0),
            rtol=0,
            err_msg=jax.tree_util.keystr(path),
        )


# Dtypes.


def whole(case: Case) -> np.ndarray:
    """Samples in whole numbers that every type with seven bits has."""
    if case.data is blobs:
        return np.clip(np.round(8 * case.x), -60, 60) + 64
    # Matrices stay positive definite, images have both signs.
    return np.clip(np.round(32 * case.x), -120, 120)


def dtypes(case: Case) -> list[np.dtype]:
    unsigned = ["uint8", "uint16"] if case.data is blobs else []
    names = ["int8", *unsigned, "int32", "int64", "float16", "float64", ">f4", ">i4", "longdouble"]
    return [np.dtype(n) for n in names] + [np.dtype(jnp.bfloat16)]


def test_the_dtype_of_the_data_is_no_choice_of_precision(case, model, unchecked):
    x = whole(case).astype(np.float32)
    expected, asked = built(case, x), model.predict_proba(x)
    assert {a.dtype for a in jax.tree.leaves(expected) if eqx.is_inexact_array(a)} == {
        jnp.dtype(jnp.float32)
    }
    for dtype in dtypes(case):
        given = x.astype(dtype)
        np.testing.assert_array_equal(model.predict_proba(given), asked, err_msg=str(dtype))
        if dtype in (np.dtype("int8"), np.dtype("float16"), np.dtype(jnp.bfloat16)):
            found = built(case, given)
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                assert a.dtype == b.dtype, dtype
                np.testing.assert_array_equal(a, b, err_msg=str(dtype))


def test_training_computes_in_32_bits_whatever_the_samples_are(case, unchecked):
    x = whole(case).astype(np.float32)
    trainer, start = case.trainer(2), built(case, x)
    expected = trainer.fit(start, x, case.y, key=0).model
    for dtype in ("int8", "float16", ">i4"):
        found = trainer.fit(start, x.astype(dtype), case.y, key=0).model
        assert eqx.tree_equal(found, expected), dtype


@pytest.mark.parametrize("name", ["GLVQ", "RSLVQ", "HCM"])
def test_truth_values_are_zeros_and_ones(name, unchecked):
    (case,) = [c for c in CASES if str(c) == name]
    x = case.x > 0
    assert eqx.tree_equal(built(case, x), built(case, x.astype(np.float32)))
    np.testing.assert_array_equal(
        case.model.predict_proba(x), case.model.predict_proba(x.astype(np.float32))
    )


# Far away.


def far(case: Case, size: float) -> np.ndarray:
    """Samples in all directions, so far away; positive definite matrices as large, and of any
    shape."""
    if case.data is blobs:
        directions = np.random.default_rng(5).normal(size=(N // 2, 5))
        directions[0], directions[1] = np.eye(5)[2], 1
        directions = np.concatenate([directions, -directions])
        return (directions * size).astype(np.float32)
    sign = np.where(np.arange(N) % 2, -1, 1) if case.x.shape[-1] == 1 else np.ones(N)
    return (case.x * size * sign.reshape(-1, 1, *[1] * (case.x.ndim - 2))).astype(np.float32)


#: What a filter makes of matrices that are more times larger may be no matrix in 32 bits, and is
#: refused: its eigenvalues differ by more than their digits.
FILTERED = 1e8


def test_far_samples_get_the_limit_of_the_exact_answer(case, model):
    for size in (1e5, 1e8, 1e12, 1e18, 1e25, 1e30):
        x = far(case, size)
        if case.name == "FGMDM" and size > FILTERED:
            continue
        label, proba, confidence = (
            np.asarray(a) for a in (model.predict(x), model.predict_proba(x), model.confidence(x))
        )
        refuse_or_answer(proba, label, confidence)
        # In 64 bits, one is as good as there beyond a million; farther out, they lose what matters,
        # too.
        curved = case.data is not blobs
        exact = in_double(model, x if curved else far(case, min(size, 1e6)))[1]
        np.testing.assert_allclose(proba, exact, atol=5e-3, err_msg=f"{size:g}")


def test_one_far_sample_changes_no_other_answer(case, model):
    x = case.x.copy()
    expected = model.predict_proba(x)
    x[7] = far(case, FILTERED if case.name == "FGMDM" else 1e20)[7]
    rest = np.arange(N) != 7
    np.testing.assert_array_equal(model.predict_proba(x)[rest], expected[rest])


# What is no number.


def test_what_is_no_number_is_refused_and_never_a_class(case, model):
    expected = answers(model, case.x)
    bad = case.x.copy()
    rows = [0, 7, N // 2, N - 1]
    flat = bad.reshape(N, -1)
    flat[0, 0], flat[7, -1], flat[N // 2, 1], flat[N - 1] = np.nan, np.inf, -np.inf, np.nan
    for row in rows:
        x = case.x.copy()
        x[row] = bad[row]
        message = (
            rf"`x` (has \d+ values that are NaN or infinite, the first one at index "
            rf"\({row},|.* point {row} is not finite)"
        )
        for ask in (model.predict, model.predict_proba, model.confidence, model.distances):
            with pytest.raises(ValueError, match=message):
                ask(x)
    there = ~np.isin(np.arange(N), rows)
    for k, (answer, usual) in enumerate(zip(answers(model, bad), expected, strict=True)):
        np.testing.assert_array_equal(answer[there], usual[there])
        unknown = np.asarray(answer[~there])
        assert (unknown == -1).all() if k == 0 else np.isnan(unknown).all()


def test_a_parameter_that_is_no_number_decides_nothing(case, model):
    leaves, structure = jax.tree.flatten(model)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]
    seen = 0
    for i, (path, leaf) in enumerate(zip(paths, leaves, strict=True)):
        if not eqx.is_inexact_array(leaf) or leaf.size == 0:
            continue
        for value in (jnp.nan, jnp.inf, -jnp.inf):
            values = leaf.at[(0,) * leaf.ndim].set(value)
            broken = jax.tree.unflatten(structure, [*leaves[:i], values, *leaves[i + 1 :]])
            label, proba, confidence, _ = (np.asarray(a) for a in answers(broken, case.x))
            if path.startswith(".loss") and not np.isnan(value):
                # The logarithm of a prior of zero, a variance without bound: what a loss may hold,
                # if it has an answer.
                known = label >= 0
                refuse_or_answer(proba[known], label[known], confidence[known])
                assert np.isnan(proba[~known]).all()
                continue
            seen += 1
            assert (label == -1).all() and np.isnan(proba).all() and np.isnan(confidence).all(), (
                path
            )
            for ask in (broken.predict, broken.predict_proba, broken.distances):
                with pytest.raises(
                    ValueError, match="the model has parameters that are NaN or infinite"
                ):
                    ask(case.x)
    assert seen


# Decisions.


def test_the_decision_is_the_largest_probability(case, model):
    """On ties between prototypes, on prototypes themselves, near and far."""
    points = np.asarray(model.prototypes.points)
    if points.shape[1:] != case.x.shape[1:]:
        points = case.x[:6]
    between = 0.5 * (points[:, None] + points[None]).reshape(-1, *points.shape[1:])
    grid = [
        points,
        between,
        case.x * np.float32(1e-3),
        far(case, 1e6)[:8],
        far(case, 1e28)[:8],
        case.x,
    ]
    x = np.concatenate(grid)[-N:] if case.data is not blobs else np.concatenate(grid)
    for start in range(0, len(x) - N + 1, N):
        some = x[start : start + N]
        answer = [
            np.asarray(a)
            for a in (model.predict_proba(some), model.predict(some), model.confidence(some))
        ]
        refuse_or_answer(*answer)


# Compositions.


def other_parts() -> dict[str, list]:
    """Parts of another dimension, for another number of prototypes or classes, of another space."""
    x, _ = blobs()
    m, euclidean = pz.metrics, pz.metrics.SquaredEuclidean()
    tangents = np.eye(7)[None, :, :2].repeat(9, axis=0)
    metrics = [
        *[m.Omega.identity(d) for d in (5, 7)],
        *[m.LocalOmega.identity(p, d) for p, d in ((6, 7), (9, 5))],
        *[m.ClassOmega.identity(c, 5) for c in (2, 4)],
        *[m.Relevance.uniform(d) for d in (1, 7)],
        *[m.Tangent(tangents[:p, :d]) for p, d in ((6, 7), (9, 5))],
        *[
            m.GaussianKernel(inner, np.zeros(p))
            for inner, p in ((euclidean, 9), (m.Omega.identity(7), 6))
        ],
        *[m.Wasserstein(euclidean, np.zeros(shape)) for shape in ((9, 5), (6, 1), (1, 5))],
        *[m.Mahalanobis(m.Diagonal(np.zeros(shape))) for shape in ((9, 5), (4, 1), (4, 7))],
        m.ExponentialKernel(0.1 * np.eye(7)),
        m.Chain(m.Subspace(np.eye(5)[:, :3]), m.Omega.identity(4)),
        m.Missing(m.Omega.identity(7)),
        m.Cosine(),
        m.LpNorm(1.0),
    ]
    losses = [
        pz.losses.GLVQ(),
        pz.losses.RSLVQ(1.0, np.zeros(9), dimension=5),
        pz.losses.RSLVQ(1.0, log_priors=np.zeros(9)),
        pz.losses.CBC(np.full((3, 5, 2), 0.5)),
        pz.losses.CBC(np.full((4, 6, 2), 0.5)),
        pz.losses.Mixture.uniform(9),
        pz.losses.NearestNeighbours(61),
        pz.losses.Fuzzy(),
    ]
    spd = pz.manifolds.SPD(3)
    prototypes = [
        pz.Prototypes(x[:9], np.repeat([0, 1, 2], 3)),
        pz.Prototypes(x[:6], [0, 0, 0, 1, 1, 1]),
        pz.Prototypes(x[:6]),
        pz.Prototypes(np.ones((6, 7)), [0, 0, 1, 1, 2, 2]),
        pz.Prototypes(np.stack([np.eye(3)] * 6), [0, 0, 1, 1, 2, 2], spd),
        pz.Prototypes(np.ones((6, 6, 6, 1)), [0, 0, 1, 1, 2, 2]),
    ]
    encoders = [
        eqx.nn.Identity(),
        eqx.nn.MLP(7, 4, 8, 1, key=jax.random.key(0)),
        eqx.nn.MLP(5, 7, 8, 1, key=jax.random.key(0)),
    ]
    return {"prototypes": prototypes, "metric": metrics, "loss": losses, "encoder": encoders}


@pytest.fixture(scope="module")
def others() -> dict[str, list]:
    return other_parts()


def test_parts_fit_or_are_named_at_once(case, others, unchecked):
    """With a part of another model, a model either answers, or is refused when it is assembled, by
    an error that names a part: never later, and by no error from within."""
    model, refused = case.model, 0
    for part, replacements in others.items():
        for one in replacements:
            parts = {
                n: getattr(model, n)
                for n in ("prototypes", "metric", "loss", "encoder", "encode_prototypes")
            }
            parts[part] = one
            try:
                mixed, reason = pz.PrototypeModel(**parts), None
            except (ValueError, TypeError) as error:
                mixed, reason = None, str(error)
            if mixed is None:
                refused += 1
                named = ("prototypes", "metric", "loss", "encoder")
                assert any(f"`{n}" in str(reason) for n in named), (one, reason)
                continue
            shape = mixed.sample_shape
            # Only the encoder knows what it takes, and is asked when there are samples.
            if shape is None:
                continue
            x = jax.ShapeDtypeStruct((4, *shape), jnp.float32)
            # It may train points that belong to classes.
            if mixed.prototypes.labelled and not mixed.loss.supervised:
                with pytest.raises(ValueError, match="`loss`: .* leave out their labels"):
                    eqx.filter_eval_shape(lambda m, x: m.predict_proba(x), mixed, x)
                continue
            proba = eqx.filter_eval_shape(lambda m, x: m.predict_proba(x), mixed, x)
            assert proba.shape == (4, mixed.classes), one
    assert refused
