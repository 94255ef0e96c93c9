"""Heads of both stages."""

from .cam_head import WeakTrCAMHead
from .gradient_clipping_head import WeakTrGradientClippingHead

__all__ = [
    'WeakTrCAMHead',
    'WeakTrGradientClippingHead',
]
