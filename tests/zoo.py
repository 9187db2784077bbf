"""The table that drives the contract tests: every row of `pz.zoo` once, with data that it can learn from.

All rows share a few shapes, so that the suite compiles little.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

import protozoo as pz


N, D, CLASSES = 60, 5, 3


@functools.cache
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping Gaussian classes; coordinates on a grid of 2⁻⁷, so that large shifts are exact in float32."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    x = 1.5 * rng.normal(size=(CLASSES, D))[y] + rng.normal(size=(N, D))
    return (np.round(x * 128) / 128).astype(np.float32), y


@functools.cache
def matrices() -> tuple[np.ndarray, np.ndarray]:
    """Three classes of symmetric positive definite 3×3 matrices."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    centres = np.stack([np.diag(v) for v in ([1.0, 2.0, 3.0], [3.0, 1.0, 1.0], [0.5, 0.5, 2.0])])
    g = np.eye(3) + 0.3 * rng.normal(size=(N, 3, 3))
    return np.einsum("nij,njk,nlk->nil", g, centres[y], g).astype(np.float32), y


@functools.cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Three classes of 6×6 gray images: a bright bar at one of three heights, and noise."""
    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    x = 0.3 * rng.normal(size=(N, 6, 6, 1))
    x[np.arange(N), 2 * y] += 1
    return x.astype(np.float32), y


@dataclasses.dataclass(frozen=True)
class Case:
    """One model under test."""

    name: str
    label: str = ""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    data: Callable[[], tuple[np.ndarray, np.ndarray]] = blobs

    @property
    def recipe(self) -> pz.zoo.Recipe:
        return getattr(pz.zoo, self.name)

    @property
    def x(self) -> np.ndarray:
        return self.data()[0]

    @property
    def y(self) -> np.ndarray | None:
        return self.data()[1] if self.recipe.supervised else None

    @property
    def model(self) -> pz.PrototypeModel:
        return _build(self.name, self.label)

    @property
    def flat(self) -> bool:
        """Points are compared where the samples live, in a flat space."""
        return self.data is blobs and self.recipe.encoder.__name__ == "no_encoder"

    @property
    def translation_invariant(self) -> bool:
        """Distances depend on differences alone."""
        return self.flat and not self.name.startswith("DKGM")

    @property
    def quadratic(self) -> bool:
        """The metric has a linear adaptation."""
        return isinstance(self.model.metric, pz.metrics.AbstractQuadratic)

    @property
    def cost_falls(self) -> bool:
        """Kohonen's LVQ1 cost counts a wrong winner as minus its distance: it rises when decisions become right."""
        return self.name not in ("LVQ1", "GLVQ1") and self.learns

    @property
    def learns(self) -> bool:
        return not isinstance(self.recipe.rule, pz.Lazy)

    def trainer(self, epochs: int, learning_rate: float = 1e-2) -> pz.Trainer:
        """By gradient, if the model has one."""
        if not (self.model.loss.differentiable and self.model.metric.differentiable):
            return self.recipe.trainer(epochs=epochs)
        return pz.Trainer(pz.GradientDescent(optax.adam(learning_rate)), epochs)

    def __str__(self) -> str:
        return self.name + self.label


def _labelled(*names: str, data: Callable = blobs, **options: Any) -> list[Case]:
    return [Case(name, options={"prototypes_per_class": 2, **options}, data=data) for name in names]


CASES = [
    Case("KNN"),
    *_labelled("NPC", "MedianLVQ"),
    *_labelled("LVQ1", "LVQ21", "GLVQ1", "GLVQ21"),
    *_labelled("GLVQ", "GRLVQ", "GMLVQ", "LGMLVQ", "GTLVQ"),
    *_labelled("SNG", "SRNG", "SMNG", "SLNG", "SCMNG", "STNG"),
    *_labelled("SLVQ", "RSLVQ", "MRSLVQ", "LMRSLVQ", "RSLVQ_NG", "MRSLVQ_NG", "LMRSLVQ_NG"),
    *_labelled("CELVQ", "CELVQ_NG", "MCELVQ_NG", "LCELVQ_NG", "TCELVQ_NG"),
    *_labelled("DKGLVQ", "DKGRLVQ", "DKGMLVQ", "DKGLVQ_NG", "DKGRLVQ_NG", "DKGMLVQ_NG"),
    *_labelled("WGLVQ", "WGRLVQ", "WGMLVQ"),
    *_labelled("LVQMLN", "PLVQ", "SiameseGLVQ", "SiameseGMLVQ", "SiameseGTLVQ", hidden=(8,), latent_dim=4),
    *_labelled("ImageGLVQ", "ImageGMLVQ", "ImageGTLVQ", data=images, channels=(4,), latent_dim=4),
    Case("CBC", options={"components": 4}),
    Case("ImageCBC", options={"components": 4, "channels": (4,), "latent_dim": 4}, data=images),
    Case("RiemannianSRNG", options={"prototypes_per_class": 2}, data=matrices),
    Case("RiemannianSMNG", options={"prototypes_per_class": 2}, data=matrices),
    *[Case(name, options={"prototypes": 4}) for name in ("HCM", "FCM", "NeuralGas")],
    Case("GaussianMixture", options={"prototypes": 4}),
    Case("GaussianMixture", "-diagonal", options={"prototypes": 4, "covariance": "diagonal"}),
]


#: Rows that have every kind of part between them (a test says so). The ordinary suite tries these, `nox -s nightly` all rows.
COVER = frozenset(
    [
        *("KNN", "NPC", "MedianLVQ", "LVQ1", "LVQ21", "GLVQ", "GMLVQ", "SCMNG", "SLVQ", "RSLVQ", "LMRSLVQ_NG", "CELVQ"),
        *("DKGRLVQ", "DKGMLVQ", "WGLVQ", "SiameseGTLVQ", "ImageCBC", "RiemannianSRNG"),
        *("HCM", "FCM", "NeuralGas", "GaussianMixture"),
    ]
)


@functools.cache
def _build(name: str, label: str) -> pz.PrototypeModel:
    (case,) = [c for c in CASES if (c.name, c.label) == (name, label)]
    return case.recipe(case.x, case.y, key=jax.random.key(3), **case.options)
