"""Losses of both stages."""

from .gradient_clipping_loss import WeakTrGradientClippingLoss
from .multi_label_soft_margin_loss import WeakTrMultiLabelSoftMarginLoss
from .seed_completion_loss import WeakTrSeedCompletionLoss

__all__ = [
    'WeakTrGradientClippingLoss',
    'WeakTrMultiLabelSoftMarginLoss',
    'WeakTrSeedCompletionLoss',
]
