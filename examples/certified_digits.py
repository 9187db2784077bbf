"""How far may an image be changed before its digit does? Radii that are proven, the attacks that
attain them, and the nearest image of a wished digit.

A model is trained for large margins, another for few errors; both are certified exactly.
"""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import protozoo as pz


x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
train, test = np.split(np.random.default_rng(0).permutation(len(x)), [1500])
test = test[:80]

start = pz.Prototypes.from_classes(x[train], y[train], 3, key=0)
trainer = pz.Trainer(pz.GradientDescent("adam", 0.01), epochs=25, batch_size=100)
models = {}
for loss in (pz.losses.GLVQ(), pz.losses.HypothesisMargin(1.0)):
    begin = pz.PrototypeModel(start, pz.metrics.SquaredEuclidean(), loss)
    models[type(loss).__name__] = trainer.fit(begin, x[train], y[train], key=0).model

# Three bounds, each above the one before. The last is attained: an image at that distance is as
# near to another digit.
for name, model in models.items():
    found = {
        method: pz.trust.certify(model, x[test], y[test], method=method)
        for method in ("margin", "planes", "exact")
    }
    means = ", ".join(f"{method} {np.mean(f.radii):.3f}" for method, f in found.items())
    at = pz.trust.certified_accuracy(model, x[test], y[test], [0.0, 0.5])
    print(f"{name}: accuracy {at[0]:.3f}, certified within 0.5: {at[1]:.3f}")
    print(f"  mean radius by {means}")
    exact = found["exact"]
    wrong = exact.radii == 0
    np.testing.assert_allclose(exact.radii[~wrong], exact.distances[~wrong], rtol=1e-6)
    assert (found["margin"].radii <= exact.radii * (1 + 1e-9)).all()

# What would make an image the digit after its own, with ink between none and full.
robust = models["HypothesisMargin"]
some = test[:6]
target = (np.asarray(robust.predict(x[some])) + 1) % 10
changed = pz.trust.counterfactuals(robust, x[some], target, bounds=(0, 1))
assert (np.asarray(robust.predict(changed.points)) == target).all() and changed.exact.all()
print(f"nearest images of the next digit: {np.round(changed.distances, 2)} away")
few = pz.trust.counterfactuals(robust, x[some], target, bounds=(0, 1), norm=1)
pixels = [
    np.sum(np.abs(found.boundary - x[some]) > 1e-6, axis=1).mean() for found in (changed, few)
]
print(f"pixels that change: {pixels[0]:.0f} in the Euclidean norm, {pixels[1]:.0f} in that of one")

figure = Figure(figsize=(9, 5), layout="constrained")
FigureCanvasAgg(figure)
above, below = figure.subfigures(2, 1, height_ratios=[3, 2])
axes = above.subplots(1, 2)
for ax, norm in zip(axes, (2, np.inf), strict=True):
    pz.plots.certified_accuracy(models, x[test], y[test], norm=norm, ax=ax)
panels = below.subplots(2, len(some))
for column, (before, after, digit) in enumerate(zip(x[some], changed.points, target, strict=True)):
    for ax, image in zip(panels[:, column], (before, after), strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    panels[1, column].set_xlabel(f"now a {digit}")
