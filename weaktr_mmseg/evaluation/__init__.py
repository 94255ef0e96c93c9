"""Evaluators of the stages."""

from .average_precision import mean_average_precision
from .cam_metric import WeakTrCAMMetric
from .cam_writer import WeakTrCAMWriter

__all__ = ['WeakTrCAMMetric', 'WeakTrCAMWriter', 'mean_average_precision']
