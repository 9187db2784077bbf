"""The scale of the data: affine maps that are found from samples, and can be undone."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import known_value, of_values, on_device, present_samples, samples_of_host
from .._module import hyper
from .._statistics import mean_and_variance, shares, weighted_median
from .._types import Array, ArrayLike, Float, Num, Scalar


#: The distance between the quartiles of a normal distribution of variance one.
_QUARTILES = 1.3489795


class AbstractScale(eqx.Module):
    """An invertible affine map of samples whose numbers are found from data: what units mean.

    As the `scale` of a model it is the first thing that happens to a sample, so that the model
    takes, saves and exports raw data, and computes in the units of the scale. It is an encoder of
    one sample, too; models vectorise it. Nothing of it is learned.
    """

    #: Whether a gap (NaN) stays one gap.
    keeps_gaps: ClassVar[bool]

    @classmethod
    @abc.abstractmethod
    def from_data(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "AbstractScale":
        """The scale of samples.

        **Arguments:**

        - `x`: samples.
        - `sample_weight`: how many copies of each sample there are, `(n,)`; one of weight zero is
          not there.

        **Raises:** `ValueError` for infinities, a feature that is nowhere known, and one whose
        spread is beyond the range of its floats.
        """

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """A sample in the units of the scale."""

    @abc.abstractmethod
    def inverse(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """A point in the units of the data."""

    @abc.abstractmethod
    def inverse_displacement(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """A difference of points in the units of the data."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample."""

    @property
    @abc.abstractmethod
    def log_volume(self) -> Scalar:
        """The logarithm of the volume that a unit of volume of the data has: what a density is
        multiplied by."""


class AbstractElementwise(AbstractScale):
    """\\((x - s)\\,f\\), each number by a shift and a factor of its own."""

    shift: eqx.AbstractVar[Float[Array, "..."]]
    factor: eqx.AbstractVar[Float[Array, "..."]]
    keeps_gaps: ClassVar[bool] = True

    def __check_init__(self):
        _check_factor(self.shift, self.factor)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return (x - self.shift) * self.factor

    def inverse(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return x / self.factor + self.shift

    def inverse_displacement(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        return v / self.factor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shift.shape

    @property
    def log_volume(self) -> Scalar:
        return jnp.sum(jnp.log(self.factor))


class Standardise(AbstractElementwise):
    """\\((x - \\bar x)/\\sigma\\): mean zero and variance one. A feature that does not vary is
    shifted alone.

    **Arguments:**

    - `shift`, `factor`: \\(\\bar x\\) and \\(1/\\sigma\\), of the shape of a sample;
      `Standardise.from_data` finds them. Gaps (NaN) are left out.

    **Raises:** `ValueError` for shapes that differ, and factors that are not positive.
    """

    shift: Float[Array, "..."] = hyper()
    factor: Float[Array, "..."] = hyper()

    @classmethod
    @of_values
    def from_data(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "Standardise":
        x, weight = _known(x, sample_weight)
        mean, deviation = _mean_and_deviation(x, weight)
        return cls(*_elementwise(mean, deviation, x))


class MinMax(AbstractElementwise):
    """\\((x - \\min x)/(\\max x - \\min x)\\): from zero to one. A feature that does not vary is
    shifted alone.

    **Arguments:**

    - `shift`, `factor`: \\(\\min x\\) and \\(1/(\\max x - \\min x)\\), of the shape of a sample;
      `MinMax.from_data` finds them. Gaps (NaN) are left out.

    **Raises:** `ValueError` for shapes that differ, and factors that are not positive.
    """

    shift: Float[Array, "..."] = hyper()
    factor: Float[Array, "..."] = hyper()

    @classmethod
    @of_values
    def from_data(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "MinMax":
        x, _ = _known(x, sample_weight)
        low, high = (np.asarray(of(x, axis=0), np.float64) for of in (np.nanmin, np.nanmax))
        return cls(*_elementwise(low, high - low, x))


class Robust(AbstractElementwise):
    """\\((x - m)/r\\): the median m becomes zero, and the middle half of the samples is as wide as
    that of a normal distribution of variance one. Outliers change neither.

    Where the middle half is one number, r is the standard deviation; a feature that does not vary
    is shifted alone.

    **Arguments:**

    - `shift`, `factor`: m and \\(1/r\\), of the shape of a sample; `Robust.from_data` finds them.
      Gaps (NaN) are left out.

    **Raises:** `ValueError` for shapes that differ, and factors that are not positive.
    """

    shift: Float[Array, "..."] = hyper()
    factor: Float[Array, "..."] = hyper()

    @classmethod
    @of_values
    def from_data(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "Robust":
        x, weight = _known(x, sample_weight)
        columns = x.reshape(len(x), -1).astype(np.float64)
        median, spread = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
        for k, column in enumerate(columns.T):
            there = ~np.isnan(column)
            values, own = column[there], None if weight is None else weight[there]
            median[k] = weighted_median(values, own)
            # The quartile of as many copies as weights say is the first value that reaches it.
            low, high = np.quantile(values, [0.25, 0.75], weights=own, method="inverted_cdf")
            spread[k] = (high - low) / _QUARTILES
        deviation = _mean_and_deviation(x, weight)[1].reshape(-1)
        spread = np.where(spread > 0, spread, deviation)
        return cls(*_elementwise(median.reshape(x.shape[1:]), spread.reshape(x.shape[1:]), x))


#: The condition number of a matrix whose inverse would be all rounding, in 64 bits.
_SINGULAR = 0.1 / np.finfo(np.float64).eps


class Whitening(AbstractScale):
    """\\(P^{-1/2}\\,\\mathrm{diag}(1/\\sigma)\\,(x - \\bar x)\\), P the correlations: features of
    variance one that are uncorrelated, each as like its original as can be; the unit of none of
    them matters.

    A direction in which standardised data do not vary keeps its length.

    **Arguments:**

    - `shift`, `factor`: \\(\\bar x\\) and \\(1/\\sigma\\), of the shape of a sample.
    - `matrix`: \\(P^{-1/2}\\), `(d, d)`; `Whitening.from_data` finds them.

    It mixes features, so that none of them may be missing.

    **Raises:** `ValueError` for shapes that do not fit, factors that are not positive, and a matrix
    that is singular.

    Source: A. Kessy, A. Lewin, K. Strimmer, *Optimal whitening and decorrelation*, The American
    Statistician 72, 2018.
    """

    shift: Float[Array, "..."] = hyper()
    factor: Float[Array, "..."] = hyper()
    matrix: Float[Array, "d d"] = hyper()
    keeps_gaps: ClassVar[bool] = False

    def __check_init__(self):
        _check_factor(self.shift, self.factor)
        if self.matrix.shape != (self.shift.size, self.shift.size):
            raise ValueError(
                f"`matrix` must have shape {(self.shift.size,) * 2} for samples of shape "
                f"{self.shift.shape}, got {self.matrix.shape}."
            )
        known = known_value(self.matrix)
        if known is not None and np.linalg.cond(known.astype(np.float64), 1) >= _SINGULAR:
            raise ValueError(
                "`matrix` is singular: what it makes of samples could not be taken back to the "
                "units of the data. `Whitening.from_data` finds one that is not."
            )

    @classmethod
    @of_values
    def from_data(
        cls, x: Float[ArrayLike, "n ..."], sample_weight: Num[ArrayLike, " n"] | None = None
    ) -> "Whitening":
        """The scale of samples, as for `AbstractScale.from_data`.

        **Raises:** `ValueError` for gaps, too.
        """
        x, weight = _known(x, sample_weight)
        if np.isnan(x).any():
            raise ValueError(
                "`x` has gaps (NaN), and whitening mixes features: impute them, or standardise."
            )
        mean, deviation = _mean_and_deviation(x, weight)
        shift, factor = _elementwise(mean, deviation, x)
        flat = ((x - mean) * np.asarray(factor, np.float64)).reshape(len(x), -1)
        share = np.sqrt(shares(len(x), weight))[:, None]
        _, lengths, directions = np.linalg.svd(share * flat, full_matrices=False)
        # What is left of features that depend on others is their rounding.
        varied = lengths > 10 * np.finfo(x.dtype).eps * lengths[0]
        along = directions[varied]
        matrix = np.eye(flat.shape[1]) + along.T @ ((1 / lengths[varied] - 1)[:, None] * along)
        return cls(shift, factor, on_device(matrix, x.dtype))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return (self.matrix @ ((x - self.shift) * self.factor).reshape(-1)).reshape(x.shape)

    def inverse(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.inverse_displacement(x) + self.shift

    def inverse_displacement(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.linalg.solve(self.matrix, v.reshape(-1)).reshape(v.shape) / self.factor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shift.shape

    @property
    def log_volume(self) -> Scalar:
        return jnp.sum(jnp.log(self.factor)) + jnp.linalg.slogdet(self.matrix)[1]


#: By the words that `pz.fit(…, standardise=…)` takes.
SCALES: dict[str, type[AbstractScale]] = {
    "standardise": Standardise,
    "minmax": MinMax,
    "robust": Robust,
    "whitening": Whitening,
}


def _check_factor(shift: Array, factor: Array) -> None:
    if shift.shape != factor.shape:
        raise ValueError(
            f"`shift` and `factor` must have one shape, that of a sample, got {shift.shape} and "
            f"{factor.shape}."
        )
    known = known_value(factor)
    if known is not None and not (known > 0).all():
        raise ValueError(f"`factor` must be positive, got {known.min():g}.")


def _known(x: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples that are there, as models see them, and their weights, if these say anything."""
    weight, samples, _ = present_samples(samples_of_host(x), sample_weight, gaps=True)
    empty = np.asarray(np.isnan(samples).all(axis=0))
    if empty.any():
        raise ValueError(
            f"`x` has no value of feature {_first(empty)}: there is no scale of it. Leave it out."
        )
    return samples, weight


def _mean_and_deviation(
    x: np.ndarray, weight: np.ndarray | None
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The mean and the standard deviation of each feature; gaps are left out."""
    mean, variance = mean_and_variance(x, weight)
    for place in zip(*np.nonzero(np.isnan(mean)), strict=True):
        column = x[(slice(None), *place)]
        there = ~np.isnan(column)
        own = None if weight is None else weight[there]
        (mean[place],), (variance[place],) = mean_and_variance(column[there, None], own)
    return mean, np.sqrt(variance)


def _elementwise(shift: np.ndarray, spread: np.ndarray, x: np.ndarray) -> tuple[Array, Array]:
    """Shift and factor in the type of the samples; one for a feature that varies in its rounding at
    most."""
    limits = np.finfo(x.dtype)
    spread = np.where(spread > limits.eps * np.abs(shift), spread, 1.0)
    far = np.asarray(~((1 / limits.max < spread) & (spread < 1 / limits.tiny)))
    if far.any():
        raise ValueError(
            f"`x` has feature {_first(far)} with a spread of {spread[far].flat[0]:.3g}, beyond the "
            f"range of {limits.dtype}: rescale it, or compute in 64 bits "
            "(`jax.config.update('jax_enable_x64', True)`)."
        )
    return on_device(shift, x.dtype), on_device(1 / spread, x.dtype)


def _first(marked: np.ndarray) -> str:
    """The place of the first feature that is marked."""
    place = [int(i) for i in np.argwhere(marked)[0]]
    return str(place[0] if len(place) == 1 else tuple(place))
