"""Hooks that watch over a run."""

from .batch_hook import WeakTrBatchHook
from .checkpoint_hook import WeakTrCheckpointHook
from .class_list_hook import WeakTrClassListHook
from .data_fault_hook import WeakTrDataFaultHook
from .finite_hook import WeakTrFiniteHook

__all__ = [
    'WeakTrBatchHook',
    'WeakTrCheckpointHook',
    'WeakTrClassListHook',
    'WeakTrDataFaultHook',
    'WeakTrFiniteHook',
]
