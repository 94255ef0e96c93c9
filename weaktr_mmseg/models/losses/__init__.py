"""Losses of both stages."""

from .gradient_clipping_loss import WeakTrGradientClippingLoss
from .head_entropy_loss import WeakTrHeadEntropyLoss
from .multi_label_soft_margin_loss import WeakTrMultiLabelSoftMarginLoss
from .refinement_loss import WeakTrRefinementLoss
from .seed_completion_loss import WeakTrSeedCompletionLoss

__all__ = [
    'WeakTrGradientClippingLoss',
    'WeakTrHeadEntropyLoss',
    'WeakTrMultiLabelSoftMarginLoss',
    'WeakTrRefinementLoss',
    'WeakTrSeedCompletionLoss',
]
