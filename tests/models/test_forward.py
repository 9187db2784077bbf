"""The pure forward pass: scores for any number of samples, also one that is not known yet."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES

import protozoo as pz


UNLIKE = [
    case
    for case in CASES
    if case.name in ("KNN", "LMRSLVQ_NG", "GaussianMixture", "RiemannianSRNG")
]


def exported(model: pz.PrototypeModel, sample: np.ndarray) -> jax.export.Exported:
    (n,) = jax.export.symbolic_shape("n")
    return jax.export.export(jax.jit(lambda x: model(x)))(
        jax.ShapeDtypeStruct((n, *sample.shape), jnp.float32)
    )


@pytest.mark.few_rows
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_samples_need_not_be_known(case):
    forward = exported(case.model, case.x[0])
    (scores,) = forward.out_avals
    assert jax.export.is_symbolic_dim(scores.shape[0]) and scores.shape[1:] == (case.model.classes,)


@pytest.mark.parametrize("case", UNLIKE, ids=str)
def test_predictions_are_read_from_the_scores(case):
    forward = exported(case.model, case.x[0])
    for n in (1, len(case.x)):
        probabilities = jax.nn.softmax(forward.call(jnp.asarray(case.x[:n])), axis=1)
        np.testing.assert_allclose(probabilities, case.model.predict_proba(case.x)[:n], atol=1e-5)
        np.testing.assert_array_equal(probabilities.argmax(axis=1), case.model.predict(case.x)[:n])


def test_the_scores_are_those_of_the_decision():
    (case,) = [case for case in CASES if case.name == "GMLVQ"]
    model = pz.PrototypeModel(
        case.model.prototypes,
        case.model.metric,
        case.model.loss,
        decision=pz.losses.NearestNeighbours(3),
    )
    scores = model(jnp.asarray(case.x))
    np.testing.assert_allclose(
        jax.nn.softmax(scores, axis=1), model.predict_proba(case.x), atol=1e-6
    )
    np.testing.assert_array_equal(scores.argmax(axis=1), model.predict(case.x))


@pytest.mark.parametrize("case", UNLIKE, ids=str)
def test_scores_of_what_is_not_known_are_nan(case):
    x = case.x[:3].copy()
    x[1].flat[0] = np.nan
    scores = np.asarray(case.model(jnp.asarray(x)))
    assert np.isnan(scores[1]).all() and not np.isnan(scores[[0, 2]]).any()
