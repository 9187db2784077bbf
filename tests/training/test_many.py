"""Many models by one program are the models one by one: in turns, and side by side."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
from compilations import count_compilations
from zoo import blobs, sampled

import protozoo as pz
from protozoo.training import _many


X, Y = blobs()


@pytest.fixture(params=["in turns", "side by side"])
def together(request, monkeypatch):
    """`fit_many` as on a processor, and as on an accelerator."""
    monkeypatch.setattr(_many, "side_by_side", lambda: request.param == "side by side")
    return pz.fit_many


def trainer(rate: float = 1e-2, epochs: int = 12, **settings) -> pz.Trainer:
    return pz.Trainer(pz.GradientDescent("adam", rate), epochs, **settings)


def restarts(name: str, count: int = 3) -> list[pz.PrototypeModel]:
    recipe = getattr(pz.zoo, name)
    y = Y if recipe.supervised else None
    options = (
        {"prototypes_per_class": 2, "initialiser": "samples"}
        if recipe.supervised
        else {"initialiser": "samples"}
    )
    if name == "GaussianMixture":
        # A covariance of a few samples of a batch is close to singular, and magnifies the rounding
        # of another program.
        options["regularisation"] = 0.1
    return [recipe(X, y, key=jax.random.key(i), **options) for i in range(count)]


def same(one: pz.training.Fit, other: pz.training.Fit) -> None:
    assert (one.reason, one.epochs) == (other.reason, other.epochs)
    for name, values in other.history.items():
        np.testing.assert_allclose(one.history[name], values, rtol=1e-4, atol=1e-5)
    for a, b in zip(
        *(jax.tree.leaves(eqx.filter(fit.model, eqx.is_inexact_array)) for fit in (one, other)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    "name",
    sampled(
        ["GLVQ", "GMLVQ", "LGMLVQ", "RSLVQ", "HCM", "GaussianMixture"],
        {"LGMLVQ", "RSLVQ", "GaussianMixture"},
    ),
)
@pytest.mark.parametrize("batch_size", [None, 25])
def test_restarts_are_fits_of_their_own(together, name, batch_size):
    models, y = restarts(name), Y if getattr(pz.zoo, name).supervised else None
    one = getattr(pz.zoo, name).trainer(
        epochs=12, batch_size=batch_size, stopping=pz.Stopping(patience=4)
    )
    fits = together(one, models, X, y, key=jax.random.key(5))
    for fit in fits:
        alone = one.fit(
            models[fit.member], X, y, key=jax.random.split(jax.random.key(5), 3)[fit.member]
        )
        same(fit, alone)
    best = [fit.history["loss"].min() for fit in fits]
    assert best == sorted(best)


def test_a_grid_of_numbers_with_an_early_stop_for_each(together):
    trainers = [
        trainer(rate, epochs, restore_best=True, stopping=pz.Stopping(patience=p))
        for rate, epochs, p in GRID
    ]
    model = pz.zoo.GMLVQ(X, Y, key=jax.random.key(0))
    fits = together(trainers, model, X, Y, key=jax.random.key(1), validation=(X[::3], Y[::3]))
    for fit in fits:
        alone = trainers[fit.member].fit(
            model,
            X,
            Y,
            key=jax.random.split(jax.random.key(1), len(GRID))[fit.member],
            validation=(X[::3], Y[::3]),
        )
        same(fit, alone)
    assert len({fit.epochs for fit in fits}) > 1


GRID = [(1e-3, 12, 3), (1e-1, 40, 3), (5e-1, 40, 2), (1e-2, 7, 3)]


def test_folds_are_weights(together):
    model, folds = pz.zoo.GLVQ(X, Y, key=jax.random.key(0)), np.arange(60) % 4
    weight = (folds != np.arange(4)[:, None]).astype(float)
    fits = together(
        trainer(),
        model,
        X,
        Y,
        key=jax.random.key(0),
        sample_weight=weight,
        validation=(X, Y),
        validation_weight=1 - weight,
    )
    for fit in fits:
        inside = folds != fit.member
        alone = trainer().fit(
            model, X[inside], Y[inside], key=jax.random.key(0), validation=(X[~inside], Y[~inside])
        )
        same(fit, alone)


def test_one_program_for_all(together):
    models = restarts("GLVQ", 4)
    together(trainer(), models, X, Y, key=jax.random.key(0))
    with count_compilations() as compiled:
        together(trainer(3e-2, 11), models, X, Y, key=jax.random.key(1))
    assert [name for name in compiled.names if "run" in name] == []


def test_what_many_refuse(unchecked):
    models, key = restarts("GLVQ"), jax.random.key(0)
    with pytest.raises(ValueError, match=r"which must agree; got \[2, 3\]"):
        pz.fit_many([trainer(), trainer()], models, X, Y, key=key)
    with pytest.raises(ValueError, match="got none of them"):
        pz.fit_many(trainer(), models[0], X, Y, key=key)
    with pytest.raises(ValueError, match="member 1 is of another structure"):
        pz.fit_many(trainer(), [models[0], pz.zoo.GMLVQ(X, Y, key=key)], X, Y, key=key)
    with pytest.raises(ValueError, match="member 1 is of another structure"):
        pz.fit_many([trainer(), trainer(batch_size=4)], models[0], X, Y, key=key)
    for wrong in ("adam", trainer().rule, iter(models)):
        with pytest.raises(TypeError, match="`trainers` must be of kind Trainer, or a list of som"):
            pz.fit_many(wrong, models, X, Y, key=key)
    with pytest.raises(TypeError, match="`models` must be of kind AbstractTrainable, or a list of"):
        pz.fit_many(trainer(), iter(models), X, Y, key=key)
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(n,\) or \(m, n\)"):
        pz.fit_many(trainer(), models, X, Y, key=key, sample_weight=np.ones((3, 60, 1)))
    with pytest.raises(ValueError, match="`validation_weight` weighs `validation`, which is miss"):
        pz.fit_many(trainer(), models, X, Y, key=key, validation_weight=np.ones(60))
    for y, weight in ((0 * Y, None), (Y, [np.ones(60), Y == 1, np.ones(60)])):
        with pytest.raises(ValueError, match="`y` has the single class"):
            pz.fit_many(trainer(), models, X, y, key=key, sample_weight=weight)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    named = [pz.fit("GLVQ", frame, Y, key=key, epochs=1).model] * 2
    other = frame[list("bacde")]
    for given in ({"x": other}, {"x": frame, "validation": (other, Y)}):
        with pytest.raises(ValueError, match="has other columns than the data"):
            pz.fit_many(trainer(), named, y=Y, key=key, **given)
    given = {
        "progress": True,
        "callbacks": [pz.training.HistoryFile("somewhere.csv")],
        "checkpoints": pz.Checkpoints("somewhere"),
    }
    for name, value in given.items():
        with pytest.raises(ValueError, match=f"`{name}` belongs to the training of one model"):
            pz.fit_many(trainer(**{name: value}), models, X, Y, key=key)


def test_cross_validation_holds_out_every_sample_once():
    result = pz.cross_validate("GMLVQ", X, Y, folds=4, epochs=30, prototypes_per_class=2)
    assert result.scores.shape == (4,)
    counts = np.stack([np.bincount(Y[result.folds == i], minlength=3) for i in range(4)])
    assert counts.min() >= 4
    assert counts.sum() == 60
    for i, fit in enumerate(result.fits):
        out = result.folds == i
        np.testing.assert_allclose(
            np.mean(np.asarray(fit.model.predict(X[out])) == Y[out]), result.scores[i]
        )
    assert result.mean == result.scores.mean()
    np.testing.assert_allclose(result.standard_error, result.scores.std(ddof=1) / 2)
    # What is held out has no influence.
    shifted = X.copy()
    shifted[result.folds == 2] += 1000
    other = pz.cross_validate("GMLVQ", shifted, Y, folds=4, epochs=30, prototypes_per_class=2)
    np.testing.assert_array_equal(other.folds, result.folds)
    np.testing.assert_allclose(
        other.fits[2].model.prototypes.points,
        result.fits[2].model.prototypes.points,
        rtol=1e-4,
        atol=1e-5,
    )
    assert (
        jnp.abs(
            other.fits[1].model.prototypes.points - result.fits[1].model.prototypes.points
        ).max()
        > 1
    )


def test_what_cross_validation_refuses(unchecked):
    for wrong in ("adam", trainer().rule):
        with pytest.raises(TypeError, match="`trainer` must be of kind Trainer or None, got"):
            pz.cross_validate("GLVQ", X, Y, trainer=wrong)
    with pytest.raises(ValueError, match="`epochs`, `batch_size`: .* `trainer` is given"):
        pz.cross_validate("GLVQ", X, Y, trainer=trainer(), batch_size=3, epochs=3)
    with pytest.raises(ValueError, match="HCM learns without labels"):
        pz.cross_validate("HCM", X, Y)
    with pytest.raises(
        ValueError, match="`folds` is 21, but class 0 has 20 samples only.*ask for 20 folds at most"
    ):
        pz.cross_validate("GLVQ", X, Y, folds=21)
    with pytest.raises(ValueError, match="the zoo has no model 'GLVK'"):
        pz.cross_validate("GLVK", X, Y)
