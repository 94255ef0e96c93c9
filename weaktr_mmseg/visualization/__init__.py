"""Pictures of maps and labels."""

from .hooks import WeakTrCAMVisualizationHook, WeakTrHeadWeightHook
from .seg_visualizer import WeakTrSegVisualizer

__all__ = [
    'WeakTrCAMVisualizationHook',
    'WeakTrHeadWeightHook',
    'WeakTrSegVisualizer',
]
