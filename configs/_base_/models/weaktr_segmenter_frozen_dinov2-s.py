# Segmentor on DINOv2-S/14 as it is pretrained: a linear decode head.
num_classes = 21  # VOC with background
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size_divisor=14)
model = dict(
    type='WeakTrSegmentor',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrSegmenterViT',
        arch='deit-small',  # width 384, 12 layers, 6 heads
        img_size=224,
        patch_size=14,
        layer_scale_init_value=1e-5,  # has LayerScale; the values are those of the checkpoint
        norm_cfg=dict(type='LN', eps=1e-6),
        out_type='featmap',
        interpolate_mode='bicubic',
        init_cfg=dict(type='WeakTrPretrained', checkpoint='dinov2-s')),
    decode_head=dict(
        type='WeakTrLinearHead',
        in_channels=384,
        num_classes=num_classes,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole', precision='auto'))
