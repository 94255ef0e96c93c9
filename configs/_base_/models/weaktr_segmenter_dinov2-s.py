# Segmentor with DINOv2-S, whose patches of 14 px the converter resizes to 16 px.
# Start: tools/convert_checkpoint.py dinov2_vits14_pretrain.pth checkpoints/dinov2-s.pth
_base_ = './weaktr_segmenter_vit-s.py'
data_preprocessor = dict(  # ImageNet's, rounded as in the original
    mean=[123.68, 116.28, 103.53], std=[58.40, 57.12, 57.38])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        layer_scale_init_value=1e-5,
        interpolate_mode='bilinear',
        init_cfg=dict(checkpoint='checkpoints/dinov2-s.pth')))
