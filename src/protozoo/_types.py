"""Shapes for annotations; what their letters mean is told where everybody looks, in
`protozoo.types`. A leading space (`" n"`) marks a shape of a single letter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num, PRNGKeyArray, PyTree, Shaped


Points = Float[Array, "p ..."]
Samples = Float[Array, "n ..."]
Dissimilarities = Float[Array, "n p"]
PerSample = Float[Array, " n"]
PerPrototype = Float[Array, " p"]
Scores = Float[Array, "n c"]
Labels = Int[Array, " n"]
PrototypeLabels = Int[Array, " p"]
Classes = Int[ArrayLike, " n"] | Shaped[np.ndarray, " n"] | Sequence[int] | Sequence[str]
if TYPE_CHECKING:
    # Plain numbers are converted where a field is declared by `hyper`, and a supervised loss is
    # never called without labels: two facts that a static checker cannot see.
    Scalar = Any
    MaybeLabels = Any
else:
    Scalar = Float[Array, ""]
    MaybeLabels = Labels | None
Mask = Bool[Array, " n"]

__all__ = [
    "Array",
    "ArrayLike",
    "Bool",
    "Classes",
    "Dissimilarities",
    "Float",
    "Int",
    "Labels",
    "Mask",
    "MaybeLabels",
    "Num",
    "PRNGKeyArray",
    "PerPrototype",
    "PerSample",
    "Points",
    "PrototypeLabels",
    "PyTree",
    "Samples",
    "Scalar",
    "Scores",
    "Shaped",
]
