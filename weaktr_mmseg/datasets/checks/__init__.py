"""Checks of data and configuration before hours of training."""

from .lists import Listing, check_leakage, list_dataset
from .model import check_checkpoints, check_class_counts
from .pixels import check_pixels
from .report import Problem, Report

__all__ = [
    'Listing',
    'Problem',
    'Report',
    'check_checkpoints',
    'check_class_counts',
    'check_leakage',
    'check_pixels',
    'list_dataset',
]
