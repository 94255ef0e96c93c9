# Segmentor with EVA-02-S: rotary positions and SwiGLU.
_base_ = './weaktr_segmenter_vit-s.py'
data_preprocessor = dict(  # CLIP's, rounded as in the original
    mean=[122.77, 116.75, 104.09], std=[68.50, 66.63, 70.32])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrEVA02',
        arch='small',
        interpolate_mode='bilinear',
        init_cfg=dict(checkpoint='eva02-s')))
