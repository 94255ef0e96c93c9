# Your own data, stage 1 of quick mode alone: maps from a frozen DINOv2-S.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_cam_frozen_dinov2-s.py',
    '_base_/custom_pretrained.py', '_base_/datasets/custom_cam_frozen.py',
    '_base_/schedules/frozen_cam.py'
]
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes  # noqa: E402

num_classes = len(discover_classes(_base_.custom_root)) - 1  # foreground classes of your labels
work_dir = 'work_dirs/weaktr_custom_quick/cam'
model = dict(
    backbone=dict(
        num_classes=num_classes, init_cfg=dict(checkpoint=_base_.pretrained)),
    cam_head=dict(num_classes=num_classes))
default_hooks = dict(checkpoint=dict(interval=4))  # each file has the whole encoder
