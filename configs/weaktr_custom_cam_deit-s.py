# Your own data, stage 1 alone, with DeiT-S/16.
_base_ = './weaktr_custom_cam.py'
work_dir = 'work_dirs/weaktr_custom/cam_deit-s'
model = dict(
    backbone=dict(
        patch_size=16,
        layer_scale_init_value=0.0,  # it has none
        final_norm=False,  # as published
        init_cfg=dict(checkpoint='deit-s')))
