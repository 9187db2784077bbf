"""What other parts of the library use of `metrics`; no promise to anybody else."""

from ._base import (
    differs_linearly as differs_linearly,
    matrices_of as matrices_of,
    operator_norms as operator_norms,
    outputs_of as outputs_of,
    places as places,
    told_apart as told_apart,
)
from ._closed_form import Order as Order
from ._mahalanobis import Cells as Cells
from ._principal import signed as signed, spectrum as spectrum
from ._tangent import displacements_from as displacements_from
from ._units import factor_of as factor_of, measured as measured
