"""Pictures of maps and labels.

matplotlib, which takes half a second, is imported by what draws and not with the package.
"""

from .hooks import WeakTrCAMVisualizationHook, WeakTrHeadWeightHook
from .seg_visualizer import WeakTrSegVisualizer

__all__ = [
    'WeakTrCAMVisualizationHook',
    'WeakTrHeadWeightHook',
    'WeakTrSegVisualizer',
]
