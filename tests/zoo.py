"""The table that drives the contract tests: every row of `pz.zoo` once, with data that it can learn
from.

All rows share a few shapes, so that the suite compiles little.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable
from typing import Any

import jax
import numpy as np
import optax
import pytest

import protozoo as pz
from protozoo._checks import aligned


N, D, CLASSES = 60, 5, 3


def in_floats(x: np.ndarray) -> np.ndarray:
    """In 32 bits, at a place where JAX would take over the array itself."""
    placed = aligned(x.shape, np.float32)
    placed[...] = x
    return placed


@functools.cache
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping Gaussian classes; coordinates on a grid of 2⁻⁷, so that large shifts are
    exact in float32."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    x = 1.5 * rng.normal(size=(CLASSES, D))[y] + rng.normal(size=(N, D))
    return in_floats(np.round(x * 128) / 128), y


@functools.cache
def matrices() -> tuple[np.ndarray, np.ndarray]:
    """Three classes of symmetric positive definite 3×3 matrices."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    centres = np.stack([np.diag(v) for v in ([1.0, 2.0, 3.0], [3.0, 1.0, 1.0], [0.5, 0.5, 2.0])])
    g = np.eye(3) + 0.3 * rng.normal(size=(N, 3, 3))
    return in_floats(np.einsum("nij,njk,nlk->nil", g, centres[y], g)), y


@functools.cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Three classes of 6×6 gray images: a bright bar at one of three heights, and noise."""
    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(CLASSES), N // CLASSES)
    x = 0.3 * rng.normal(size=(N, 6, 6, 1))
    x[np.arange(N), 2 * y] += 1
    return in_floats(x), y


@functools.cache
def relations() -> tuple[np.ndarray, np.ndarray]:
    """How much the samples of `blobs` differ: their squared distances, exact in float32."""
    x, y = blobs()
    return in_floats(np.sum((x[:, None] - x[None]) ** 2, axis=-1)), y


@functools.cache
def kernels() -> tuple[np.ndarray, np.ndarray]:
    """Values of a Gaussian kernel of the same samples."""
    d, y = relations()
    return in_floats(np.exp(-d / 10)), y


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
        y = self.data()[1]
        return (
            (y != 0).astype(int) if self.recipe.one_class else y if self.recipe.supervised else None
        )

    @property
    def classes(self) -> int:
        """How many it decides between: clusters are classes, too."""
        return (
            2
            if self.recipe.one_class
            else CLASSES
            if self.recipe.supervised
            else len(self.model.prototypes)
        )

    @property
    def model(self) -> pz.PrototypeModel:
        return _build(self.name, self.label)

    @property
    def flat(self) -> bool:
        """Points are compared where the samples live, in a flat space."""
        return self.data is blobs and not self.encoded

    @property
    def encoded(self) -> bool:
        """A network stands before the metric."""
        return self.recipe.encoder.__name__ != "no_encoder"

    @property
    def of_pairs(self) -> bool:
        """Its kernel is a function of the pair, and not of the difference."""
        return self.recipe.metric.__name__ == "exponential_kernel"

    @property
    def arranged(self) -> bool:
        """Prototypes have places on a lattice: there can be neither more nor fewer."""
        return "grid" in self.options

    @property
    def translation_invariant(self) -> bool:
        """Distances depend on differences alone."""
        return self.flat and not self.of_pairs

    @property
    def quadratic(self) -> bool:
        """The metric has a linear adaptation."""
        return isinstance(self.model.metric, pz.metrics.AbstractQuadratic)

    @property
    def cost_falls(self) -> bool:
        """Kohonen's LVQ1 cost counts a wrong winner as minus its distance: it rises when decisions
        become right. Gath and Geva weigh samples by powers of posteriors: likelihoods may fall."""
        return self.name not in ("LVQ1", "GLVQ1", "GathGeva") and self.learns

    @functools.cached_property  # asked while tests are collected, and a rule has parts to make
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
    *_labelled(
        "LVQMLN", "PLVQ", "SiameseGLVQ", "SiameseGMLVQ", "SiameseGTLVQ", hidden=(8,), latent_dim=4
    ),
    *_labelled("ImageGLVQ", "ImageGMLVQ", "ImageGTLVQ", data=images, channels=(4,), latent_dim=4),
    *[Case(name, options={"components": 4}) for name in ("CBC", "StableCBC", "RobustStableCBC")],
    Case("ImageCBC", options={"components": 4, "channels": (4,), "latent_dim": 4}, data=images),
    *_labelled(
        "RiemannianSRNG", "RiemannianSMNG", "RiemannianSLNG", "RiemannianSTNG", data=matrices
    ),
    *_labelled("RiemannianDKGLVQ", "RiemannianDKGRLVQ", "RiemannianDKGMLVQ", data=matrices),
    *_labelled("RiemannianDKSMNG", "RiemannianDKSLNG", "RiemannianDKSTNG", data=matrices),
    *_labelled("RiemannianDKRSMNG", "RiemannianDKRSLNG", "RiemannianDKRSTNG", data=matrices),
    *_labelled("RiemannianDKMSMNG", "RiemannianDKMSLNG", "RiemannianDKMSTNG", data=matrices),
    *_labelled("GRLGQ", "MDM", "FGMDM", data=matrices),
    *[
        Case(name, options={"prototypes": 4}, data=matrices)
        for name in ("RiemannianNeuralGas", "TangentKMeans")
    ],
    *[Case(name, options={"prototypes": 4}) for name in ("HCM", "FCM", "NeuralGas")],
    Case("KMeans", options={"prototypes": 4}),
    *[Case(name, options={"prototypes": 4}) for name in ("MedianKMeans", "MedianNeuralGas")],
    *[
        Case(name, options={"prototypes": 3})
        for name in ("PCM", "FPCM", "PFCM", "AFCM", "IPCM", "IPCM2", "BGPC")
    ],
    *[
        Case(name, options={"prototypes": 3})
        for name in ("KFCM", "KPCM", "KFPCM", "KPFCM", "KAFCM", "KIPCM", "KIPCM2")
    ],
    *[Case(name, options={"prototypes": 3}) for name in ("GustafsonKessel", "GathGeva")],
    *[
        Case(name, options={"grid": (3, 2)})
        for name in ("KohonenSOM", "HeskesSOM", "SOM", "DKKohonenSOM", "DKHeskesSOM")
    ],
    Case(
        "HeskesSOM",
        "-torus",
        options={"grid": (2, 3), "topology": "rectangular", "toroidal": True, "kernel": "bubble"},
    ),
    Case("GrowingNeuralGas", options={"capacity": 8}),
    Case("DKNeuralGas", options={"prototypes": 4}),
    Case("RiemannianSOM", options={"grid": (3, 2)}, data=matrices),
    *_labelled("RGLVQ", "RRSLVQ", data=relations),
    *_labelled("KGLVQ", data=kernels),
    *[
        Case(name, options={"prototypes": 4}, data=relations)
        for name in ("RelationalKMeans", "RelationalFCM", "RelationalNeuralGas")
    ],
    Case("GaussianMixture", options={"prototypes": 4}),
    *[
        Case("GaussianMixture", f"-{kind}", options={"prototypes": 4, "covariance": kind})
        for kind in ("diagonal", "tied", "spherical")
    ],
    *[
        Case(name, options={"prototypes": 3})
        for name in pz.zoo.names()
        if getattr(pz.zoo, name).one_class
    ],
]


#: Rows that have every kind of part between them (a test says so). The ordinary suite tries these,
#: `nox -s nightly` all rows.
COVER = frozenset(
    [
        *("KNN", "MedianLVQ", "LVQ1", "LVQ21", "GMLVQ", "SCMNG", "RSLVQ", "LMRSLVQ_NG", "CELVQ"),
        *("DKGMLVQ", "SiameseGTLVQ", "ImageCBC", "RiemannianSRNG", "GRLGQ", "OCRSLVQ_NG"),
        *("HCM", "PFCM", "GaussianMixture", "HeskesSOM", "GrowingNeuralGas", "RGLVQ"),
    ]
)


#: Rows that are trained in unlike ways: enough for a promise of the trainer or of files, which
#: parts can hardly break.
FEW = frozenset(
    [
        *("MedianLVQ", "GMLVQ", "RiemannianSRNG", "ImageCBC", "OCRSLVQ_NG"),
        *("PFCM", "HeskesSOM", "GrowingNeuralGas", "GaussianMixture"),
    ]
)


def sampled(values: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """Parameters of a test, of which the ordinary suite tries those that are chosen."""
    return [pytest.param(v, marks=() if v in chosen else pytest.mark.nightly) for v in values]


@functools.cache
def _build(name: str, label: str) -> pz.PrototypeModel:
    (case,) = [c for c in CASES if (c.name, c.label) == (name, label)]
    # Whoever asks first may compute in 64 bits.
    with jax.enable_x64(False):
        return case.recipe(case.x, case.y, key=jax.random.key(3), **case.options)
