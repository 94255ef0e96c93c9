"""Pseudo labels: functions on arrays and files, without models."""

from .cam_files import read_cams, write_cams
from .generate import write_masks
from .label_rule import LabelRule
from .labelling import label_map
from .thresholds import ThresholdSweep, otsu_threshold, score_histogram

__all__ = [
    'LabelRule',
    'ThresholdSweep',
    'label_map',
    'otsu_threshold',
    'read_cams',
    'score_histogram',
    'write_cams',
    'write_masks',
]
