"""Networks of both stages."""

from .backbones import (
    WeakTrEVA02,
    WeakTrSegmenterViT,
    WeakTrTimmSegmenterViT,
    WeakTrTimmViT,
    WeakTrViT,
)
from .data_preprocessor import WeakTrDataPreprocessor
from .features import WeakTrFeatures
from .fusions import AdaptiveAttentionFusion, HeadFusion, WeakTrStaticFusion, WeakTrUniformFusion
from .heads import WeakTrCAMHead, WeakTrGradientClippingHead, WeakTrLinearHead
from .losses import (
    WeakTrGradientClippingLoss,
    WeakTrHeadEntropyLoss,
    WeakTrMultiLabelSoftMarginLoss,
    WeakTrRefinementLoss,
    WeakTrSeedCompletionLoss,
)
from .segmentors import WeakTrCAMSegmentor, WeakTrCRFTTAModel, WeakTrSegmentor

__all__ = [
    'AdaptiveAttentionFusion',
    'HeadFusion',
    'WeakTrCAMHead',
    'WeakTrCAMSegmentor',
    'WeakTrCRFTTAModel',
    'WeakTrDataPreprocessor',
    'WeakTrEVA02',
    'WeakTrFeatures',
    'WeakTrGradientClippingHead',
    'WeakTrGradientClippingLoss',
    'WeakTrHeadEntropyLoss',
    'WeakTrLinearHead',
    'WeakTrMultiLabelSoftMarginLoss',
    'WeakTrRefinementLoss',
    'WeakTrSeedCompletionLoss',
    'WeakTrSegmenterViT',
    'WeakTrSegmentor',
    'WeakTrStaticFusion',
    'WeakTrTimmSegmenterViT',
    'WeakTrTimmViT',
    'WeakTrUniformFusion',
    'WeakTrViT',
]
