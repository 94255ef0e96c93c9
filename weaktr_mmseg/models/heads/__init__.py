"""Heads of both stages."""

from .cam_head import WeakTrCAMHead
from .gradient_clipping_head import WeakTrGradientClippingHead
from .linear_head import WeakTrLinearHead

__all__ = [
    'WeakTrCAMHead',
    'WeakTrGradientClippingHead',
    'WeakTrLinearHead',
]
