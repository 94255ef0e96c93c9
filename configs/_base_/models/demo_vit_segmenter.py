# Segmentor of the demo: the CAM network's ViT with Segmenter's mask transformer.
num_classes = 6  # with background
width = 64
norm_cfg = dict(type='LN', eps=1e-6)
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size_divisor=8)
model = dict(
    type='WeakTrSegmentor',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrSegmenterViT',
        arch=dict(embed_dims=width, num_layers=4, num_heads=4, feedforward_channels=4 * width),
        img_size=96,  # finer than the CAM network: 12 x 12 tokens
        patch_size=8,
        drop_path_rate=0.2,  # twice the published rate: many scenes of few photographs
        out_type='featmap',
        interpolate_mode='bilinear'),
    decode_head=dict(
        type='WeakTrGradientClippingHead',
        patch_size=8,  # that of the encoder
        in_channels=width,
        channels=width,
        num_classes=num_classes,
        num_layers=2,
        num_heads=4,
        embed_dims=width,
        init_std=0.1,  # Xavier's for 64 channels; the default 0.02 is for 384 and more
        dropout_ratio=0.0,
        loss_decode=dict(type='WeakTrGradientClippingLoss', patch_size=16, start=0.45)),
    train_cfg=dict(),
    test_cfg=dict(
        mode='whole',
        # The published VOC terms at the scale of the scenes, in pixels of the network's input.
        refine=dict(
            type='DenseCRF',
            gaussian=dict(sxy=2, compat=3),
            bilateral=dict(sxy=20, srgb=5, compat=4))))
