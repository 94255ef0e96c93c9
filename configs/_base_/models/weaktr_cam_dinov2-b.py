# CAM network with DINOv2-B/14 (arXiv 2304.07193), trained without labels.
_base_ = './weaktr_cam_dinov2-s.py'
model = dict(
    backbone=dict(
        arch='deit-base',  # width 768, 12 layers, 12 heads
        init_cfg=dict(checkpoint='dinov2-b')),
    cam_head=dict(in_channels=768))
