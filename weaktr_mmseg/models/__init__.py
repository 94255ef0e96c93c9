"""Networks of both stages."""

from .backbones import WeakTrEVA02, WeakTrSegmenterViT, WeakTrViT
from .data_preprocessor import WeakTrDataPreprocessor
from .fusions import AdaptiveAttentionFusion
from .heads import WeakTrCAMHead, WeakTrGradientClippingHead
from .losses import WeakTrGradientClippingLoss
from .segmentors import WeakTrCAMSegmentor, WeakTrCRFTTAModel, WeakTrSegmentor

__all__ = [
    'AdaptiveAttentionFusion',
    'WeakTrCAMHead',
    'WeakTrCAMSegmentor',
    'WeakTrCRFTTAModel',
    'WeakTrDataPreprocessor',
    'WeakTrEVA02',
    'WeakTrGradientClippingHead',
    'WeakTrGradientClippingLoss',
    'WeakTrSegmenterViT',
    'WeakTrSegmentor',
    'WeakTrViT',
]
