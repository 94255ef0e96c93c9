# COCO, stage 1 alone: classification network that yields class activation maps.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_cam_deit-s.py',
    '_base_/datasets/coco14_cam.py', '_base_/schedules/weaktr_cam.py'
]
work_dir = 'work_dirs/weaktr_coco/cam'
model = dict(
    backbone=dict(num_classes=80),
    cam_head=dict(num_classes=80))
optim_wrapper = dict(optimizer=dict(lr=2e-4 * 64 / 512))  # 2e-4 per 512 images
train_cfg = dict(val_interval=10)  # 40,137 images take a sixth of an epoch of training
default_hooks = dict(  # without any pixel label
    checkpoint=dict(save_best='cam/image_map', rule='greater'))
