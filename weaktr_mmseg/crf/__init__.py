"""Fully connected CRF on the permutohedral lattice: arrays and tensors only."""

from .dense_crf import (
    BilateralTerm,
    DenseCRF,
    GaussianTerm,
    refine_label_map,
    unary_from_labels,
    unary_from_probabilities,
)
from .refine_scores import refine_scores

__all__ = [
    'BilateralTerm',
    'DenseCRF',
    'GaussianTerm',
    'refine_label_map',
    'refine_scores',
    'unary_from_labels',
    'unary_from_probabilities',
]
