"""Trained networks applied to images outside any data set."""

from ..utils.configs import read_config
from .cams import CAMInspection, CAMInspector
from .inferencer import WeakTrInferencer
from .models import build_cam_model, build_segmentor, cam_stage_config
from .segment import PhotoSegmentor
from .segment_files import segment_files

__all__ = [
    'CAMInspection',
    'CAMInspector',
    'PhotoSegmentor',
    'WeakTrInferencer',
    'build_cam_model',
    'build_segmentor',
    'cam_stage_config',
    'read_config',
    'segment_files',
]
