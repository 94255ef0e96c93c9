"""Joins the stages."""

from .pipeline_runner import WeakTrRunner
from .ratio_poly_lr import WeakTrPolyLR
from .warmup_cosine_lr import WeakTrWarmupCosineLR

__all__ = ['WeakTrPolyLR', 'WeakTrRunner', 'WeakTrWarmupCosineLR']
