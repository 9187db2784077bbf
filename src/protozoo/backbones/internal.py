"""What other parts of the library use of `backbones`; no promise to anybody else."""

from ._scale import SCALES as SCALES
