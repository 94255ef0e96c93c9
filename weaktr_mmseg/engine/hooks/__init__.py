"""Hooks that watch over a run."""

from .checkpoint_hook import WeakTrCheckpointHook

__all__ = ['WeakTrCheckpointHook']
