# Your own data with the encoder of the paper, DeiT-S, in both stages.
_base_ = './weaktr_custom.py'
work_dir = 'work_dirs/weaktr_custom_deit-s'
cam_stage = dict(config='weaktr_custom_cam_deit-s.py')
model = dict(
    backbone=dict(
        layer_scale_init_value=0.0,  # it has none
        init_cfg=dict(checkpoint='deit-s')))
