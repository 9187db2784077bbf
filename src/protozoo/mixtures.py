"""Gaussian mixtures as distributions: densities, samples, criteria, and those of scikit-learn.

A mixture is any model of a `losses.Mixture` over `metrics.Mahalanobis` densities, however it was
trained; behind an encoder, it is one of the points that samples are mapped to.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ._checks import as_finite, as_key, of_kinds, of_model, of_values, positive_integer
from ._keys import split
from ._namespace import public
from ._types import Array, ArrayLike, Float, PerSample, PRNGKeyArray
from .losses import Mixture
from .metrics import Diagonal, Full, Mahalanobis, Spherical, Tied
from .models import PrototypeModel
from .prototypes import Prototypes


if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

#: The kinds of covariance as scikit-learn calls them.
_SKLEARN = {"full": Full, "tied": Tied, "diag": Diagonal, "spherical": Spherical}


@of_values
@of_kinds
def from_parameters(
    weights: Float[ArrayLike, " p"],
    means: Float[ArrayLike, "p d"],
    covariances: Float[ArrayLike, "..."],
    covariance: str = "full",
    regularisation: Float[ArrayLike, "*d"] = 1e-6,
) -> PrototypeModel:
    """A mixture of given components.

    **Arguments:**

    - `weights`: the mixing weights, `(p,)`, not negative; they are divided by their sum.
    - `means`: `(p, d)`.
    - `covariances`: `(p, d, d)`, `(d, d)`, `(p, d)` or `(p,)`, as `covariance` says: `"full"`,
      `"tied"`, `"diagonal"` or `"spherical"`.
    - `regularisation`: what a refit adds to every variance.

    **Raises:** `ValueError` for shapes that do not fit each other, and covariances that are not
    positive definite.
    """
    points, given = (
        np.asarray(as_finite(means, Any, "means")),
        np.asarray(as_finite(covariances, Any, "covariances")),
    )
    if points.ndim != 2:
        raise ValueError(f"`means` must have shape (p, d), got {points.shape}.")
    p, d = points.shape
    shapes = {"full": (p, d, d), "tied": (d, d), "diagonal": (p, d), "spherical": (p,)}
    if covariance not in shapes:
        raise ValueError(
            f"`covariance` must be one of {', '.join(map(repr, shapes))}, got {covariance!r}."
        )
    if given.shape != shapes[covariance]:
        raise ValueError(f"`covariances` must have shape {shapes[covariance]}, got {given.shape}.")
    metric = Mahalanobis.from_covariances(given, regularisation, tied=covariance == "tied")
    shares = as_finite(weights, Any, "weights")
    if shares.shape != (p,):
        raise ValueError(f"`weights` must have shape ({p},), got {shares.shape}.")
    return PrototypeModel(Prototypes(points), metric, Mixture.from_weights(shares))


@of_model
def log_prob(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> PerSample:
    """\\(\\log \\sum_j \\pi_j \\mathcal N(x; w_j, \\Sigma_j)\\), the log-density of each sample; in
    the units of the data, if the model has a scale.

    **Raises:** `ValueError` if the model is no Gaussian mixture.
    """
    _parts(model, "log_prob")
    found = model.ask(_log_density, x)
    return found if model.scale is None else found + model.scale.log_volume


@of_model
def entropy(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> PerSample:
    """\\(-\\sum_j r_j \\log r_j\\) of each sample's responsibilities, in nats: 0 where one
    component is certain, log p where all are alike."""
    _parts(model, "entropy")
    share = model.memberships(x)
    return -jnp.sum(jax.scipy.special.xlogy(share, share), axis=1)


@of_values
@of_model
def sample(
    model: PrototypeModel, key: PRNGKeyArray | int, n: int
) -> tuple[Float[Array, "n d"], Array]:
    """Draw n points of a mixture.

    **Returns:** the points, and the component that each of them comes from.

    **Raises:** `ValueError` if the model is no Gaussian mixture, or n is not positive.
    """
    metric, loss = _parts(model, "sample")
    positive_integer(n, "n")
    which, how = split(as_key(key))
    component = jax.random.categorical(which, loss.logits, shape=(n,))
    prototypes = model.prototypes
    d, p = prototypes.space.dimension, len(prototypes)
    noise = jax.random.normal(how, (n, d), prototypes.points.dtype)
    # One component after the other, so that there is no matrix for each sample.
    own = [(component == j)[:, None] for j in range(p)]
    roots = metric.covariance.roots(p, d)
    moved = sum(
        (jnp.where(mine, noise @ root, 0) for mine, root in zip(own, roots, strict=True)),
        jnp.zeros_like(noise),
    )
    points = prototypes.points[component] + moved.reshape(n, *prototypes.space.point_shape)
    return points if model.latent else model.in_data_units(points), component


@of_model
def parameters(model: PrototypeModel) -> int:
    """How many free numbers a mixture has: means, covariances, and all mixing weights but one."""
    metric, _ = _parts(model, "parameters")
    p, d = len(model.prototypes), model.prototypes.space.dimension
    return p * d + metric.covariance.parameters(p, d) + p - 1


@of_values
@of_model
def bic(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> float:
    """The Bayesian information criterion \\(-2\\log L + k\\log n\\), k free numbers: the lower the
    better.

    Source: G. Schwarz, *Estimating the dimension of a model*, Annals of Statistics 6, 1978.
    """
    total = np.asarray(log_prob(model, x), float)
    return float(-2 * total.sum() + parameters(model) * np.log(len(total)))


@of_values
@of_model
def aic(model: PrototypeModel, x: Float[ArrayLike, "n ..."]) -> float:
    """Akaike's information criterion \\(-2\\log L + 2k\\), k free numbers: the lower the better."""
    return float(-2 * np.asarray(log_prob(model, x), float).sum() + 2 * parameters(model))


def from_sklearn(mixture: Any) -> PrototypeModel:
    """The same mixture as a model of this library.

    **Raises:** `ValueError` for one that is not fitted, `TypeError` for anything else.
    """
    from sklearn.exceptions import NotFittedError
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
    from sklearn.utils.validation import check_is_fitted

    kinds: Any = (GaussianMixture, BayesianGaussianMixture)
    if not isinstance(mixture, kinds):
        raise TypeError(
            f"`mixture` must be a `sklearn.mixture.GaussianMixture`, got {type(mixture).__name__}."
        )
    try:
        check_is_fitted(mixture)
    except NotFittedError as error:
        raise ValueError("`mixture` is not fitted: call its `fit` first.") from error
    kind = _SKLEARN[mixture.covariance_type]
    factor = np.asarray(mixture.precisions_cholesky_, float)
    if kind in (Full, Tied):
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        covariance = kind(jnp.asarray(np.log(diagonal)), jnp.asarray(np.triu(factor, 1)))
    else:
        covariance = kind(jnp.asarray(np.log(factor)))
    metric = Mahalanobis(covariance, jnp.asarray(mixture.reg_covar))
    return PrototypeModel(
        Prototypes(mixture.means_), metric, Mixture.from_weights(mixture.weights_)
    )


@of_values
@of_model
def to_sklearn(model: PrototypeModel) -> "GaussianMixture":
    """The same mixture as a fitted `sklearn.mixture.GaussianMixture`
    (`pip install "protozoo[sklearn]"`).

    **Raises:** `ValueError` if the model is no Gaussian mixture of vectors, or has an encoder or a
    scale.
    """
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise ImportError(
            '`to_sklearn` needs scikit-learn: pip install "protozoo[sklearn]"'
        ) from error
    metric, loss = _parts(model, "to_sklearn")
    points = np.asarray(model.prototypes.points, float)
    if model.encoder_in(model) is not None or points.ndim != 2:
        raise ValueError("`to_sklearn` needs a mixture of vectors, without an encoder.")
    if model.scale is not None:
        raise ValueError(
            "`to_sklearn` needs a mixture of raw data, and this one has a scale: scale them in a "
            "pipeline before it, and take the scale off, `dataclasses.replace(model, scale=None)`."
        )
    (kind,) = (name for name, cls in _SKLEARN.items() if isinstance(metric.covariance, cls))
    factor = metric.covariance.factors()
    mixture: Any = GaussianMixture(
        len(points),
        covariance_type=kind,
        reg_covar=float(np.max(np.asarray(metric.regularisation))),
    )
    mixture.weights_, mixture.means_ = np.asarray(loss.weights, float), points
    mixture.precisions_cholesky_ = np.asarray(factor, float)
    if kind in ("full", "tied"):
        precisions = mixture.precisions_cholesky_ @ mixture.precisions_cholesky_.swapaxes(-1, -2)
        mixture.covariances_ = np.linalg.inv(precisions)
    else:
        precisions = mixture.precisions_cholesky_**2
        mixture.covariances_ = 1 / precisions
    mixture.precisions_ = precisions
    mixture.converged_, mixture.n_iter_, mixture.lower_bound_ = True, 0, -np.inf
    mixture.n_features_in_ = points.shape[1]
    return mixture


def _log_density(seen: Any) -> Array:
    seen = seen.by_loss()
    return -seen.judge.decision(seen.dissimilarities(), seen.model.prototypes.labels, None)


def _parts(model: PrototypeModel, asked: str) -> tuple[Mahalanobis, Mixture]:
    """The parts of a model that make a density of it."""
    metric, loss = model.metric, model.loss
    gaussian = isinstance(metric, Mahalanobis) and metric.is_density
    if not (gaussian and isinstance(loss, Mixture) and loss.fuzzifier is None):
        raise ValueError(
            f"`{asked}` needs a Gaussian mixture, `losses.Mixture` over `metrics.Mahalanobis`, and "
            f"this is {model.outline()}."
        )
    assert isinstance(metric, Mahalanobis)
    return metric, loss


__all__ = public(globals())
