"""Pictures of maps and labels, and the report of a run."""

from .head_weight_hook import WeakTrHeadWeightHook

__all__ = ['WeakTrHeadWeightHook']
