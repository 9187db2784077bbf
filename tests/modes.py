"""Builds, trains and asks rows of the table under modes of JAX that are set by its environment
variables.

    JAX_DEBUG_NANS=1 python tests/modes.py GLVQ GMLVQ

Prints a line for each row that fails, and where. Run by tests/test_transformations.py: modes belong
to a whole process.
"""

import sys
import traceback

import jax
from zoo import CASES, Case

import protozoo as pz


#: Rows that are also trained in low precision, and made conformal.
LOW = ("GMLVQ", "LMRSLVQ")


def use(case: Case) -> None:
    """All that a user does."""
    if str(case) in LOW:
        for precision in ("float16", "bfloat16"):
            trainer = pz.Trainer(pz.GradientDescent("adam", 0.01), 2, precision=precision)
            trainer.fit(case.model, case.x, case.y, key=0)
        conformal = pz.trust.ConformalClassifier(case.model, case.x, case.y)
        conformal.predict_set(case.x)
    rule, held_out = case.trainer(2).rule, case.x if case.y is None else (case.x, case.y)
    batch_size = None if isinstance(rule, pz.MedianOptimization) else 20
    for trainer in (case.recipe.trainer(epochs=2), pz.Trainer(rule, 2, batch_size=batch_size)):
        fit = trainer.fit(case.model, case.x, case.y, key=jax.random.key(0), validation=held_out)
    for ask in (
        fit.model.predict,
        fit.model.predict_proba,
        fit.model.confidence,
        fit.model.distances,
        fit.model.win_ratios,
    ):
        ask(case.x)
    if case.quadratic:
        fit.model.transform(case.x)
        fit.model.relevances(case.x)
        fit.model.relevance_matrix()


def main(names: list[str]) -> int:
    """The number of rows that fail."""
    failed = 0
    for case in CASES:
        if str(case) in names or not names:
            try:
                use(case)
            except Exception as error:
                place = [
                    frame
                    for frame in traceback.extract_tb(error.__traceback__)
                    if "protozoo" in frame.filename
                ][-1]
                print(
                    f"{case}: {place.filename}:{place.lineno}: {type(error).__name__}: "
                    f"{str(error).splitlines()[0]}",
                    flush=True,
                )
                failed += 1
            # Programs of hundreds of shapes are more than a process has room for.
            jax.clear_caches()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
