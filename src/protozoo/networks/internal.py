"""What other parts of the library use of `networks`; no promise to anybody else."""

from ._layer_map import described as described
