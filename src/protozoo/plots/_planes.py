"""Planes through the space of samples: two features, or two directions of the adapted space."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_samples
from .._module import replaced
from .._types import Array, ArrayLike, Float
from ..metrics import AbstractLinearlyAdapted, Identity
from ..models import PrototypeModel
from ..models.internal import Names
from ._figures import flat_samples, integers, names_of_features, points_of


class Plane(NamedTuple):
    """A plane, where samples and prototypes lie on it, and what a model says of it.

    - `model`: a model of points of the plane.
    - `origin`, `steps`: the point at (0, 0), and what a unit of each direction adds, `(2, d)`.
    - `samples`, `points`: where samples and prototypes lie, `(n, 2)` and `(p, 2)`; `None` for
      prototypes that live elsewhere.
    - `labels`: what the two directions are called.
    """

    model: PrototypeModel
    origin: Float[np.ndarray, " d"]
    steps: Float[np.ndarray, "2 d"]
    samples: Float[np.ndarray, "n 2"]
    points: Float[np.ndarray, "p 2"] | None
    labels: tuple[str, str]

    def at(self, first: Float[np.ndarray, " a"], second: Float[np.ndarray, " b"]) -> Array:
        """The points at these places, `(a·b, d)`; the first direction runs fastest."""
        places = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
        return jnp.asarray(self.origin + places @ self.steps, self.model.prototypes.points.dtype)


def plane_of_features(
    model: PrototypeModel,
    x: ArrayLike,
    features: Sequence[int] | np.ndarray,
    at: ArrayLike | None,
    names: Names,
) -> Plane:
    """Two features as they are, the others held at one place."""
    x = flat_samples(model, x).astype(float)
    d = x.shape[1]
    chosen = integers(features, "features")
    if len(chosen) != 2 or chosen[0] == chosen[1] or not all(0 <= k < d for k in chosen):
        raise ValueError(f"`features` must be two of the features 0…{d - 1}, got {features}.")
    filled = np.nanmean(x, axis=0)
    if at is not None:
        filled = np.asarray(as_samples([at], (d,), "at"), float)[0]
    origin, steps = filled.copy(), np.eye(d)[chosen]
    origin[chosen] = 0
    points = None if model.latent else points_of(model)
    known = names_of_features(model, names, d)
    return Plane(
        model,
        origin,
        steps,
        x[:, chosen],
        None if points is None else points[:, chosen],
        (known[chosen[0]], known[chosen[1]]),
    )


def adapted_plane(model: PrototypeModel, x: ArrayLike, prototype: int | None = None) -> Plane:
    """The two directions along which samples vary most in the adapted space, where δ is the plain
    distance.

    **Raises:** `ValueError` where there is no such plane.
    """
    prototypes = model.encoded_prototypes()
    if not prototypes.space.displacement_is_difference:
        raise ValueError(
            f"`model`: points of {prototypes.space} lie in no plane; go through "
            "`backbones.TangentSpace`, or draw `pz.plots.graph`."
        )
    points = np.asarray(prototypes.points, float).reshape(len(prototypes), -1)
    x = model.check_values(x)
    data = np.asarray(model.encode(x), float).reshape(len(x), -1)
    adaptation = _matrix(model, prototype, points.shape[1])
    adapted = data @ adaptation
    centre = adapted.mean(axis=0)
    _, scale, directions = np.linalg.svd(adapted - centre, full_matrices=False)
    if np.count_nonzero(scale > 1e-6 * scale[:1]) < 2:
        raise ValueError(
            "`model`: samples lie on a line in the adapted space, which has no plane: give it a "
            "larger `latent_dim`, or draw two `features`."
        )
    directions = directions[:2] * np.where(directions[:2].sum(axis=1) < 0, -1, 1)[:, None]
    shares = scale[:2] ** 2 / np.sum(scale**2)
    return Plane(
        behind_encoder(model),
        data.mean(axis=0),
        directions @ np.linalg.pinv(adaptation),
        (adapted - centre) @ directions.T,
        (points @ adaptation - centre) @ directions.T,
        (
            f"first adapted direction ({shares[0]:.0%} of the variance)",
            f"second adapted direction ({shares[1]:.0%})",
        ),
    )


def behind_encoder(model: PrototypeModel) -> PrototypeModel:
    """The model of encoded samples: what is left when an encoder has done its work."""
    if not model.has_encoder and model.scale is None:
        return model
    return replaced(
        model,
        scale=None,
        encoder=eqx.nn.Identity(),
        prototypes=model.encoded_prototypes(),
        encode_prototypes=False,
        learn_through_prototypes=True,
        latent_space=None,
    )


def _matrix(model: PrototypeModel, prototype: int | None, d: int) -> Float[np.ndarray, "d l"]:
    """The matrix A of the metric's linear map; of a metric without one, that of no change."""
    metric: Any = model.metric
    adapted = isinstance(metric, AbstractLinearlyAdapted)
    if prototype is not None and not (adapted and metric.local):
        raise ValueError(
            f"`prototype`: {type(metric).__name__} has one space for all prototypes: leave it out."
        )
    if not adapted:
        return np.eye(d)
    linear = metric.linear_map(model.encoded_prototypes())
    if metric.local:
        if prototype is None:
            raise ValueError(
                f"`prototype` is missing: {type(metric).__name__} has an adapted space for each "
                "prototype. Say whose is to be drawn, or draw two `features`."
            )
        if not 0 <= prototype < len(model.prototypes):
            raise ValueError(
                f"`prototype` must be one of 0…{len(model.prototypes) - 1}, got {prototype}."
            )
        linear = jax.tree.map(lambda a: a[prototype], linear)
    return (
        np.eye(d) if isinstance(linear, Identity) else np.asarray(linear.apply(jnp.eye(d)), float)
    )
