"""Hooks that draw or record what a network does."""

from .cam_visualization_hook import WeakTrCAMVisualizationHook
from .head_weight_hook import WeakTrHeadWeightHook

__all__ = [
    'WeakTrCAMVisualizationHook',
    'WeakTrHeadWeightHook',
]
