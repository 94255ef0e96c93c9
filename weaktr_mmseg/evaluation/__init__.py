"""Evaluators of the stages."""

from .average_precision import mean_average_precision
from .cam_metric import WeakTrCAMMetric
from .cam_writer import WeakTrCAMWriter
from .optional_iou_metric import OptionalIoUMetric

__all__ = ['OptionalIoUMetric', 'WeakTrCAMMetric', 'WeakTrCAMWriter', 'mean_average_precision']
