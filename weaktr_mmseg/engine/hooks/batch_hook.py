"""Says how many images a step takes and at which learning rate."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmseg.registry import HOOKS


@HOOKS.register_module()
class WeakTrBatchHook(Hook):
    """Logs the effective batch size and the learning rates before training.

    The effective batch is images per process x processes x accumulated iterations.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner: Any) -> None:
        """Logs one line."""
        loader, wrapper = runner.train_dataloader, runner.optim_wrapper
        sampler = getattr(loader, 'batch_sampler', None)
        share = getattr(sampler, 'batch_size', None) or loader.batch_size
        processes = get_world_size()
        accumulated = getattr(wrapper, '_accumulative_counts', 1)
        groups = wrapper.optimizer.param_groups
        rates = sorted({group.get('initial_lr', group['lr']) for group in groups}, reverse=True)
        print_log(
            f'Effective batch size {share * processes * accumulated}: {share} images x {processes} '
            f'processes x {accumulated} accumulated iterations; learning rate '
            f'{", ".join(f"{rate:.4g}" for rate in rates)}',
            'current',
        )
