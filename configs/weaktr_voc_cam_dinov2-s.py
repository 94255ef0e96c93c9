# VOC, stage 1 alone, with DINOv2-S/14: classification network that yields class activation maps.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_cam_dinov2-s.py',
    '_base_/datasets/voc12_cam.py', '_base_/schedules/weaktr_cam.py'
]
work_dir = 'work_dirs/weaktr_voc/cam_dinov2-s'
default_hooks = dict(  # without any pixel label
    checkpoint=dict(save_best='cam/image_map', rule='greater'))
