"""Losses of both stages."""

from .gradient_clipping_loss import WeakTrGradientClippingLoss
from .multi_label_soft_margin_loss import WeakTrMultiLabelSoftMarginLoss

__all__ = [
    'WeakTrGradientClippingLoss',
    'WeakTrMultiLabelSoftMarginLoss',
]
