"""How training runs: loops, schedules, hooks, seeds, signals, checkpoints on disk."""

from ..utils.moved import moved_names
from .epoch_loop import WeakTrEpochLoop
from .frozen_cam_loop import WeakTrFrozenCAMLoop
from .frozen_segmentor_loop import WeakTrFrozenSegmentorLoop
from .hooks import WeakTrCheckpointHook
from .optim_wrapper import build_optim_wrapper
from .schedulers import WeakTrPolyLR, WeakTrWarmupCosineLR

__all__ = [
    'WeakTrCheckpointHook',
    'WeakTrEpochLoop',
    'WeakTrFrozenCAMLoop',
    'WeakTrFrozenSegmentorLoop',
    'WeakTrPolyLR',
    'WeakTrWarmupCosineLR',
    'build_optim_wrapper',
]

__getattr__ = moved_names(__name__)
