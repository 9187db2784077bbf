"""Gaussian components: a covariance for each prototype."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._checks import (
    as_finite,
    as_floats,
    known_value,
    of_kinds,
    of_values,
    on_device,
    present_samples,
    refuse_negative,
    samples_of_host,
)
from .._module import AbstractHomogeneous, hyper, part, power_of_two, replaced, static
from .._statistics import blocks, mean_and_variance, shares
from .._types import Array, ArrayLike, Float, Int, Num
from ..prototypes import Prototypes
from ._base import ALL, AbstractQuadratic, Columns, in_columns
from ._closed_form import AbstractClosedForm, Moments, Order, Step
from ._covariances import (
    KINDS,
    AbstractCovariances,
    AbstractTriangular,
    Diagonal,
    Full,
    Spherical,
    Tied,
)
from ._linear_maps import AbstractLinearMap


NORMALISATIONS = ("density", "volume", "none")


class Mahalanobis(AbstractQuadratic, AbstractClosedForm, AbstractHomogeneous):
    """\\(\\delta_j = (x-w_j)^\\top \\Sigma_j^{-1} (x-w_j)\\), normalised in one of two ways.

    **Arguments:**

    - `covariance`: the Σ_j: `Full`, `Tied`, `Diagonal` or `Spherical`.
    - `regularisation`: added to the variances by every closed-form refit, in squared data units: a
      number, or one for each feature, `(d,)`.
    - `normalisation`: `"density"`: plus \\(\\log\\det\\Sigma_j + d\\log 2\\pi\\), so that
      \\(\\delta_j = -2\\log\\mathcal N(x; w_j, \\Sigma_j)\\). `"volume"`: times
      \\((\\det\\Sigma_j)^{1/d}\\), so that only the shape of Σ_j matters, and a cluster cannot
      become near to everything by growing. `"none"`: a local adaptation that a loss may shrink at
      will.
    - `unit`: what points were divided by, a number or `(d,)`; densities are those before
      (`in_units`).

    The same metric learns by alternating optimisation and by gradient descent.

    **Raises:** `ValueError` for a regularisation that is negative or not finite, and another
    normalisation.

    Source: D. Gustafson, W. Kessel, *Fuzzy clustering with a fuzzy covariance matrix*, IEEE Conf.
    Decision and Control 1979.
    """

    covariance: AbstractCovariances = part()
    regularisation: Float[Array, "*d"] = hyper(default=1e-6)
    normalisation: str = static(default="density")
    unit: Float[Array, "*d"] = hyper(default=1.0)

    def __check_init__(self):
        known = known_value(self.regularisation)
        if known is not None and not (np.isfinite(known).all() and known.min() >= 0):
            raise ValueError(
                f"`regularisation` must be finite and not negative, got {known.min():g} as its "
                f"smallest."
            )
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(
                f"`normalisation` must be one of {', '.join(map(repr, NORMALISATIONS))}, got "
                f"{self.normalisation!r}."
            )

    @classmethod
    @of_values
    @of_kinds
    def from_covariances(
        cls,
        covariances: Float[ArrayLike, " p"] | Float[ArrayLike, "p d"] | Float[ArrayLike, "p d d"],
        regularisation: Float[ArrayLike, "*d"] = 1e-6,
        normalisation: str = "density",
        *,
        tied: bool = False,
    ) -> "Mahalanobis":
        """From full covariance matrices `(p, d, d)`, variances of the features `(p, d)`, or of all
        features `(p,)`; if `tied`, from one matrix `(d, d)` for all components.

        **Raises:** `ValueError` for another shape, and for matrices that are not symmetric and
        positive definite.
        """
        given = np.asarray(as_finite(covariances, Any, "covariances"))
        if tied:
            if given.ndim != 2 or given.shape[0] != given.shape[1]:
                raise ValueError(
                    f"`covariances` must have shape (d, d) if `tied`, got {given.shape}."
                )
            return cls(
                Tied(*_factors(given)), as_floats(regularisation, "regularisation"), normalisation
            )
        if not (given.ndim in (1, 2) or (given.ndim == 3 and given.shape[1] == given.shape[2])):
            raise ValueError(
                f"`covariances` must have shape (p, d, d), (p, d) or (p,), got {given.shape}."
            )
        if given.ndim == 3:
            return cls(
                Full(*_factors(given)), as_floats(regularisation, "regularisation"), normalisation
            )
        if not (given > 0).all():
            raise ValueError(
                f"`covariances` must be positive, got {given.min():g} as the smallest variance."
            )
        kind = Diagonal if given.ndim == 2 else Spherical
        return cls(
            kind(on_device(-0.5 * np.log(given))),
            as_floats(regularisation, "regularisation"),
            normalisation,
        )

    @classmethod
    @of_values
    @of_kinds
    def from_data(
        cls,
        x: Float[ArrayLike, "n ..."],
        prototypes: Prototypes,
        covariance: str = "full",
        regularisation: Float[ArrayLike, "*d"] | None = None,
        sample_weight: Num[ArrayLike, " n"] | None = None,
        *,
        of_nearest: bool = False,
        normalisation: str = "density",
    ) -> "Mahalanobis":
        """Every component starts with the variances of all the data, or with the covariance of its
        samples.

        **Arguments:**

        - `x`: samples, weighted by `sample_weight`, `(n,)`, if given.
        - `prototypes`: the means.
        - `covariance`: `"full"`, `"tied"`, `"diagonal"` or `"spherical"`.
        - `regularisation`: by default a millionth of each feature's variance among the samples that
          are nearest to the same prototype: a component whose samples coincide keeps a thousandth
          of that standard deviation.
        - `of_nearest`: start with the covariance of the samples that are nearest to a prototype,
          all features counting alike; where they are too few for one, with that of all samples
          about their prototypes.
        - `normalisation`: see the class.

        **Raises:** `ValueError` for another kind of covariance.
        """
        if covariance not in KINDS:
            raise ValueError(
                f"`covariance` must be one of {', '.join(map(repr, KINDS))}, got {covariance!r}."
            )
        x = samples_of_host(x, prototypes.space.point_shape)
        weight, x, _ = present_samples(x, sample_weight)
        x, points = (
            x.reshape(len(x), -1),
            np.asarray(prototypes.points, float).reshape(len(prototypes), -1),
        )
        variances = _known_scales(mean_and_variance(x, weight)[1])
        matrices = of_nearest and issubclass(KINDS[covariance], AbstractTriangular)
        cells = Cells.of(x, points, np.sqrt(variances), weight, matrices)
        if regularisation is None:
            with np.errstate(over="ignore"):
                own = (1e-6 * _known_scales(cells.within(), variances)).astype(x.dtype)
            if not np.isfinite(own).all():
                raise ValueError(
                    f"`x`: variances of its features exceed the range of {x.dtype}. Rescale the "
                    "data, or compute in 64 bits (`jax.config.update('jax_enable_x64', True)`)."
                )
            regularisation = own
        added = np.asarray(as_finite(regularisation, Any, "regularisation"), float)
        if added.shape not in ((), variances.shape):
            raise ValueError(
                f"`regularisation` must be a number or have shape {variances.shape}, got "
                f"{added.shape}."
            )
        refuse_negative(added, "regularisation")
        start = (
            cells.covariances(variances) if of_nearest else np.broadcast_to(variances, points.shape)
        )
        made = _of_kind(covariance, start, np.broadcast_to(added, variances.shape), cells.share)
        return cls(made, on_device(added, float), normalisation)

    @property
    def degree(self) -> int:
        """Two if volumes are one, which have no unit; densities and plain forms do not know of
        units."""
        return 2 if self.normalisation == "volume" else 0

    @property
    def additive(self) -> bool:
        return self.normalisation != "volume"

    @property
    def is_density(self) -> bool:
        """Whether δ is minus twice a log-density: differences of it mean something, and ratios
        nothing, because its zero is where some unit has it."""
        return self.normalisation == "density"

    def in_units(self, unit: Float[Array, "*d"]) -> "Mahalanobis":
        unit = jnp.reshape(unit, ()) if jnp.size(unit) == 1 else unit
        return replaced(
            self,
            covariance=self.covariance.in_units(unit),
            regularisation=self.regularisation / unit / unit,
            unit=self.unit if self.degree else self.unit * unit,
        )

    @property
    def own_unit(self) -> Float[Array, "*d"]:
        """The power of two of the widest component, for each feature if they may have units of
        their own."""
        widths = power_of_two(self.covariance.own_unit())
        return jnp.max(widths) if self.degree else widths

    @property
    def second_moments(self) -> Order:
        return self.covariance.second_moments

    @property
    def local(self) -> bool:
        return self.covariance.local

    @property
    def covariances(self) -> Float[Array, " p"] | Float[Array, "p d"] | Float[Array, "*p d d"]:
        """Σ_j in the form in which they differ: matrices `(p, d, d)` or, tied, `(d, d)`; variances
        of the features `(p, d)`, or of all features `(p,)`."""
        return self.covariance.values()

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return self.covariance.linear_map(prototypes.space.dimension)

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        if self.normalisation == "none":
            return squared
        d = prototypes.space.dimension
        log_determinants = self.covariance.log_determinants(d)
        if self.normalisation == "volume":
            return squared * in_columns(jnp.exp(log_determinants / d), at, squared)
        units = 2 * jnp.sum(jnp.log(jnp.broadcast_to(self.unit, d)))
        terms = d * math.log(2 * math.pi) + units + log_determinants
        return squared + in_columns(terms, at, squared)

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Step) -> "Mahalanobis":
        """Σ_j ← (1-step) Σ_j + step · (`moments.scatter(moved)` + regularisation)."""
        new = self.covariance.towards(
            moments.scatter(moved), moments.weight, self.regularisation, step
        )
        return replaced(self, covariance=new)


class Cells(NamedTuple):
    """The Voronoi cells of points: how many samples are in each, the sum of their shares, and sums
    of shares times displacements from the point and times their squares, or outer products."""

    counts: Int[np.ndarray, " p"]
    share: Float[np.ndarray, " p"]
    first: Float[np.ndarray, "p d"]
    second: Float[np.ndarray, "p d"] | Float[np.ndarray, "p d d"]

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "n d"],
        points: Float[np.ndarray, "p d"],
        scales: Float[np.ndarray, " d"],
        weight: Float[np.ndarray, " n"] | None,
        matrices: bool,
    ) -> "Cells":
        """Those of samples, weighted by `weight`: a sample is in the cell of the nearest point, in
        units of `scales`; outer products if `matrices`."""
        share, (p, d) = shares(len(x), weight), points.shape
        shape = (p, d, d) if matrices else (p, d)
        cells = cls(np.zeros(p, int), np.zeros(p), np.zeros((p, d)), np.zeros(shape))
        for rows in blocks(x):
            some = np.asarray(x[rows], float)
            cell = nearest_points(some / scales, points / scales)
            for j in np.unique(cell):
                mine = cell == j
                v, w = some[mine] - points[j], share[rows][mine]
                cells.counts[j] += len(v)
                cells.share[j] += w.sum()
                cells.first[j] += w @ v
                cells.second[j] += (v * w[:, None]).T @ v if matrices else w @ v**2
        return cells

    def within(self) -> Float[np.ndarray, " d"]:
        """The mean squared deviation of samples from their points, for each feature."""
        total = self.second.sum(axis=0)
        return np.diagonal(total) if total.ndim == 2 else total

    def covariances(
        self, variances: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "p d"] | Float[np.ndarray, "p d d"]:
        """Those of each cell about its own mean, pooled where there are too few samples for one, or
        none of a feature varies; of a feature that varies in no cell, that of all samples,
        `variances`."""
        share = np.where(self.share > 0, self.share, 1).reshape(-1, *[1] * (self.second.ndim - 1))
        means = self.first / np.where(self.share > 0, self.share, 1)[:, None]
        squares = means**2 if self.second.ndim == 2 else means[:, :, None] * means[:, None, :]
        own = self.second / share - squares
        pooled, least = np.tensordot(self.share, own, 1), 1e-12 * variances
        matrices = own.ndim == 3
        still = np.where((np.diagonal(pooled) if matrices else pooled) > least, 0, variances)
        pooled = pooled + (np.diag(still) if matrices else still)
        varies = (np.diagonal(own, axis1=1, axis2=2) if matrices else own) > least
        enough = (self.counts > (own.shape[-1] if matrices else 1)) & varies.all(axis=1)
        return np.where(enough.reshape(share.shape), own, pooled)


def nearest_points(
    x: Float[np.ndarray, "n d"], points: Float[np.ndarray, "p d"]
) -> Int[np.ndarray, " n"]:
    """The number of the point that is nearest to each sample."""
    return np.stack([np.sum((x - point) ** 2, axis=1) for point in points]).argmin(axis=0)


def _of_kind(
    kind: str,
    covariances: Float[np.ndarray, "p d"] | Float[np.ndarray, "p d d"],
    added: Float[np.ndarray, " d"],
    share: Float[np.ndarray, " p"],
) -> AbstractCovariances:
    """Covariances of one kind from matrices or variances, and what is added to the variances."""
    variances = covariances + added if covariances.ndim == 2 else covariances
    if kind == "diagonal":
        return Diagonal(on_device(-0.5 * np.log(variances), float))
    if kind == "spherical":
        return Spherical(on_device(-0.5 * np.log(variances.mean(axis=1)), float))
    matrices = covariances[..., None] * np.eye(len(added)) if covariances.ndim == 2 else covariances
    matrices = np.tensordot(share, matrices, 1) if kind == "tied" else matrices
    return KINDS[kind](*_factors(matrices + np.diag(added)))


def _factors(covariances: Float[np.ndarray, "*p d d"]) -> tuple[Array, Array]:
    """The precision factors of covariances, in double precision."""
    covariances = np.asarray(covariances, float)
    d = covariances.shape[-1]
    mirrored = covariances.swapaxes(-1, -2)
    # Beside the deviations of its features: what hardly covaries is sums of rounding.
    deviations = np.sqrt(np.abs(np.diagonal(covariances, axis1=-2, axis2=-1)))
    most = 1e-4 * deviations[..., None] * deviations[..., None, :]
    if not (np.abs(covariances - mirrored) <= most).all():
        raise ValueError("`covariances` must be symmetric.")
    covariances = (covariances + mirrored) / 2
    try:
        factor = np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(-1, -2)
    except np.linalg.LinAlgError:
        raise ValueError(
            "`covariances` must be positive definite: add something to the variances "
            "(`regularisation`)."
        ) from None
    logarithms = np.log(np.diagonal(factor, axis1=-2, axis2=-1))
    return on_device(logarithms, float), on_device(factor * (1 - np.tri(d)), float)


def _known_scales(
    variances: Float[np.ndarray, " d"], typical: Float[np.ndarray, " d"] | None = None
) -> Float[np.ndarray, " d"]:
    """Variances, none of them zero: a feature that does not vary borrows from `typical`, or from
    the others."""
    varies = variances > 0
    others = variances[varies].mean() if varies.any() else 1.0
    return np.where(varies, variances, others if typical is None else typical)
