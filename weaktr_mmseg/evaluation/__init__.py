"""Evaluators of the stages."""

from .average_precision import mean_average_precision
from .cam_metric import WeakTrCAMMetric
from .cam_writer import WeakTrCAMWriter
from .optional_iou_metric import OptionalIoUMetric
from .score_writer import WeakTrScoreWriter

__all__ = [
    'OptionalIoUMetric',
    'WeakTrCAMMetric',
    'WeakTrCAMWriter',
    'WeakTrScoreWriter',
    'mean_average_precision',
]
