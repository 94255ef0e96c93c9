"""Stops a training whose loss is no number before it costs a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ...utils.errors import WeakTrDivergenceError, listing
from ..checkpoint_files import latest_checkpoint

MAX_NAMES = 64


@HOOKS.register_module()
class WeakTrFiniteHook(Hook):
    """Stops at the first iteration whose loss is infinite or no number.

    The error names the images of the batch, on the process that had them. A checkpoint is refused
    if a parameter is not finite, so that the last one on disk stays the last good one. The loss is
    taken from mmengine's message hub, where it is a number already: no device is waited for.
    """

    priority = 'ABOVE_NORMAL'  # after the loss is noted, before a checkpoint is written

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Checks the loss of the iteration.

        Raises:
            WeakTrDivergenceError: If it is not finite.
        """
        if not outputs or 'loss' not in outputs:
            return
        noted = runner.message_hub.log_scalars.get('train/loss')
        loss = noted.current() if noted is not None else float(outputs['loss'])
        if math.isfinite(loss):
            return
        samples = data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
        raise WeakTrDivergenceError(
            f'{_place(runner, batch_idx)}: the loss is {loss}; images of the batch: '
            f'{_names(samples)}; {_last_good(runner)}'
        )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Checks the parameters.

        Raises:
            WeakTrDivergenceError: If one is not finite; nothing is saved then.
        """
        for name, value in checkpoint['state_dict'].items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise WeakTrDivergenceError(
                    f'epoch {runner.epoch + 1}: the parameter {name} is not finite and is not '
                    f'saved; {_last_good(runner)}'
                )


def _place(runner: Any, batch_idx: int) -> str:
    process = f', process {get_rank()}' if get_world_size() > 1 else ''
    return f'epoch {runner.epoch + 1}, iteration {batch_idx + 1}{process}'


def _names(samples: Sequence[Any]) -> str:
    names = [str(sample.metainfo.get('img_path', 'unknown')) for sample in samples]
    return listing(names, MAX_NAMES) or 'unknown'


def _last_good(runner: Any) -> str:
    path = latest_checkpoint(runner.work_dir)
    return f'the last good checkpoint is {path}' if path else 'there is no checkpoint yet'
