"""From curved spaces to numbers, and from numbers to curved spaces."""

from collections.abc import Callable

import equinox as eqx

from .._checks import as_floats, known_value, of_kinds, of_values, on_device
from .._module import hyper, part
from .._types import Array, ArrayLike, Float, Num
from ..manifolds import AbstractManifold, frechet_mean


class TangentSpace(eqx.Module):
    """\\(x \\mapsto \\log_b x\\): a point by its coordinates about another one, so that every
    method for flat spaces can follow.

    **Arguments:**

    - `space`: where samples live.
    - `base`: b, a point of it; mostly the Fréchet mean of the data (`TangentSpace.at_mean`).

    Distances are right from b, and nearly right between points that are close to it.

    **Raises:** `ValueError` if `base` is no point of the space.

    Source: A. Barachant, S. Bonnet, M. Congedo, C. Jutten, *Multiclass brain-computer interface
    classification by Riemannian geometry*, IEEE Trans. Biomedical Engineering 59, 2012.
    """

    space: AbstractManifold = part()
    base: Float[Array, "..."] = hyper()

    def __check_init__(self):
        _check_base(self.space, self.base)

    @classmethod
    @of_values
    @of_kinds
    def at_mean(
        cls,
        space: AbstractManifold,
        x: Float[ArrayLike, "n ..."],
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "TangentSpace":
        """The tangent space at the Fréchet mean of samples, weighted by `sample_weight`, `(n,)`."""
        return cls(space, on_device(frechet_mean(space, x, sample_weight).point))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " k"]:
        if x.shape != self.base.shape:
            raise ValueError(f"points of {self.space} have shape {self.base.shape}, got {x.shape}.")
        return self.space.coordinates(self.base[None], x[None])[0, 0]


class Curved(eqx.Module):
    """\\(x \\mapsto \\exp_b f(x)\\): an encoder whose output are points of a curved space.

    **Arguments:**

    - `encoder`: f, a callable of one sample that returns as many numbers as the space has
      coordinates.
    - `space`: where its points live.
    - `base`: b, the point that zeros are mapped to; the origin of the space by default.

    **Raises:** `ValueError` if `base` is no point of the space, and for another number of
    coordinates.
    """

    encoder: Callable = part()
    space: AbstractManifold = part()
    base: Float[Array, "..."] = hyper()

    @of_kinds
    def __init__(
        self,
        encoder: Callable,
        space: AbstractManifold,
        base: Float[ArrayLike, "..."] | None = None,
    ):
        self.encoder, self.space = encoder, space
        self.base = space.origin if base is None else as_floats(base, "base")

    def __check_init__(self):
        _check_base(self.space, self.base)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        numbers = self.encoder(x).reshape(-1)
        if len(numbers) != (k := self.space.coordinate_size):
            raise ValueError(
                f"an encoder into {self.space} must return {k} coordinates, and returns "
                f"{len(numbers)}."
            )
        return self.space.exp(self.base[None].astype(numbers.dtype), numbers[None])[0]


def _check_base(space: AbstractManifold, base: Array) -> None:
    if base.shape != space.point_shape:
        raise ValueError(
            f"`base` must have shape {space.point_shape} to lie in {space}, got {base.shape}."
        )
    if (known := known_value(base)) is not None and (violation := space.violation(known[None])):
        raise ValueError(f"`base` does not lie in {space}: {violation}")
