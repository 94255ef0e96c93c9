"""Trained networks applied to images outside any data set."""

from .cams import CAMInspection, CAMInspector
from .models import build_cam_model, build_segmentor, cam_stage_config, read_config

__all__ = [
    'CAMInspection',
    'CAMInspector',
    'build_cam_model',
    'build_segmentor',
    'cam_stage_config',
    'read_config',
]
