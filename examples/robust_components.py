"""Digits by what speaks for them and against them: components that belong to no digit, reasons that
can be read, and a radius within which no change of an image changes the decision.

Three models of the same components: one that may be indifferent to most of them, one that has a
unit of reasons for each digit, and one that is trained for large radii.
"""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import protozoo as pz


x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
train, test = np.split(np.random.default_rng(0).permutation(len(x)), [1200])

models = {
    name: pz.fit(name, x[train], y[train], key=0, components=30, epochs=150).model
    for name in ("CBC", "StableCBC", "RobustStableCBC")
}
for name, model in models.items():
    found = pz.trust.certify(model, x[test], y[test], method="margin")
    print(
        f"{name + ':':17}accuracy {np.mean(found.radii > 0):.3f}, certified within 0.1: "
        f"{np.mean(found.radii >= 0.1):.3f}, mean radius {np.mean(found.radii):.3f}"
    )

# An attack tells how much is left between what is proven and what is possible.
robust, some = models["RobustStableCBC"], test[:20]
found = pz.trust.certify(robust, x[some], method="margin")
changed = pz.trust.counterfactuals(robust, x[some])
assert (found.radii <= changed.distances).all()
print(f"proven {np.mean(found.radii):.3f}, attacks at {np.mean(changed.distances):.3f} on average")

# What a digit wants to see, and what it does not: its reasons sum to one.
digit, count = 8, 5
loss: pz.losses.RobustStableCBC = robust.loss  # pyright: ignore[reportAssignmentType]
reasons = np.asarray(loss.reasoning)[digit]
components = np.asarray(robust.prototypes.points).reshape(-1, 8, 8)
np.testing.assert_allclose(reasons.sum(), 1, rtol=1e-5)

figure = Figure(figsize=(10, 3.6), layout="constrained")
FigureCanvasAgg(figure)
left, beside = figure.subfigures(1, 2, width_ratios=[2, 3])
pz.plots.certified_accuracy(models, x[test], y[test], method="margin", ax=left.subplots())
for panels, share, word in zip(
    beside.subplots(2, count), reasons.T, ("for", "against"), strict=True
):
    for ax, j in zip(panels, np.argsort(-share), strict=False):
        ax.imshow(components[j], cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], title=f"{word} {digit}: {share[j]:.2f}")
