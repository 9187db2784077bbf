"""Sets of images, each told by the subspace that it spans: many pictures of one digit instead of
one picture.

Subspaces are points of a Grassmannian. GRLGQ learns prototypes that are subspaces, and how much
each principal angle counts.
"""

import jax
import numpy as np
from sklearn.datasets import load_digits

import protozoo as pz


SET, DIMENSION, DIGITS = 8, 3, (3, 5, 8, 9)
images, digit = load_digits(return_X_y=True)
rng = np.random.default_rng(0)


def sets(part: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Images of one digit each, a few at a time; with a light that changes from image to image."""
    found, labels = [], []
    for label, wanted in enumerate(DIGITS):
        mine = rng.permutation(part[digit[part] == wanted])
        for start in range(0, len(mine) - SET + 1, SET):
            light = rng.lognormal(0, 0.7, size=(SET, 1))
            found.append(light * images[mine[start : start + SET]])
            labels.append(label)
    return found, np.array(labels)


order = rng.permutation(len(images))
(train, y), (test, y_test) = sets(order[:900]), sets(order[900:])
x, x_test = (pz.manifolds.subspaces(some, DIMENSION) for some in (train, test))
print(f"{len(x)} sets of {SET} images to learn from, {len(x_test)} to be told")

results = {}
for name in ("RiemannianSRNG", "RiemannianSMNG", "GRLGQ"):
    fit = pz.fit(name, x, y, key=jax.random.key(0), epochs=60)
    results[name] = float(np.mean(np.asarray(fit.model.predict(x_test)) == y_test))
    print(f"{name:<15} accuracy {results[name]:.3f}")
means, means_test = (np.stack([one.mean(axis=0) for one in some]) for some in (train, test))
flat = pz.fit("GLVQ", means, y, key=jax.random.key(0), epochs=60).model
print(f"GLVQ of means   accuracy {np.mean(np.asarray(flat.predict(means_test)) == y_test):.3f}")
print(
    "relevances of the principal angles, from the smallest on:",
    np.round(fit.model.metric.relevances, 3),
)

# Any basis of a subspace is the same sample.
turned = x_test[:, :, ::-1]
assert np.mean(np.asarray(fit.model.predict(turned)) == np.asarray(fit.model.predict(x_test))) == 1
assert results["GRLGQ"] > 0.8
