"""A first fit compiles few programs: what is neither the loop nor the answer runs in NumPy."""

import jax
import numpy as np
import pytest
from compilations import count_compilations

import protozoo as pz


ROWS = [
    "GLVQ",
    "LGMLVQ",
    "RSLVQ",
    "GTLVQ",
    "CBC",
    "DKGRLVQ_NG",
    "KMeans",
    "PFCM",
    "GaussianMixture",
]


@pytest.mark.parametrize("name", ROWS)
def test_a_first_fit_has_at_most_four_programs_and_a_prediction_one(name):
    row, random = getattr(pz.zoo, name), np.random.default_rng(0)
    x, y = random.normal(size=(41, 3)).astype(np.float32), np.arange(41) % 2
    given = (x, y) if row.supervised else (x,)
    options = {} if row.supervised else {"prototypes": 2}
    jax.clear_caches()
    with count_compilations() as fitting:
        model = pz.zoo.fit(name, *given, key=0, epochs=2, **options).model
    assert len(fitting.names) <= 4, fitting.names
    with count_compilations() as predicting:
        model.predict(x)
    assert len(predicting.names) <= 1, predicting.names
