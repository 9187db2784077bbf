"""What other parts of the library use of `prototypes`; no promise to anybody else."""

from ._initialisers import (
    INITIALISERS as INITIALISERS,
    generator as generator,
    initialise as initialise,
)
