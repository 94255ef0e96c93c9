"""Pseudo labels: functions on arrays and files, without models or registries."""

from .cam_files import read_cams, read_mask, write_cams, write_mask
from .dense_crf import (
    BilateralTerm,
    DenseCRF,
    GaussianTerm,
    refine_label_map,
    unary_from_labels,
    unary_from_probabilities,
)
from .generate import LabelRule, write_masks
from .labelling import label_map
from .thresholds import ThresholdSweep, otsu_threshold, score_histogram

__all__ = [
    'BilateralTerm',
    'DenseCRF',
    'GaussianTerm',
    'LabelRule',
    'ThresholdSweep',
    'label_map',
    'otsu_threshold',
    'read_cams',
    'read_mask',
    'refine_label_map',
    'score_histogram',
    'unary_from_labels',
    'unary_from_probabilities',
    'write_cams',
    'write_mask',
    'write_masks',
]
