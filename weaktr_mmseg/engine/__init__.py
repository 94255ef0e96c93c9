"""Joins the stages."""

from .pipeline_runner import WeakTrRunner

__all__ = ['WeakTrRunner']
