"""The main job, short."""

import jax
import numpy as np
import pytest

import protozoo as pz
from protozoo.cli import main


def test_demo(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path), "--epochs", "40"]) == 0
    said = capsys.readouterr()
    assert "predictions are identical" in said.out
    accuracy = float(said.out.split("held-out images: ")[1].split()[0])
    assert accuracy > 0.9
    assert "epoch" in said.err  # the progress bar
    for name in ("prototypes.png", "relevance_matrix.png", "relevance_map.png", "history.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert pz.load(tmp_path / "model").predict_proba(np.zeros((1, 64))).shape == (1, 10)


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(pz.zoo.names())


def test_pictures_of_what_is_no_image(key):
    x = np.random.default_rng(0).normal(size=(20, 6))
    model = pz.zoo.HCM(x, key=key)
    with pytest.raises(ValueError, match="no image of the 6 entries"):
        pz.plots.prototype_images(model, (2, 2))
    figure = pz.plots.prototype_images(model, (2, 3))
    assert len(figure.axes) == 3
    assert len(pz.plots.relevance_matrix(model, names=list("abcdef")).axes) == 3


def test_the_first_minute(key):
    x = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [4]], 20, axis=0)
    fit = pz.fit("GMLVQ", x, np.repeat([0, 1], 20), key=jax.random.key(1), epochs=30, batch_size=10)
    assert fit.epochs == 30
    assert np.mean(np.asarray(fit.model.predict(x)) == np.repeat([0, 1], 20)) == 1
