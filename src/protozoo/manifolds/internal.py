"""What other parts of the library use of `manifolds`; no promise to anybody else."""

from ._jacobi import precise_product as precise_product
from ._squares import LOST as LOST, without_loops as without_loops
