"""Results as text and as plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table as lines, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def estimate(value: float, error: float) -> str:
    """A number and its standard error; a dash for one that is not known."""
    return "–" if np.isnan(value) else f"{value:.4f} ± {error:.4f}"


def plain(value: Any) -> Any:
    """Arrays and what holds them as lists, NaN as `None`: ready for JSON."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
