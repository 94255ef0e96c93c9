"""Joins the stages."""

from ..checkpoints import safe_load  # noqa: F401 - its readers take the place of mmengine's
from .epoch_loop import WeakTrEpochLoop
from .hooks import WeakTrCheckpointHook
from .pipeline_runner import WeakTrRunner
from .ratio_poly_lr import WeakTrPolyLR
from .warmup_cosine_lr import WeakTrWarmupCosineLR

__all__ = [
    'WeakTrCheckpointHook',
    'WeakTrEpochLoop',
    'WeakTrPolyLR',
    'WeakTrRunner',
    'WeakTrWarmupCosineLR',
]
