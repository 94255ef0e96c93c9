# Segmentor with DeiT-S/16.
_base_ = './weaktr_segmenter_vit-s.py'
data_preprocessor = dict(  # ImageNet's, rounded as in the original
    mean=[123.68, 116.28, 103.53], std=[58.40, 57.12, 57.38])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        interpolate_mode='bilinear', init_cfg=dict(checkpoint='deit-s')))
