"""Fully connected CRF on the permutohedral lattice: arrays and tensors only."""

from .dense_crf import BilateralTerm, DenseCRF, GaussianTerm
from .unary import label_probabilities, unary_from_labels, unary_from_probabilities

__all__ = [
    'BilateralTerm',
    'DenseCRF',
    'GaussianTerm',
    'label_probabilities',
    'unary_from_labels',
    'unary_from_probabilities',
]
