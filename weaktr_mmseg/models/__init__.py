"""Networks of both stages."""

from .attention_fusion import AdaptiveAttentionFusion
from .cam_head import WeakTrCAMHead
from .cam_segmentor import WeakTrCAMSegmentor
from .crf_tta import WeakTrCRFTTAModel
from .data_preprocessor import WeakTrDataPreprocessor
from .gradient_clipping_head import WeakTrGradientClippingHead
from .gradient_clipping_loss import WeakTrGradientClippingLoss
from .segmenter_eva02 import WeakTrEVA02
from .segmenter_vit import WeakTrSegmenterViT
from .weaktr_segmentor import WeakTrSegmentor
from .weaktr_vit import WeakTrViT

__all__ = [
    'AdaptiveAttentionFusion',
    'WeakTrCAMHead',
    'WeakTrCAMSegmentor',
    'WeakTrCRFTTAModel',
    'WeakTrDataPreprocessor',
    'WeakTrEVA02',
    'WeakTrGradientClippingHead',
    'WeakTrGradientClippingLoss',
    'WeakTrSegmentor',
    'WeakTrSegmenterViT',
    'WeakTrViT',
]
