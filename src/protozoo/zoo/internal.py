"""What other parts of the library use of `zoo`; no promise to anybody else."""

from ._clusters import mixture as mixture
from ._fit import (
    Composition as Composition,
    look_up as look_up,
    prepared as prepared,
    trainer_settings as trainer_settings,
)
from ._makers import cnn as cnn, no_lattice as no_lattice
from ._relational import relational as relational
