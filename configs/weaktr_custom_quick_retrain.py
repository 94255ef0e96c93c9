# Your own data, stage 2 of quick mode alone: a linear segmentor on a frozen DINOv2-S.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_frozen_dinov2-s.py',
    '_base_/custom_pretrained.py', '_base_/datasets/custom_retrain_frozen.py',
    '_base_/schedules/frozen_retrain.py'
]
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes  # noqa: E402

num_classes = len(discover_classes(_base_.custom_root))  # with background
work_dir = 'work_dirs/weaktr_custom_quick/retrain'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint=_base_.pretrained)),
    decode_head=dict(num_classes=num_classes))
default_hooks = dict(checkpoint=dict(interval=4))  # each file has the whole encoder
