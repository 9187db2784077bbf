"""What other parts of the library use of `losses`; no promise to anybody else."""

from ._open_set import (
    log_odds_of as log_odds_of,
    refuse_closed as refuse_closed,
    refuse_no_share as refuse_no_share,
    with_none as with_none,
)
from ._pooling import log_total as log_total, nearest_of_classes as nearest_of_classes
from ._soft import (
    learns_variances as learns_variances,
    refuse_other_dimension as refuse_other_dimension,
)
