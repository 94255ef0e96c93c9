"""Pseudo labels: functions on arrays and files, without models."""

from ..utils.moved import moved_names
from .cam_files import read_cams, write_cams
from .generate import write_masks
from .label_rule import LabelRule
from .labelling import label_map
from .threshold_choice import choose_threshold, otsu_threshold, score_histogram
from .thresholds import ThresholdSweep

__all__ = [
    'LabelRule',
    'ThresholdSweep',
    'choose_threshold',
    'label_map',
    'otsu_threshold',
    'read_cams',
    'score_histogram',
    'write_cams',
    'write_masks',
]

__getattr__ = moved_names(__name__)
