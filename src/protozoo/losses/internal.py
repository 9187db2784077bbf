"""What other parts of the library use of `losses`; no promise to anybody else."""

from ._open_set import (
    log_odds_of as log_odds_of,
    refuse_closed as refuse_closed,
    refuse_no_share as refuse_no_share,
)
from ._pooling import nearest_of_classes as nearest_of_classes
