"""Learning-rate schedules."""

from .ratio_poly_lr import WeakTrPolyLR
from .warmup_cosine_lr import WeakTrWarmupCosineLR

__all__ = [
    'WeakTrPolyLR',
    'WeakTrWarmupCosineLR',
]
