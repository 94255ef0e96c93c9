"""Memory of this process and of the machine."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

import torch

MB = 1e6


def process_memory(field: str) -> int:
    """A memory figure of this process in bytes: ``VmRSS`` now, ``VmHWM`` at its peak."""
    status = Path('/proc/self/status')
    if status.exists():
        for line in status.read_text(encoding='utf-8').splitlines():
            if line.startswith(f'{field}:'):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == 'darwin' else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak() -> None:
    """Lets ``VmHWM`` start anew where the system can (Linux)."""
    if os.access('/proc/self/clear_refs', os.W_OK):
        Path('/proc/self/clear_refs').write_text('5', encoding='utf-8')


def return_freed_memory() -> None:
    """Returns memory freed while building to the system, lest it be used unseen."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).malloc_trim(0)


def free_memory(device: torch.device) -> float:
    """Free memory of the device in bytes."""
    if device.type == 'cuda':
        return torch.cuda.mem_get_info(device)[0]
    figures = Path('/proc/meminfo')
    if not figures.exists():
        return float('inf')
    lines = dict(line.split(':') for line in figures.read_text(encoding='utf-8').splitlines())
    return 1024 * int(lines['MemAvailable'].split()[0])
