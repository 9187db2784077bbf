"""What other parts of the library use of `training`; no promise to anybody else."""

from ._data import ClassWeight as ClassWeight, by_class as by_class, of_classes as of_classes
from ._many import (
    by_structure as by_structure,
    refuse_for_one_model as refuse_for_one_model,
)
from ._note import numbers_of as numbers_of
from ._objective import mean_loss as mean_loss
from ._stream import is_stream as is_stream
from ._trainer import Validation as Validation
