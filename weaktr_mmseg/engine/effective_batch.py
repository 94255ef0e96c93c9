"""One effective batch on any number of processes."""

from __future__ import annotations

import logging
import math
from typing import Any

from mmengine.dist import get_world_size
from mmengine.logging import print_log

from ..utils.errors import WeakTrInputError


def share_batch(
    dataloader: dict, total: int, processes: int | None = None, accumulated: int = 1
) -> int:
    """Sets the batch size of a process so that all together take ``total`` images an update.

    So a config means the same training on any number of processes: the same images in every update
    (``DefaultSampler`` deals them out in turn), the same number of updates, the same learning rate.
    ``batch_size`` of the loader is the most that a process takes at once; where its share is more,
    it accumulates gradients. A total that cannot be divided evenly is rounded, at least one image a
    process, with a warning.

    Args:
        dataloader: Config of the loader; ``batch_size`` is replaced by that of a process.
        total: Images of an update, over all processes.
        processes: Their number; None for that of this run.
        accumulated: Iterations of an update that the config asks for.

    Returns:
        Iterations of an update.

    Raises:
        WeakTrInputError: If a number is not a positive integer, or a batch sampler of its own
            decides on the batches.

    Examples:
        >>> loader = dict(batch_size=64)
        >>> share_batch(loader, 64, processes=8), loader['batch_size']
        (1, 8)
        >>> loader = dict(batch_size=16)
        >>> share_batch(loader, 64, processes=1), loader['batch_size']
        (4, 16)
    """
    processes = get_world_size() if processes is None else processes
    limit: Any = dataloader.get('batch_size')
    for name, value in (
        ('train_cfg.total_batch_size', total),
        ('train_dataloader.batch_size', limit),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise WeakTrInputError(f'{name}: expected a positive integer, got {value!r}')
    share = max(1, round(total / (processes * accumulated)))
    iterations = math.ceil(share / limit)
    dataloader['batch_size'] = size = math.ceil(share / iterations)
    iterations *= accumulated
    if limit > total:
        _warn(
            f'train_cfg.total_batch_size={total} decides, not train_dataloader.batch_size={limit}; '
            'set both to train with more images an update'
        )
    if size * iterations * processes != total:
        _warn(
            f'train_cfg.total_batch_size={total} cannot be divided over {processes} processes of '
            f'{iterations} iterations: {size * iterations * processes} images an update'
        )
    return iterations


def hold_total_batch(runner: Any, dataloader: dict, total: int) -> None:
    """Applies :func:`share_batch` to a runner that has not built its optimizer yet.

    ``auto_scale_lr``, where it is enabled, then scales by all images of an update.

    Args:
        runner: The runner.
        dataloader: Config of its training loader.
        total: Images of an update, over all processes.
    """
    wrapper, scaling = runner.optim_wrapper, runner.auto_scale_lr
    if not isinstance(wrapper, dict):
        share_batch(dataloader, total)
        return
    iterations = share_batch(dataloader, total, accumulated=wrapper.get('accumulative_counts', 1))
    if iterations > 1:
        wrapper['accumulative_counts'] = iterations
        if scaling and 'base_batch_size' in scaling:  # mmengine counts one iteration
            runner.auto_scale_lr = {
                **scaling,
                'base_batch_size': scaling['base_batch_size'] / iterations,
            }


def _warn(message: str) -> None:
    print_log(message, 'current', logging.WARNING)
