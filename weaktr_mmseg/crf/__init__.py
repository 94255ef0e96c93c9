"""Fully connected CRF on the permutohedral lattice: arrays and tensors only."""

from .allocator import tune_allocator
from .dense_crf import BilateralTerm, DenseCRF, GaussianTerm
from .unary import label_probabilities, unary_from_labels, unary_from_probabilities

__all__ = [
    'BilateralTerm',
    'DenseCRF',
    'GaussianTerm',
    'tune_allocator',
    'label_probabilities',
    'unary_from_labels',
    'unary_from_probabilities',
]
