# Your own data, the segmentor of the plus recipe alone: DINOv2-S, fine-tuned with a linear head.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_frozen_dinov2-s.py',
    '_base_/custom_pretrained.py', '_base_/datasets/custom_retrain_plus.py',
    '_base_/schedules/retrain_plus.py'
]
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes  # noqa: E402

num_classes = len(discover_classes(_base_.custom_root))  # with background
work_dir = 'work_dirs/weaktr_custom_plus/retrain'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint=_base_.pretrained)),
    decode_head=dict(num_classes=num_classes))
default_hooks = dict(checkpoint=dict(interval=None))  # with the validations
