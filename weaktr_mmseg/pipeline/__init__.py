"""The pipeline: joins the stages; nothing else knows that there are stages."""

from .runner import WeakTrRunner
from .stage import Run, Stage, register_stage

__all__ = [
    'Run',
    'Stage',
    'WeakTrRunner',
    'register_stage',
]
