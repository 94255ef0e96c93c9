"""Losses of both stages."""

from .gradient_clipping_loss import WeakTrGradientClippingLoss

__all__ = [
    'WeakTrGradientClippingLoss',
]
