"""Precisions that a machine is fast in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from .errors import WeakTrInputError

FLOAT32 = 'float32'
PRECISIONS = ('auto', 'bfloat16', 'float16', FLOAT32)
# Flags of processors that multiply bfloat16 numbers; without them autocast is slower than float32.
CPU_FLAGS = ('avx512_bf16', 'amx_bf16')


def check_precision(precision: str, key: str) -> str:
    """Gives the name of a precision back.

    Args:
        precision: One of :data:`PRECISIONS`.
        key: Where it stands in the config, for the message.

    Raises:
        WeakTrInputError: If it is none of them.
    """
    if precision not in PRECISIONS:
        raise WeakTrInputError(f'{key}: expected one of {", ".join(PRECISIONS)}, got {precision!r}')
    return precision


def best_precision(device: str | None = None) -> str:
    """The fastest precision in which networks work.

    Args:
        device: Kind of device, ``'cuda'`` or ``'cpu'``; None for a GPU if there is one.
    """
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device == 'cuda':
        return 'bfloat16' if torch.cuda.is_bf16_supported(including_emulation=False) else 'float16'
    return 'bfloat16' if device == 'cpu' and cpu_has_bfloat16() else FLOAT32


def predicts_in(precision: str, device: torch.device) -> AbstractContextManager:
    """Context of a network's forward pass without gradients.

    Args:
        precision: One of :data:`PRECISIONS`; ``'auto'`` is the best of the device. float16 is for
            GPUs; elsewhere it is float32.
        device: Where the network is.
    """
    if precision == 'auto':
        precision = best_precision(device.type)
    if precision == FLOAT32 or (precision == 'float16' and device.type != 'cuda'):
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))


def cpu_has_bfloat16(cpuinfo: str | Path = '/proc/cpuinfo') -> bool:
    """Whether the CPU multiplies bfloat16 numbers; False where the kernel does not say so."""
    try:
        text = Path(cpuinfo).read_text(encoding='utf-8', errors='replace')
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith('flags')), '')
    return any(flag in flags.split() for flag in CPU_FLAGS)
