# Your own data, stage 1 alone, with DINOv2-B/14.
_base_ = './weaktr_custom_cam.py'
work_dir = 'work_dirs/weaktr_custom/cam_dinov2-b'
model = dict(
    backbone=dict(
        arch='deit-base',  # width 768, 12 layers, 12 heads
        init_cfg=dict(checkpoint='dinov2-b')),
    cam_head=dict(in_channels=768))
