# Segmentor as published, with the AugReg ViT-S/16 fine-tuned at 384 px.
num_classes = 21  # VOC with background
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(480, 480))
model = dict(
    type='WeakTrSegmentor',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrSegmenterViT',
        arch='deit-small',  # mmpretrain's name for width 384, 12 layers, 6 heads
        img_size=480,
        patch_size=16,
        drop_path_rate=0.1,
        norm_cfg=dict(type='LN', eps=1e-5),  # Segmenter's, also for published weights of 1e-6
        out_type='featmap',
        interpolate_mode='bicubic',  # of the position grid, from 384 to 480 px; AugReg alone
        init_cfg=dict(type='WeakTrPretrained', checkpoint='vit-s-augreg')),  # docs/weights.md
    decode_head=dict(
        type='WeakTrGradientClippingHead',
        patch_size=16,
        in_channels=384,
        channels=384,
        embed_dims=384,
        num_layers=2,
        num_heads=6,  # width / 64
        num_classes=num_classes,
        drop_rate=0.1,
        attn_drop_rate=0.1,
        drop_path_rate=0.0,
        loss_decode=dict(type='WeakTrGradientClippingLoss', patch_size=120, start=1.2)),
    train_cfg=dict(),
    test_cfg=dict(
        mode='slide',
        crop_size=(480, 480),
        stride=(320, 320),
        enlarge_small=True))  # images below the window, to it
