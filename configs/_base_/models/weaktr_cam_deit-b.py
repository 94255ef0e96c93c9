# CAM network with DeiT-B/16.
_base_ = './weaktr_cam_deit-s.py'
model = dict(
    backbone=dict(
        arch='deit-base',  # width 768, 12 layers, 12 heads
        init_cfg=dict(_delete_=True, type='WeakTrPretrained', checkpoint='deit-b')),
    cam_head=dict(in_channels=768))
