"""Signals of two sessions, told apart by where in space their power is, as an electroencephalogram
of imagined movements is.

A trial is a window of eight channels; what the classes change is the power of two sources in a band
of frequencies, and so the covariance of the channels. The next session sits differently: other
gains, and sources that reach the channels by other ways. Moving the mean of each session to the
identity undoes most of that, without a label.
"""

import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import protozoo as pz


CHANNELS, TIMES, RATE, BAND = 8, 250, 125.0, (8.0, 30.0)
rng = np.random.default_rng(0)
pictures = (
    Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="motor-imagery-"))
)
pictures.mkdir(parents=True, exist_ok=True)


def in_band(noise: np.ndarray) -> np.ndarray:
    """Noise with the frequencies of the band alone."""
    spectrum, frequencies = np.fft.rfft(noise), np.fft.rfftfreq(noise.shape[-1], 1 / RATE)
    return np.fft.irfft(
        spectrum * ((frequencies >= BAND[0]) & (frequencies <= BAND[1])), noise.shape[-1]
    )


def session(mixing: np.ndarray, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariance matrices of trials, in squared volts: tiny numbers, of which nothing is lost."""
    y = np.arange(trials) % 2
    power = np.ones((trials, CHANNELS))
    # Imagining a hand to move lowers the power over the other side; how much differs from trial to
    # trial.
    power[np.arange(trials), y] *= rng.uniform(0.2, 0.8, size=trials)
    power *= rng.lognormal(0, 0.3, size=(trials, CHANNELS))
    sources = in_band(rng.normal(size=(trials, CHANNELS, TIMES))) * np.sqrt(power)[..., None]
    return pz.manifolds.covariances(1e-5 * mixing @ sources), y


def recentred(x: np.ndarray) -> np.ndarray:
    """Matrices as seen from their own mean: L⁻¹XL⁻ᵀ, where LLᵀ is the Fréchet mean."""
    mean = pz.manifolds.frechet_mean(pz.manifolds.SPD(CHANNELS), x)
    assert mean.converged, mean.reason
    inverse = np.linalg.inv(np.linalg.cholesky(mean.point.astype(float)))
    return (inverse @ x @ inverse.T).astype(np.float32)


mixing = np.eye(CHANNELS) + 0.4 * rng.normal(size=(CHANNELS, CHANNELS))
moved = np.diag(rng.lognormal(0, 0.4, CHANNELS)) @ (mixing + 0.1 * rng.normal(size=mixing.shape))
(x, y), (x_next, y_next) = session(mixing, 300), session(moved, 300)


def accuracies(
    name: str, train: np.ndarray, *tests: np.ndarray
) -> tuple[pz.PrototypeModel, list[float]]:
    model = pz.fit(name, train, y, key=jax.random.key(0), epochs=100).model
    return model, [float(np.mean(np.asarray(model.predict(test)) == y_next)) for test in tests]


rows, columns = np.triu_indices(CHANNELS)
flat, seen = (m[:, rows, columns] / x.mean() for m in (x, x_next))
_, (vectorised,) = accuracies("GMLVQ", flat, seen)
print(f"GMLVQ of entries          next session {vectorised:.3f}")
results = {}
for name in ("MDM", "RiemannianSMNG"):
    _, (plain,) = accuracies(name, x, x_next)
    model, (results[name],) = accuracies(name, recentred(x), recentred(x_next))
    print(f"{name:<25} next session {plain:.3f}, recentred {results[name]:.3f}")

# What the metric looks at: coordinates of the tangent space, the diagonal of the matrix first.
pz.plots.relevance_matrix(model, x=recentred(x)).savefig(pictures / "relevances.png")
print(
    "relevance of the power of the first two sources' channels:",
    np.round(model.relevances(recentred(x))[:2], 3),
)

# Two channels can be looked at: an ellipse for each prototype.
pair = np.array([0, 1])
two = recentred(x)[:, pair[:, None], pair]
small = pz.fit(
    "RiemannianSRNG", two, y, key=jax.random.key(0), prototypes_per_class=2, epochs=50
).model
pz.plots.covariance_ellipses(small, two[:40], y[:40], class_names=["left", "right"]).savefig(
    pictures / "ellipses.png"
)
way = pz.models.boundaries(small)
assert jnp.isfinite(small.distances(way.points[np.isfinite(way.times)])).all()
print(f"pictures are in {pictures}")

assert results["RiemannianSMNG"] >= max(vectorised, 0.75)
