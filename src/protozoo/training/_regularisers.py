"""Terms of the objective that see the model alone."""

import jax
import jax.numpy as jnp

from .._module import hyper, static, trainable
from .._schedules import positive
from .._types import Array, ArrayLike, Float, PyTree, Scalar
from ..metrics import AbstractLinearlyAdapted, AbstractOmega
from ..models import AbstractTrainable, PrototypeModel
from ._freeze import Where, leaves_at
from ._objective import AbstractRegulariser


class WeightDecay(AbstractRegulariser):
    """\\(\\tfrac{\\eta}{2} \\lVert \\theta \\rVert^2\\) of one part of the model.

    **Arguments:**

    - `part`: a dotted name (`"encoder"`), or a function of the model.
    - `strength`: η > 0.

    **Raises:** `ValueError` for a strength that is not positive, and in training for a part that
    there is not, or in which nothing learns.
    """

    part: Where = static()
    strength: Scalar = hyper(default=1e-4)

    def __check_init__(self):
        positive(self.strength, "strength")

    def check(self, model: AbstractTrainable) -> None:
        if not self._learned(model):
            raise ValueError(
                f"`part` {self.part!r} of `WeightDecay` holds no numbers that learn: it would add "
                "the same to the loss of every model."
            )

    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        return 0.5 * self.strength * _sum([jnp.sum(leaf**2) for leaf in self._learned(model)])

    def _learned(self, model: AbstractTrainable) -> list[Array]:
        """What of the part can be learned."""
        leaves, learns = jax.tree.leaves(model), jax.tree.leaves(trainable(model))
        return [leaves[i] for i in sorted(leaves_at(model, self.part, "part")) if learns[i]]


class Diversity(AbstractRegulariser):
    """\\(-\\eta \\log\\det (K + \\epsilon I)\\), \\(K_{ij} = e^{-\\delta_{ij}/2s}\\) between
    prototypes, s their mean dissimilarity: prototypes that resemble each other are unlikely under a
    determinantal point process.

    Prototypes are compared by the model's own metric, and K is symmetrised: a local metric is not
    symmetric.

    **Arguments:**

    - `strength`: η > 0.
    - `floor`: ε > 0.

    **Raises:** `ValueError` for numbers that are not positive, and in training for a model with a
    single prototype.

    Source: A. Kulesza, B. Taskar, *Determinantal point processes for machine learning*, Foundations
    and Trends in Machine Learning 5, 2012.
    """

    strength: Scalar = hyper(default=1e-2)
    floor: Scalar = hyper(default=1e-3)

    def __check_init__(self):
        positive(self.strength, "strength")
        positive(self.floor, "floor")

    def check(self, model: AbstractTrainable) -> None:
        if len(_of_prototypes(model, "Diversity").prototypes) < 2:
            raise ValueError("`Diversity` compares prototypes, and this model has one.")

    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        model = _of_prototypes(model, "Diversity")
        prototypes = model.encoded_prototypes()
        delta = model.metric(prototypes.points, prototypes)
        p = len(delta)
        delta = jnp.where(jnp.eye(p, dtype=bool), 0, 0.5 * (delta + delta.T))
        scale = jax.lax.stop_gradient(jnp.sum(delta) / (p * (p - 1)))
        kernel = jnp.exp(-delta / (2 * jnp.where(scale > 0, scale, 1))) + self.floor * jnp.eye(p)
        return -self.strength * jnp.linalg.slogdet(kernel)[1]


class SparseRelevances(AbstractRegulariser):
    """\\(\\eta\\,H(\\lambda)\\), the entropy \\(-\\sum_j \\lambda_j\\log\\lambda_j\\) of the
    diagonal of Λ, scaled to sum one (`model.relevance_diagonal()`): lowest where a single feature
    counts.

    **Arguments:**

    - `strength`: η > 0.

    **Raises:** `ValueError` for a strength that is not positive, and in training for a metric
    without relevances.
    """

    strength: Scalar = hyper(default=1e-2)

    def __check_init__(self):
        positive(self.strength, "strength")

    def check(self, model: AbstractTrainable) -> None:
        metric = _of_prototypes(model, "SparseRelevances").metric
        if not isinstance(metric, AbstractLinearlyAdapted):
            raise ValueError(f"`SparseRelevances`: {type(metric).__name__} has no relevances.")

    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        relevances = _of_prototypes(model, "SparseRelevances").relevance_diagonal()
        return self.strength * jnp.sum(
            jax.scipy.special.entr(jnp.maximum(relevances, jnp.finfo(relevances.dtype).tiny))
        )


class OmegaTrace(AbstractRegulariser):
    """\\(\\eta \\operatorname{tr} \\Lambda\\), summed over all projections of the metric: keeps the
    scale of Ω small where the loss is not invariant to it.

    **Arguments:**

    - `strength`: η > 0.

    **Raises:** `ValueError` for a strength that is not positive, and in training for a metric
    without Ω.
    """

    strength: Scalar = hyper(default=1e-3)

    def __check_init__(self):
        positive(self.strength, "strength")

    def check(self, model: AbstractTrainable) -> None:
        if all(omega.normalised for omega in _omegas(model, "OmegaTrace")):
            raise ValueError(
                "`OmegaTrace` means nothing where the trace is held at one: use `normalised=False`."
            )

    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        return self.strength * _sum(
            [jnp.sum(omega.matrix**2) for omega in _omegas(model, "OmegaTrace")]
        )


class OmegaLogDet(AbstractRegulariser):
    """\\(-\\tfrac{\\eta}{2} \\log\\det (\\Omega^\\top\\Omega)\\), summed over all projections:
    keeps Λ from degenerating to a few directions.

    **Arguments:**

    - `strength`: η > 0.

    **Raises:** `ValueError` for a strength that is not positive, and in training for a metric
    without Ω.

    Source: P. Schneider, K. Bunte, H. Stiekema, B. Hammer, T. Villmann, M. Biehl, *Regularization
    in matrix relevance learning*, IEEE Trans. Neural Networks 21, 2010.
    """

    strength: Scalar = hyper(default=1e-2)

    def __check_init__(self):
        positive(self.strength, "strength")

    def check(self, model: AbstractTrainable) -> None:
        _omegas(model, "OmegaLogDet")

    def __call__(self, model: AbstractTrainable, progress: Float[ArrayLike, ""]) -> Scalar:
        def log_det(matrix: Float[Array, "*p d l"]) -> Scalar:
            return jnp.sum(jnp.linalg.slogdet(matrix.swapaxes(-1, -2) @ matrix)[1])

        return (
            -0.5
            * self.strength
            * _sum([log_det(omega.matrix) for omega in _omegas(model, "OmegaLogDet")])
        )


def _omegas(model: AbstractTrainable, name: str) -> list[AbstractOmega]:
    def found(node: PyTree) -> bool:
        return isinstance(node, AbstractOmega)

    metric = _of_prototypes(model, name).metric
    omegas = [node for node in jax.tree.leaves(metric, is_leaf=found) if found(node)]
    if not omegas:
        raise ValueError(f"`{name}`: the metric {type(metric).__name__} has no Ω.")
    return omegas


def _of_prototypes(model: AbstractTrainable, name: str) -> PrototypeModel:
    if not isinstance(model, PrototypeModel):
        raise ValueError(f"`{name}` is about prototypes, and {type(model).__name__} has none.")
    return model


def _sum(terms: list[Scalar]) -> Scalar:
    return sum(terms[1:], start=terms[0])
