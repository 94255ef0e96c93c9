"""Encoders of both stages."""

from .segmenter_eva02 import WeakTrEVA02
from .segmenter_vit import WeakTrSegmenterViT
from .timm_segmenter_vit import WeakTrTimmSegmenterViT
from .timm_vit import WeakTrTimmViT
from .weaktr_vit import WeakTrViT

__all__ = [
    'WeakTrEVA02',
    'WeakTrSegmenterViT',
    'WeakTrTimmSegmenterViT',
    'WeakTrTimmViT',
    'WeakTrViT',
]
