"""Segmentors of both stages, and of testing."""

from .cam_segmentor import WeakTrCAMSegmentor
from .crf_tta import WeakTrCRFTTAModel
from .weaktr_segmentor import WeakTrSegmentor

__all__ = [
    'WeakTrCAMSegmentor',
    'WeakTrCRFTTAModel',
    'WeakTrSegmentor',
]
