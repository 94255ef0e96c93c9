"""Trained networks applied to images outside any data set."""

from ..utils.configs import read_config
from .cams import CAMInspection, CAMInspector
from .inferencer import WeakTrInferencer
from .models import build_cam_model, build_segmentor, cam_stage_config, init_model
from .publish import publish_model, push_to_hub
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
    'init_model',
    'publish_model',
    'push_to_hub',
    'read_config',
    'segment_files',
]
