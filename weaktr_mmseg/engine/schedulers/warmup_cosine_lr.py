"""Learning rate of the CAM stage."""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim import _ParamScheduler
from mmseg.registry import PARAM_SCHEDULERS

from ...utils.errors import WeakTrInputError


@PARAM_SCHEDULERS.register_module()
class WeakTrWarmupCosineLR(_ParamScheduler):
    """Linear warm-up that cuts into a cosine, one step late.

    With ``t = max(step - 1, 0)`` the learning rate is

    * ``warmup_lr + (lr - warmup_lr) * t / warmup_steps`` while ``t < warmup_steps``,
    * ``eta_min + (lr - eta_min) * (1 + cos(pi * t / total_steps)) / 2`` afterwards.

    The cosine starts at step 0, so that the peak is never quite reached, and the first value is
    used twice: the schedule of the published CAM models, after timm's ``CosineLRScheduler``.
    mmengine's schedulers multiply the current value and cannot enter a cosine half-way.

    Args:
        optimizer: Optimizer or wrapper.
        total_steps: Length of the cosine.
        warmup_steps: Length of the warm-up.
        warmup_lr: Learning rate at its start.
        eta_min: Learning rate at the end of the cosine.
        **kwargs: ``begin``, ``end``, ``last_step``, ``by_epoch``, ``verbose`` as in mmengine.

    Raises:
        WeakTrInputError: If the warm-up is not shorter than the cosine.
    """

    def __init__(
        self,
        optimizer: Any,
        total_steps: int,
        warmup_steps: int = 5,
        warmup_lr: float = 1e-6,
        eta_min: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        if not 0 <= warmup_steps < total_steps:
            raise WeakTrInputError(
                'param_scheduler: WeakTrWarmupCosineLR expects warmup_steps below total_steps = '
                f'{total_steps}, got {warmup_steps}'
            )
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.warmup_lr = warmup_lr
        self.eta_min = eta_min
        super().__init__(optimizer, 'lr', **kwargs)

    def _get_value(self) -> list[float]:
        step = max(self.last_step - 1, 0)
        if step < self.warmup_steps:
            progress = step / self.warmup_steps
            return [self.warmup_lr + (lr - self.warmup_lr) * progress for lr in self.base_values]
        height = (1 + math.cos(math.pi * min(step / self.total_steps, 1))) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_values]
