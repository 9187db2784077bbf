"""Learning on curved spaces: the rows of the flat ones with another space.

By default, samples are positive definite matrices if they are square, and bases of subspaces if
they are not; `space` says that they are rotations, points of hyperbolic space, or of any other
manifold.
"""

from collections.abc import Callable
from typing import Any

from .._sources import (
    BARACHANT_2010,
    BARACHANT_2012,
    HAMMER_2002,
    HAMMER_2005,
    LLOYD_1982,
    MOHAMMADI_2024,
    SARALAJEW_2016,
    SCHNEIDER_2009,
    VILLMANN_2015,
    Source,
)
from ..manifolds import SPD, AbstractManifold, Grassmannian
from ..training import AlternatingOptimization, Stopping, Trainer
from ._clusters import hard_clustering
from ._makers import (
    classwise_clustering,
    clusters,
    exponential_kernel,
    gaussian_kernel,
    geodesic_filter,
    glvq,
    local_omega,
    omega,
    per_class,
    per_class_means,
    relevance,
    spectral_relevance,
    squared_euclidean,
    supervised_neural_gas,
    tangent,
    tangent_exponential_kernel,
    tangent_space,
    then_projection,
    then_relevances,
)
from ._recipe import Recipe
from ._supervised import adam


_training = adam(5e-2, epochs=100)
# Distances respond exponentially to what adapts them.
_kernel = adam({"metric": 1e-2, "rest": 5e-2}, epochs=100)


def by_shape(shape: tuple[int, ...]) -> SPD | Grassmannian:
    """Positive definite matrices for square samples, subspaces for others."""
    if len(shape) != 2 or shape[0] < shape[1]:
        raise ValueError(
            "`x` must hold square matrices, (n, k, k), that are positive definite, or bases of "
            f"subspaces, (n, d, k) with k < d; got samples of shape {shape}; or pass `space`."
        )
    return SPD(shape[0]) if shape[0] == shape[1] else Grassmannian(*shape)


def _same(space: AbstractManifold, shape: tuple[int, ...]) -> AbstractManifold:
    return space


def _closed_form(epochs: int = 100, tolerance: float | None = 0.0) -> Callable[[], Trainer]:
    return lambda: Trainer(
        AlternatingOptimization(), epochs, stopping=Stopping(tolerance=tolerance)
    )


def _row(
    name: str, sources: list[Source], metric: Callable, training: Callable = _training, **parts: Any
) -> Recipe:
    parts = {"prototypes": per_class, "loss": supervised_neural_gas, "space": by_shape, **parts}
    return Recipe(name, tuple(sources), metric=metric, training=training, **parts)


_GAS, _GEOMETRY = [HAMMER_2005], [BARACHANT_2012]
_MATRIX, _TANGENT = [HAMMER_2005, SCHNEIDER_2009], [HAMMER_2005, SARALAJEW_2016]

# One map after the logarithm.
RiemannianSRNG = _row("RiemannianSRNG", _GAS + _GEOMETRY, squared_euclidean)
RiemannianSMNG = _row("RiemannianSMNG", _MATRIX + _GEOMETRY, omega)
RiemannianSLNG = _row("RiemannianSLNG", _MATRIX + _GEOMETRY, local_omega)
RiemannianSTNG = _row("RiemannianSTNG", _TANGENT + _GEOMETRY, tangent)

# And a kernel.
_gaussian, _exponential = gaussian_kernel, tangent_exponential_kernel
_KERNEL = [VILLMANN_2015]
RiemannianDKGLVQ = _row(
    "RiemannianDKGLVQ", _KERNEL + _GAS, gaussian_kernel(squared_euclidean), _kernel
)
RiemannianDKGRLVQ = _row(
    "RiemannianDKGRLVQ", _KERNEL + [HAMMER_2002] + _GAS, gaussian_kernel(relevance), _kernel
)
RiemannianDKGMLVQ = _row("RiemannianDKGMLVQ", _KERNEL + _MATRIX, exponential_kernel, _kernel)
RiemannianDKSMNG = _row("RiemannianDKSMNG", _KERNEL + _MATRIX, gaussian_kernel(omega), _kernel)
RiemannianDKSLNG = _row(
    "RiemannianDKSLNG", _KERNEL + _MATRIX, gaussian_kernel(local_omega), _kernel
)
RiemannianDKSTNG = _row("RiemannianDKSTNG", _KERNEL + _TANGENT, gaussian_kernel(tangent), _kernel)
RiemannianDKRSMNG = _row(
    "RiemannianDKRSMNG", _KERNEL + _MATRIX, _gaussian(then_relevances(omega)), _kernel
)
RiemannianDKRSLNG = _row(
    "RiemannianDKRSLNG", _KERNEL + _MATRIX, _gaussian(then_relevances(local_omega)), _kernel
)
RiemannianDKRSTNG = _row(
    "RiemannianDKRSTNG", _KERNEL + _TANGENT, _gaussian(then_relevances(tangent)), _kernel
)
RiemannianDKMSMNG = _row(
    "RiemannianDKMSMNG", _KERNEL + _MATRIX, _exponential(then_projection(omega)), _kernel
)
RiemannianDKMSLNG = _row(
    "RiemannianDKMSLNG", _KERNEL + _MATRIX, _exponential(then_projection(local_omega)), _kernel
)
RiemannianDKMSTNG = _row(
    "RiemannianDKMSTNG", _KERNEL + _TANGENT, _exponential(then_projection(tangent)), _kernel
)

# Relevances of principal angles.
GRLGQ = _row("GRLGQ", [MOHAMMADI_2024], spectral_relevance, loss=glvq)

# By means, in closed form.
MDM = _row(
    "MDM",
    _GEOMETRY,
    squared_euclidean,
    _closed_form(),
    prototypes=per_class_means,
    loss=classwise_clustering,
)
FGMDM = _row(
    "FGMDM",
    [BARACHANT_2010, BARACHANT_2012],
    squared_euclidean,
    lambda: Trainer(
        AlternatingOptimization(), 100, stopping=Stopping(tolerance=0.0), freeze="encoder"
    ),
    encoder=geodesic_filter,
    prototypes=per_class_means,
    loss=classwise_clustering,
    latent_space=_same,
)

# Without labels.
TangentKMeans = _row(
    "TangentKMeans",
    [LLOYD_1982, BARACHANT_2012],
    squared_euclidean,
    _closed_form(300),
    encoder=tangent_space,
    prototypes=clusters,
    loss=hard_clustering,
    supervised=False,
)
