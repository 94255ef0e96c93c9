# Your own data, stage 1 alone, with DeiT-B/16.
_base_ = './weaktr_custom_cam.py'
work_dir = 'work_dirs/weaktr_custom/cam_deit-b'
model = dict(
    backbone=dict(
        arch='deit-base',  # width 768, 12 layers, 12 heads
        patch_size=16,
        layer_scale_init_value=0.0,  # it has none
        final_norm=False,  # as published
        init_cfg=dict(checkpoint='deit-b')),
    cam_head=dict(in_channels=768))
