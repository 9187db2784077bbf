"""The letters of the library: one letter means one axis, everywhere.

| letter | axis                                             |
| ------ | ------------------------------------------------ |
| `n`    | samples                                          |
| `d`    | features of a flat point                         |
| `l`    | latent (adapted, encoded) features               |
| `k`    | tangent coordinates of a manifold                |
| `p`    | prototypes                                       |
| `c`    | classes (of an unlabelled model: its prototypes) |
| `...`  | the trailing shape of one point                  |

jaxtyping annotations spell these letters; a leading space (`" n"`) marks a single-letter shape.
"""

from typing import TYPE_CHECKING, Any

from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num, PRNGKeyArray, PyTree


Points = Float[Array, "p ..."]
Samples = Float[Array, "n ..."]
Dissimilarities = Float[Array, "n p"]
PerSample = Float[Array, " n"]
PerPrototype = Float[Array, " p"]
Scores = Float[Array, "n c"]
Labels = Int[Array, " n"]
PrototypeLabels = Int[Array, " p"]
if TYPE_CHECKING:
    # Plain numbers are converted where a field is declared by `hyper`, and a supervised loss is never called without
    # labels: two facts that a static checker cannot see.
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
]
