"""Counts of a threshold sweep over one image, in files that an interrupted run resumes from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..utils.files import UNREADABLE, atomic_path
from .thresholds import ThresholdSweep


def counts_key(config_hash: str, sweep: ThresholdSweep, truth: str | Path) -> str:
    """What the counts of an image depend on: its maps, the thresholds and the content of its mask.

    Args:
        config_hash: Identifies what made the maps.
        sweep: Has the thresholds and the number of classes.
        truth: Mask file of the image.

    Raises:
        FileNotFoundError: If there is no such mask.
    """
    digest = hashlib.blake2b(config_hash.encode(), digest_size=16)
    digest.update(str(sweep.num_classes).encode() + sweep.thresholds.tobytes())
    digest.update(Path(truth).read_bytes())
    return digest.hexdigest()


def write_counts(path: str | Path, sweep: ThresholdSweep, key: str) -> None:
    """Writes the occupied cells of a sweep, atomically, as ``.npz`` without pickle.

    Args:
        path: Target file.
        sweep: Over one image.
        key: See :func:`counts_key`.
    """
    flat = sweep.counts.ravel()
    cells = np.flatnonzero(flat)
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, counts=np.stack((cells, flat[cells])), key=np.asarray(key))


def read_counts(path: str | Path, key: str) -> np.ndarray | None:
    """Reads what :func:`write_counts` wrote.

    Returns:
        Cells of the flattened counts of the sweep and what they hold, int64 (2, n); None if there
        is no such file, it is torn, or it has another key.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            counts = arrays['counts'] if str(arrays['key']) == key else None
    except UNREADABLE:
        return None
    return counts
