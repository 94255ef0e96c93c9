# Your own data, stage 2 alone: segmentor trained on the pseudo labels of work_dirs/weaktr_custom.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_dinov2-s.py',
    '_base_/custom_pretrained.py', '_base_/datasets/custom_retrain.py',
    '_base_/schedules/weaktr_retrain.py'
]
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes  # noqa: E402

num_classes = len(discover_classes(_base_.custom_root))  # with background
work_dir = 'work_dirs/weaktr_custom/retrain'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint=_base_.pretrained)),
    decode_head=dict(num_classes=num_classes),
    test_cfg=dict(precision='auto'))
optim_wrapper = dict(type='WeakTrOptimWrapper')  # in the precision that the machine is fast in
train_cfg = dict(  # epochs and their schedules follow from the number of photographs
    updates=12500,  # 100 epochs, as published, of 500 photographs, 4 an update
    max_epochs=None,
    val_interval=None)  # ten validations
default_hooks = dict(checkpoint=dict(interval=None))  # with the validations
