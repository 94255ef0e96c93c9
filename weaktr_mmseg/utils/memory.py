"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

STATUS, RESET = Path('/proc/self/status'), Path('/proc/self/clear_refs')
RESET_PEAK = '5'  # see proc(5)
KIB = 1024


def reset_peak() -> None:
    """Begins a new measurement of the peak."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # not Linux, or not allowed
        RESET.write_text(RESET_PEAK, encoding='ascii')


def memory_now() -> int | None:
    """Bytes that this process holds, on the GPU if there is one; None where it cannot be known."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated()
    return _status('VmRSS')


def memory_peak() -> int | None:
    """Highest value of :func:`memory_now` since :func:`reset_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return _status('VmHWM')


def _status(key: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding='ascii', errors='replace').splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.startswith(f'{key}:')]
    return int(values[0]) * KIB if values else None
