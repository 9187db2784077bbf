"""A metric in ten lines, used with three losses.

A metric is any function of samples and prototypes. This one is the chi-squared distance of
histograms, with a learned weight for each bin.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import protozoo as pz


class ChiSquared(pz.metrics.AbstractMetric):
    """Σ_j λ_j (x_j - w_j)² / (x_j + w_j), for histograms."""

    logits: Float[Array, " d"]

    def __call__(self, x: Float[Array, "n d"], prototypes: pz.Prototypes) -> Float[Array, "n p"]:
        weights = jax.nn.softmax(self.logits)

        def to(w: Float[Array, " d"]) -> Float[Array, " n"]:
            return jnp.sum(weights * (x - w) ** 2 / (jnp.abs(x) + jnp.abs(w) + 1e-3), axis=1)

        return jax.lax.map(to, prototypes.points).T


x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, stratify=y, random_state=0)
key = jax.random.key(0)

for loss in (
    pz.losses.GLVQ(),
    pz.losses.RSLVQ(variance=0.01),
    pz.losses.CrossEntropy(temperature=0.02),
):
    prototypes = pz.Prototypes.from_classes(x, y, per_class=1, key=key, initialiser="means")
    model = pz.PrototypeModel(prototypes, ChiSquared(jnp.zeros(64)), loss)
    fit = pz.Trainer(pz.GradientDescent(optax.adam(1e-2)), epochs=100).fit(model, x, y, key=key)
    accuracy = np.mean(np.asarray(fit.model.predict(x_test)) == y_test)
    print(
        f"{type(loss).__name__:<14} loss {fit.history['loss'][0]:.3f} to "
        f"{fit.history['loss'][-1]:.3f}, accuracy {accuracy:.3f}"
    )
    assert accuracy > 0.85
