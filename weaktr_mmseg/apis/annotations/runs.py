"""Run lengths of bitmaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def run_lengths(bits: np.ndarray) -> list[int]:
    """Lengths of the runs of equal values, beginning with that of zeros, which may be 0.

    Args:
        bits: bool, read row by row.
    """
    flat = bits.ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], starts, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def from_run_lengths(lengths: Sequence[int], height: int, width: int) -> np.ndarray:
    """The inverse of :func:`run_lengths`.

    Returns:
        bool (height, width).

    Raises:
        ValueError: If the runs do not fill the bitmap.
    """
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise ValueError(
            f'run lengths: expected {height} x {width} pixels together, got {sum(lengths)}'
        )
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)
