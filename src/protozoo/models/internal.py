"""What other parts of the library use of `models`; no promise to anybody else."""

from ._answers import (
    as_share as as_share,
    confidence as confidence,
    decided as decided,
    finite_rows as finite_rows,
    known_rows as known_rows,
    probabilities as probabilities,
    where_known as where_known,
)
from ._base import Trainable as Trainable
from ._bound import transformable as transformable
from ._card import NONE_OF_THESE as NONE_OF_THESE, Names as Names
from ._chunks import (
    map_chunks as map_chunks,
    rows_per_chunk as rows_per_chunk,
    rows_per_piece as rows_per_piece,
    sum_chunks as sum_chunks,
)
from ._classifier import (
    carded_classes as carded_classes,
    refuse_no_classifier as refuse_no_classifier,
)
from ._encoder import encoded_shape as encoded_shape
from ._model import (
    encode_all as encode_all,
    encoded as encoded,
    finite_parameters as finite_parameters,
    seen_together as seen_together,
    with_names as with_names,
)
from ._novelty import of_densities as of_densities
from ._outside import NOTHING as NOTHING, Outside as Outside, inside as inside
from ._units import Judge as Judge, in_own_units as in_own_units
