# Your own data, stage 1 alone, with DINOv2-B/14.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_cam_dinov2-b.py',
    '_base_/datasets/custom_cam.py', '_base_/schedules/weaktr_cam.py'
]
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes  # noqa: E402

num_classes = len(discover_classes(_base_.custom_root)) - 1  # foreground classes of your labels
work_dir = 'work_dirs/weaktr_custom/cam_dinov2-b'
model = dict(
    backbone=dict(num_classes=num_classes),
    cam_head=dict(num_classes=num_classes),
    test_cfg=dict(precision='auto'))
optim_wrapper = dict(type='WeakTrOptimWrapper')  # in the precision that the machine is fast in
train_cfg = dict(  # epochs and their schedules follow from the number of photographs
    updates=5000,  # half of VOC's 60 epochs of 10,582 images, 64 an update
    max_epochs=None,
    val_interval=None)  # ten validations
default_hooks = dict(
    checkpoint=dict(
        interval=None,  # with the validations
        save_best='cam/image_map',  # without any pixel label
        rule='greater'))
