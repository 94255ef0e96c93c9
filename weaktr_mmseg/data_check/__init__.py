"""Checks of data and configuration before hours of training."""

from .check_data import check_data
from .lists import Listing, check_leakage, list_dataset
from .model import check_checkpoints, check_class_counts
from .pixels import check_pixels
from .problems import ERROR, WARNING, Problem, Report

__all__ = [
    'ERROR',
    'WARNING',
    'Listing',
    'Problem',
    'Report',
    'check_checkpoints',
    'check_class_counts',
    'check_data',
    'check_leakage',
    'check_pixels',
    'list_dataset',
]
