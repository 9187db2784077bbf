"""The pure forward pass: scores for any number of samples, also one that is not known yet."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES

import protozoo as pz


def exported(model: pz.PrototypeModel, sample: np.ndarray) -> jax.export.Exported:
    (n,) = jax.export.symbolic_shape("n")
    return jax.export.export(jax.jit(lambda x: model(x)))(jax.ShapeDtypeStruct((n, *sample.shape), jnp.float32))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_samples_need_not_be_known(case):
    forward = exported(case.model, case.x[0])
    (scores,) = forward.out_avals
    assert jax.export.is_symbolic_dim(scores.shape[0]) and scores.shape[1:] == (case.model.classes,)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name in ("KNN", "LGMLVQ", "GaussianMixture", "RiemannianSMNG")], ids=str
)
def test_predictions_are_read_from_the_scores(case):
    forward = exported(case.model, case.x[0])
    for n in (1, len(case.x)):
        probabilities = jax.nn.softmax(forward.call(jnp.asarray(case.x[:n])), axis=1)
        np.testing.assert_allclose(probabilities, case.model.predict_proba(case.x)[:n], atol=1e-5)
        np.testing.assert_array_equal(probabilities.argmax(axis=1), case.model.predict(case.x)[:n])
