"""Networks of both stages."""

from .attention_fusion import AdaptiveAttentionFusion
from .cam_head import WeakTrCAMHead
from .cam_segmentor import WeakTrCAMSegmentor
from .data_preprocessor import WeakTrDataPreprocessor
from .weaktr_vit import WeakTrViT

__all__ = [
    'AdaptiveAttentionFusion',
    'WeakTrCAMHead',
    'WeakTrCAMSegmentor',
    'WeakTrDataPreprocessor',
    'WeakTrViT',
]
