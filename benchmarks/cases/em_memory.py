"""Memory of expectation-maximisation when the data grow

The fit of the case before (full covariances, 16 features, 32 components, 5 iterations) on four
times the samples. The data are not counted; whoever holds a number for each sample and component
needs about four times the memory.
"""

from . import em


COLUMNS = COMPARED = ("peak MB", "working MB")
ENVIRONMENT = em.ENVIRONMENT


def rows(quick: bool) -> dict:
    size = {
        "covariance": "full",
        "features": 16,
        "iterations": 5,
        "pairs": 1,
        "components": 4 if quick else 32,
    }
    n = 2000 if quick else 100_000
    return {
        library: {
            f"{samples:,} samples": {"library": library, "n": samples, **size}
            for samples in (4 * n, n)
        }
        for library in em.LIBRARIES
    }


measure = em.measure
