"""Digits with a promise: sets that hold the true digit nine times in ten, for each digit by itself,
and a model that answers only where it is wrong one time in a hundred at most.

Nothing is trained again. Both promises are made with images that were held out, and hold whatever
the model is worth: a better one has smaller sets, and says more.
"""

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import protozoo as pz


x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
train, hold, test = np.split(np.random.default_rng(0).permutation(len(x)), [500, 1200])

model = pz.fit("GLVQ", x[train], y[train], key=jax.random.key(0), epochs=40).model
accuracy = np.mean(np.asarray(model.predict(x[test])) == y[test])
print(f"accuracy:                      {accuracy:.3f}")

# Sets: of several digits where the model is in doubt, and of none where it has seen no such image.
sets = {
    kind: pz.trust.ConformalClassifier(
        model, x[hold], y[hold], 0.9, class_conditional=kind == "each"
    )
    for kind in ("all", "each")
}
results = {kind: pz.trust.evaluate_sets(one, x[test], y[test]) for kind, one in sets.items()}
for kind, result in results.items():
    least = result.class_coverage.min()
    print(
        f"sets for {kind + ' digits:' if kind == 'all' else 'each digit:':22}coverage "
        f"{result.coverage:.3f}, at least {least:.3f} of a digit, mean size {result.size:.3f}"
    )
    assert abs(result.coverage - 0.9) < 5 * result.standard_error

# Probabilities that are frequencies, and with them the cheapest answers, if an error costs as much
# as ten rejections.
tempered = pz.trust.tempered(model, x[hold], y[hold])
for name, one in (("before", model), ("after", tempered)):
    found = pz.evaluate(one, x[test], y[test])
    print(f"{name + ' tempering:':31}calibration error {found.calibration_error:.3f}")
selective = {
    "a cost of 0.1": pz.trust.reject_by_cost(model, x[hold], y[hold], 0.1),
    "a risk of 0.01": pz.trust.reject_by_risk(tempered, x[hold], y[hold], 0.01),
}
points = {}
for name, one in selective.items():
    label = np.asarray(one.predict(x[test]))
    kept = label < 10  # what is rejected is class 10
    points[name] = np.mean(~kept), np.mean(label[kept] == y[test][kept])
    print(
        f"{name + ':':31}rejects {points[name][0]:.3f}, right in {points[name][1]:.4f} of the rest"
    )

figure = Figure(figsize=(10, 4), layout="constrained")
FigureCanvasAgg(figure)
left, beside = figure.subplots(1, 2)
for kind, result in results.items():
    left.plot(result.class_coverage, "o-", label=f"promised for {kind}")
left.axhline(0.9, color="black", linestyle="--", linewidth=0.8)
left.set(xlabel="digit", ylabel="share of sets that hold it", title="coverage", xticks=range(10))
left.legend()
pz.plots.accuracy_reject(tempered, x[test], y[test], thresholds=(), ax=beside)
for name, at in points.items():
    beside.plot(*at, "s", label=name)
beside.legend(loc="lower right")
