"""A classifier of the digits 0-7 meets 8 and 9, and says that they are none of these.

Any multi-class model becomes one with radii as its decision: nothing is trained again. How many
digits that it knows it may reject is held on images that it has not seen.
"""

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score, roc_curve

import protozoo as pz


x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
known = np.flatnonzero(y < 8)
train, hold, test = np.split(np.random.default_rng(0).permutation(known), [700, 1000])
new = np.flatnonzero(y >= 8)

options = {"prototypes_per_class": 2, "subspace_dim": 8, "epochs": 40}
classifier = pz.fit("GTLVQ", x[train], y[train], key=jax.random.key(0), **options).model
model = classifier.open_set(x[train], rejected=0.05).calibrated(x[hold], false_alarm_rate=0.1)
assert model.classes == 9  # the digits 0-7, and none of these

# Between the digits that it knows, the decision is what it was.
label = np.asarray(model.predict(x[test]))
accepted = label < 8
assert (label[accepted] == np.asarray(classifier.predict(x[test]))[accepted]).all()
print(
    "accuracy among 0-7:                "
    f"{np.mean(np.asarray(classifier.predict(x[test])) == y[test]):.3f}"
)
print(f"accuracy where it says a digit:    {np.mean(label[accepted] == y[test][accepted]):.3f}")
print(f"known digits that it rejects:      {np.mean(~accepted):.3f}, of which 0.1 were allowed")
print(f"unseen digits that it rejects:     {np.mean(np.asarray(model.predict(x[new])) == 8):.3f}")

# Which digits are known: by the score of each image, by the confidence between digits of a model
# that knows no others, or by both, the probability of the best digit among all that there are and
# none of these.
both, is_known = np.concatenate([test, new]), np.arange(len(test) + len(new)) < len(test)
scores = {
    "radii": np.asarray(model.decision_function(x[both])),
    "confidence": np.asarray(classifier.confidence(x[both])),
    "both": np.asarray(model.predict_proba(x[both]))[:, :8].max(axis=1),
}
areas = {name: roc_auc_score(is_known, score) for name, score in scores.items()}
for name, area in areas.items():
    print(f"area under the ROC curve by {name + ':':12} {area:.3f}")
assert areas["radii"] > 0.95

# What it costs to find more of the unseen.
figure = Figure(figsize=(5, 4), layout="constrained")
FigureCanvasAgg(figure)
ax = figure.subplots()
for name, score in scores.items():
    accepted_new, accepted_known, _ = roc_curve(is_known, score)
    ax.plot(1 - accepted_known, 1 - accepted_new, label=f"{name} ({areas[name]:.3f})")
ax.set(
    xlabel="rejected digits 0-7",
    ylabel="rejected digits 8 and 9",
    title="which digits are none of these",
)
ax.legend(title="area under the ROC curve")
