"""Distributed set-up on machines without a GPU."""

from __future__ import annotations

import torch
from mmengine.dist import is_distributed


def init_cpu_process_group(launcher: str) -> None:
    """Joins a gloo process group if torchrun started this process on a machine without GPU.

    mmengine's own set-up selects a CUDA device first and would fail there; it leaves an existing
    group alone.

    Args:
        launcher: ``'pytorch'`` for torchrun; others are left to mmengine.
    """
    if runs_on_cpu_processes(launcher) and not is_distributed():
        torch.distributed.init_process_group(backend='gloo')


def runs_on_cpu_processes(launcher: str) -> bool:
    """Whether torchrun started this process on a machine without GPU."""
    return launcher == 'pytorch' and not torch.cuda.is_available()


def cpu_model_wrapper() -> dict:
    """Config of mmengine's data-parallel wrapper for models on the CPU, which have no device id."""
    return dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
