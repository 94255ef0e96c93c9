"""Refinement of label maps and probabilities along the edges of the image."""

from .dense_crf import DenseCRFRefiner
from .pamr import PAMRRefiner
from .refiner import Refiner
from .registry import OF_CONFIG, REFINERS, build_refiner, parse_refine, refuse_crf_key

__all__ = [
    'OF_CONFIG',
    'REFINERS',
    'DenseCRFRefiner',
    'PAMRRefiner',
    'Refiner',
    'build_refiner',
    'parse_refine',
    'refuse_crf_key',
]
