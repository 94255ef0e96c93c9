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
    if launcher == 'pytorch' and not torch.cuda.is_available() and not is_distributed():
        torch.distributed.init_process_group(backend='gloo')
