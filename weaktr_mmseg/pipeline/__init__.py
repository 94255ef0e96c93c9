"""The pipeline: joins the stages; nothing else knows that there are stages."""

from .runner import WeakTrRunner

__all__ = [
    'WeakTrRunner',
]
