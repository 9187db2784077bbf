"""Typed code of a user, with mistakes: pyright and mypy refuse each line that says so, and no
other one."""

import numpy as np

import protozoo as pz
from protozoo.types import Labels


x = np.random.default_rng(0).normal(size=(60, 4))
y = np.arange(60) % 3
fit = pz.fit("GLVQ", x, y, epochs=5)

pz.zoo.GMLVX(x, y, key=0)  # refused: no such row
pz.zoo.GMLVQ(x, y, key=0, latent_dims=2)  # refused: no such option
pz.zoo.GMLVQ(x, y, key=0, latent_dim="two")  # refused: a number
pz.zoo.GMLVQ(x, y)  # refused: without a key
pz.zoo.GMLVQ(x, key=0)  # refused: it learns from labels
pz.zoo.HCM(x, y, key=0)  # refused: it learns without labels
pz.zoo.SOM(x, key=0, kernel="gausian")  # refused: misspelt
number: int = fit.model  # refused: a model
fit.model.predicts(x)  # refused: no such answer
pz.Trainer(pz.GradientDescent("adam", 1e-2), "ten")  # refused: a number of epochs
pz.evaluate(fit, x, y)  # refused: not a model, but its fit
pz.evaluate(fit.model, x, y).accuracy.upper()  # refused: a number
names: list[str] = pz.compare(["GLVQ"], x, y).best  # refused: a single name
labels: Labels = fit.epochs  # refused: a number
