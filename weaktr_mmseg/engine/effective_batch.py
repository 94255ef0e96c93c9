"""The batch size of a config is that of all processes together."""

from __future__ import annotations

import logging

from mmengine.dist import get_world_size
from mmengine.logging import print_log

from ..utils.errors import WeakTrInputError


def share_batch(dataloader: dict, processes: int | None = None) -> None:
    """Divides the batch size of a training data loader over the processes.

    So a config means the same training on any number of processes: the same images in every step
    (``DefaultSampler`` deals them out in turn), the same number of steps, the same learning rate.
    A batch that cannot be divided evenly is rounded to the nearest that can, at least one image a
    process, with a warning; ``auto_scale_lr``, where it is enabled, follows the rounded size.

    Args:
        dataloader: Config of the loader; ``batch_size``, if it has one, is replaced by the share of
            a process.
        processes: Their number; None for that of this run.

    Raises:
        WeakTrInputError: If the batch size is not a positive integer.
    """
    processes = get_world_size() if processes is None else processes
    if 'batch_size' not in dataloader:  # a batch sampler of its own decides
        return
    total = dataloader['batch_size']
    if not isinstance(total, int) or total < 1:
        raise WeakTrInputError(
            f'train_dataloader.batch_size: expected a positive integer, got {total!r}'
        )
    share = max(1, round(total / processes))
    dataloader['batch_size'] = share
    if share * processes != total:
        print_log(
            f'train_dataloader.batch_size={total} cannot be divided over {processes} processes: '
            f'{share * processes} images a step',
            'current',
            logging.WARNING,
        )
