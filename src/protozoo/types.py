"""The shapes that signatures speak of, for annotations of your own.

One letter means one axis, everywhere:

| letter | axis                                             |
| ------ | ------------------------------------------------ |
| `n`    | samples                                          |
| `d`    | features of a flat point                         |
| `l`    | latent (adapted, encoded) features               |
| `k`    | tangent coordinates of a manifold                |
| `p`    | prototypes                                       |
| `c`    | classes (of an unlabelled model: its prototypes) |
| `...`  | the trailing shape of one point                  |

| name              | is                        | meaning                                    |
| ----------------- | ------------------------- | ------------------------------------------ |
| `Samples`         | `Float[Array, "n ..."]`   | samples, or points of an encoder's space   |
| `Points`          | `Float[Array, "p ..."]`   | prototypes' points                         |
| `Dissimilarities` | `Float[Array, "n p"]`     | δ, of samples to prototypes                |
| `Scores`          | `Float[Array, "n c"]`     | what models say of classes                 |
| `Labels`          | `Int[Array, " n"]`        | classes 0…c-1 of samples                   |
| `PrototypeLabels` | `Int[Array, " p"]`        | classes of prototypes                      |
| `PerSample`       | `Float[Array, " n"]`      | a number for each sample: a loss, a weight |
| `PerPrototype`    | `Float[Array, " p"]`      | a number for each prototype                |
| `Mask`            | `Bool[Array, " n"]`       | some of the samples                        |
| `Scalar`          | `Float[Array, ""]`        | one number                                 |
| `Classes`         | numbers or words          | classes, by their numbers or their names   |
| `MaybeLabels`     | `Int[Array, " n"] | None` | classes, where a loss may learn without    |

`Array`, `ArrayLike`, `Bool`, `Float`, `Int`, `Num`, `PRNGKeyArray`, `PyTree` and `Shaped` are those
of jaxtyping.

Shapes are checked while a program runs if it asks for that, of your functions and of protozoo's:

    from jaxtyping import install_import_hook

    with install_import_hook(["protozoo", "my_package"], "beartype.beartype"):
        import protozoo as pz
        import my_package

What does not fit is then a `jaxtyping.TypeCheckError`, before anything is computed, which names the
function, the argument, its shape and the one that was expected, such as "The problem arose whilst
typechecking parameter 'scores'. Actual value: f32[60]. Expected type: Float[Array, 'n c']".
Without it, nothing is checked twice: what comes in from outside is looked at once, at the door.
"""

from ._types import (
    Array as Array,
    ArrayLike as ArrayLike,
    Bool as Bool,
    Classes as Classes,
    Dissimilarities as Dissimilarities,
    Float as Float,
    Int as Int,
    Labels as Labels,
    Mask as Mask,
    MaybeLabels as MaybeLabels,
    Num as Num,
    PerPrototype as PerPrototype,
    PerSample as PerSample,
    Points as Points,
    PRNGKeyArray as PRNGKeyArray,
    PrototypeLabels as PrototypeLabels,
    PyTree as PyTree,
    Samples as Samples,
    Scalar as Scalar,
    Scores as Scores,
    Shaped as Shaped,
    __all__ as __all__,
)
