"""Pictures of maps and labels, and the report of a run."""

from .cam_visualization_hook import WeakTrCAMVisualizationHook
from .head_weight_hook import WeakTrHeadWeightHook

__all__ = ['WeakTrCAMVisualizationHook', 'WeakTrHeadWeightHook']
