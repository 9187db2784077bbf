"""Two streams that change: one whose concept is another one from time to time, one that turns
slowly.

A model that was trained on the first thousand samples stays what it is; an adaptive one begins as
the same model, is tested on each batch, and learns it then.
"""

import jax
import numpy as np

import protozoo as pz
from protozoo.training import SEA, AdaptiveLVQ, RotatingHyperplane, prequential


streams = {
    "SEA": SEA(8000, batch_size=200, thresholds=(5.0, 13.0, 8.0), noise=0.05),
    "hyperplane": RotatingHyperplane(
        8000, batch_size=200, features=3, magnitude=0.002, reversal=0.0
    ),
}
for name, stream in streams.items():
    batches = list(stream)
    x, y = (np.concatenate(some) for some in zip(*batches[:5], strict=True))
    model = pz.fit(
        "GLVQ", x, y, key=jax.random.key(0), prototypes_per_class=2, epochs=50, standardise=True
    ).model
    results = {
        "static": prequential(model, batches[5:]),
        "adaptive": prequential(AdaptiveLVQ(model, learning_rate=0.02), batches[5:]),
    }
    for kind, result in results.items():
        print(f"{name + ', ' + kind:22} {result}")
    print(f"{'':22} drifts at {results['adaptive'].drifts}")
    assert results["adaptive"].accuracy > results["static"].accuracy
    # A figure of matplotlib: `.savefig("drift.png")`.
    figure = pz.plots.prequential(results)
