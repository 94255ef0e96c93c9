# CAM network as published: DeiT-S/16 with a class token per class, adaptive attention fusion.
num_classes = 20  # foreground classes of VOC
data_preprocessor = dict(
    type='WeakTrDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    size_divisor=1)
model = dict(
    type='WeakTrCAMSegmentor',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrViT',
        num_classes=num_classes,
        arch='deit-small',  # width 384, 12 layers, 6 heads
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,
        norm_cfg=dict(type='LN', eps=1e-6),
        fusion=dict(type='AdaptiveAttentionFusion'),  # as published: reductions of 8, max
        init_cfg=dict(type='WeakTrPretrained', checkpoint='deit-s')),  # docs/weights.md
    cam_head=dict(type='WeakTrCAMHead', in_channels=384, num_classes=num_classes),
    test_cfg=dict(coarse=True))
