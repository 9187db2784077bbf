"""Mixtures of few samples."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import of_kinds, positive_integer
from .._module import replaced
from .._types import Int
from ..backbones import KernelDistances
from ..manifolds import Simplex
from ..metrics import Relational
from ._model import PrototypeModel


class Sparse(NamedTuple):
    """A model of few reference samples, and which of those of the whole model they are.

    It takes rows of dissimilarities to these alone: `model.predict(x[:, columns])`.
    """

    model: PrototypeModel
    columns: Int[np.ndarray, " m"]


@of_kinds
def sparse(model: PrototypeModel, keep: int) -> Sparse:
    """The model whose prototypes are mixtures of few samples: of each, the largest coefficients,
    divided by their sum.

    **Arguments:**

    - `model`: one whose metric is `metrics.Relational`.
    - `keep`: how many coefficients each prototype keeps; of fewer that are above zero, all.

    The new model knows only the reference samples that some prototype is a mixture of, `columns` in
    ascending order: of a sample to come, only its dissimilarities to these have to be computed. It
    has N at most `keep` times the number of prototypes, and costs as much.

    **Raises:** `ValueError` for another metric, for an encoder that mixes columns, and if fewer
    than two samples would be left.

    Source: B. Hammer, D. Hofmann, F.-M. Schleif, X. Zhu, *Learning vector quantization for
    (dis-)similarities*, Neurocomputing 131, 2014.
    """
    metric, prototypes = model.metric, model.prototypes
    if not isinstance(metric, Relational):
        raise ValueError(
            f"`model`: the prototypes of {type(metric).__name__} are no mixtures of samples: "
            "`sparse` is about `metrics.Relational`."
        )
    if not isinstance(model.encoder, eqx.nn.Identity | KernelDistances):
        raise ValueError(
            f"`model`: {type(model.encoder).__name__} makes dissimilarities of all columns "
            "together, so that none can be left out."
        )
    positive_integer(keep, "keep")
    points = np.array(prototypes.points)
    order = np.argsort(-points, axis=1, kind="stable")
    np.put_along_axis(points, order[:, keep:], 0, axis=1)
    columns = np.flatnonzero(points.any(axis=0))
    if len(columns) < 2:
        raise ValueError(f"`keep={keep}` leaves one sample alone: keep more.")
    points = points[:, columns] / points.sum(axis=1, keepdims=True)
    few = replaced(prototypes, points=jnp.asarray(points), space=Simplex(len(columns)))
    known = Relational(metric.dissimilarities[np.ix_(columns, columns)])
    card = model.card
    if card is not None and card.features is not None:
        card = card.replaced(features=[card.features[int(k)] for k in columns])
    return Sparse(replaced(model, prototypes=few, metric=known, card=card), columns)
