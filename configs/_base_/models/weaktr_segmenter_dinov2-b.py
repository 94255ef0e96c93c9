# Segmentor with DINOv2-B.
_base_ = './weaktr_segmenter_dinov2-s.py'
model = dict(
    backbone=dict(
        arch='deit-base',  # mmpretrain's name for width 768, 12 layers, 12 heads
        init_cfg=dict(checkpoint='dinov2-b')),
    decode_head=dict(
        in_channels=768, channels=768, embed_dims=768, num_heads=12))  # width / 64
