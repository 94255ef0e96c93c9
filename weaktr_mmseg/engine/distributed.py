"""Distributed set-up on machines without a GPU."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper
from torch import nn

from ..utils.errors import WeakTrInputError

LAUNCHERS = ('pytorch', 'slurm')


def init_cpu_process_group(launcher: str) -> None:
    """Joins a gloo process group if a launcher started this process on a machine without GPU.

    mmengine's own set-up selects a CUDA device first and would fail there; it leaves an existing
    group alone.

    Args:
        launcher: ``'pytorch'`` for torchrun, ``'slurm'`` for srun; others are left to mmengine.
    """
    if runs_on_cpu_processes(launcher) and not is_distributed():
        if launcher == 'slurm':
            os.environ.update(slurm_environment())
        torch.distributed.init_process_group(backend='gloo')


def runs_on_cpu_processes(launcher: str) -> bool:
    """Whether a launcher started this process on a machine without GPU."""
    return launcher in LAUNCHERS and not torch.cuda.is_available()


def cpu_model_wrapper() -> dict:
    """Config of mmengine's data-parallel wrapper for models on the CPU, which have no device id."""
    return dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)


def bare_model(runner: Any) -> nn.Module:
    """The network of a runner without what shares it between processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def slurm_environment() -> dict[str, str]:
    """PyTorch's variables of a process group, from those of Slurm.

    ``MASTER_ADDR`` and ``MASTER_PORT`` are kept if they are set; else the first node of the job
    and 29500.

    Raises:
        WeakTrInputError: If ``srun`` did not start this process.
    """
    try:
        rank, world_size = os.environ['SLURM_PROCID'], os.environ['SLURM_NTASKS']
        address = os.environ.get('MASTER_ADDR') or _first_node(os.environ['SLURM_NODELIST'])
    except KeyError as error:
        raise WeakTrInputError(f'--launcher slurm: srun has not set {error}') from None
    return dict(
        RANK=rank,
        WORLD_SIZE=world_size,
        LOCAL_RANK=os.environ.get('SLURM_LOCALID', '0'),
        MASTER_ADDR=address,
        MASTER_PORT=os.environ.get('MASTER_PORT', '29500'),
    )


def _first_node(nodes: str) -> str:
    shown = subprocess.run(
        ['scontrol', 'show', 'hostnames', nodes], capture_output=True, encoding='utf-8', check=True
    )
    return shown.stdout.split()[0]
