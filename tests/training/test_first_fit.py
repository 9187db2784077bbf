"""A first fit compiles few programs: what is neither the loop nor the answer runs in NumPy."""

import jax
import pytest
from compilations import count_compilations
from zoo import CASES

import protozoo as pz


#: Rows whose parts start in different ways; `nox -s nightly` tries all. (Chosen here, not by
#: kinds of parts: so the parameter of the test is no `case`.)
ROWS = [
    *("LVQ1", "GLVQ", "LGMLVQ", "RSLVQ", "GTLVQ", "CBC", "DKGRLVQ_NG"),
    *("KMeans", "PFCM", "KPCM", "GaussianMixture", "GrowingNeuralGas"),
    *("SiameseGLVQ", "ImageGTLVQ", "MDM", "RiemannianDKGMLVQ", "RGLVQ", "OCGTLVQ_NG", "SVDD"),
]
#: Rows that are built in more steps, each of which needs the numbers of those before it.
STEPS = {
    **dict.fromkeys(("PLVQ", "RRSLVQ", "KGLVQ", "RiemannianSTNG"), 5),
    **dict.fromkeys(("RiemannianDKSTNG", "RiemannianDKRSTNG", "RiemannianDKMSTNG", "ImageCBC"), 6),
    "FGMDM": 7,
}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(case, id=str(case), marks=() if str(case) in ROWS else pytest.mark.nightly)
        for case in CASES
    ],
)
def test_a_first_fit_has_at_most_four_programs_and_a_prediction_one(row):
    given = (row.x,) if row.y is None else (row.x, row.y)
    epochs = {"epochs": 2} if row.learns else {}
    jax.clear_caches()
    with count_compilations() as fitting:
        model = pz.zoo.fit(row.name, *given, key=0, **epochs, **row.options).model
    assert len(fitting.names) <= STEPS.get(str(row), 4), fitting.names
    with count_compilations() as predicting:
        model.predict(row.x)
    assert len(predicting.names) <= 1, predicting.names
