"""Worker processes of data loaders."""

from __future__ import annotations

import signal
from typing import Any

import torch


def start_worker(worker: int) -> None:
    """Prepares a worker that computes, as ``worker_init_fn``: one thread, many workers.

    Args:
        worker: Its number.
    """
    torch.set_num_threads(1)
    outlive_first_sigterm()


def outlive_first_sigterm() -> None:
    """Lets the process, a worker of a data loader, end on the second SIGTERM only.

    Slurm sends the first to every process of a job. The one that trains needs its workers until it
    has saved, and then ends them.
    """

    def leave_next_time(signum: int, frame: Any) -> None:
        signal.signal(signum, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, leave_next_time)
