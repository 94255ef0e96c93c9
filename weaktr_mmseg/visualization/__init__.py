"""Pictures of maps and labels."""

from .hooks import WeakTrCAMVisualizationHook, WeakTrHeadWeightHook

__all__ = [
    'WeakTrCAMVisualizationHook',
    'WeakTrHeadWeightHook',
]
