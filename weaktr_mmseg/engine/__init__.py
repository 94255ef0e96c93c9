"""How training runs: loops, schedules, hooks, seeds, signals, checkpoints on disk."""

from ..checkpoints import safe_load  # noqa: F401 - its readers take the place of mmengine's
from .epoch_loop import WeakTrEpochLoop
from .frozen_encoder_loop import WeakTrFrozenEncoderLoop
from .hooks import WeakTrCheckpointHook
from .schedulers import WeakTrPolyLR, WeakTrWarmupCosineLR

__all__ = [
    'WeakTrCheckpointHook',
    'WeakTrEpochLoop',
    'WeakTrFrozenEncoderLoop',
    'WeakTrPolyLR',
    'WeakTrWarmupCosineLR',
]
