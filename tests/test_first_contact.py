"""What a newcomer meets first: what is printed, what `help` tells, what the command line says."""

import numpy as np
from zoo import blobs

import protozoo as pz


X, Y = blobs()


# What is printed.


def test_a_fit_is_printed_in_one_line(key):
    fit = pz.fit("LVQMLN", X, Y, key=key, epochs=3, validation=(X, Y))
    loss, held_out = (fit.history[name][-1] for name in ("loss", "validation_loss"))
    assert repr(fit) == (
        "Fit(model=PrototypeModel(GLVQ, SquaredEuclidean, MLP, 3 prototypes of 3 classes), epochs=3, reason='max epochs', "
        f"loss={loss:.4g}, validation_loss={held_out:.4g})"
    )
    assert str(fit) == repr(fit)
    assert "points=f32[3,16]" in repr(fit.model)
    clusters = pz.fit("HCM", X, key=key, epochs=1, prototypes=4)
    assert "PrototypeModel(HardClustering, SquaredEuclidean, 4 prototypes), epochs=1" in repr(clusters)


def test_results_stay_short_however_much_they_hold(key):
    result = pz.cross_validate("GLVQ", X, Y, folds=3, epochs=2, key=key)
    assert repr(result) == (f"CrossValidation(mean={result.mean:.4g}, standard_error={result.standard_error:.2g}, folds=3)")
    assert len(repr(result.fits)) < 500
    view = pz.training.View(result.fits[0].model, {"loss": np.zeros(1000)}, 1000, 2000)
    assert repr(view) == (
        "View(model=PrototypeModel(GLVQ, SquaredEuclidean, 3 prototypes of 3 classes), epoch=1000, epochs=2000)"
    )
    untrained = pz.training.Fit(result.fits[0].model, {"loss": np.zeros(0)}, 0, pz.training.Reason.MAX_EPOCHS)
    assert repr(untrained).endswith("epochs=0, reason='max epochs')")


def test_a_row_is_printed_with_its_options():
    text = repr(pz.zoo.GLVQ)
    assert text.startswith("Recipe(GLVQ: A. Sato, K. Yamada") and "prototypes_per_class=1" in text and " at 0x" not in text
