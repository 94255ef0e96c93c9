"""Checks of data and configuration before hours of training."""

from .check_data import check_data
from .problems import ERROR, WARNING, Problem, Report

__all__ = [
    'ERROR',
    'WARNING',
    'Problem',
    'Report',
    'check_data',
]
