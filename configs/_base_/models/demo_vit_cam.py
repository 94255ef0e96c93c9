# CAM network of the demo: a ViT small enough to train from scratch on a CPU.
num_classes = 5  # foreground classes
width = 64
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
        arch=dict(embed_dims=width, num_layers=4, num_heads=4, feedforward_channels=4 * width),
        img_size=64,
        patch_size=8,
        fusion=dict(type='WeakTrStaticFusion'),
        mimetic_gain=1.5,  # start from scratch: see WeakTrViT
        patch_whitening=0.3),
    cam_head=dict(
        type='WeakTrCAMHead',
        in_channels=width,
        num_classes=num_classes,
        loss_fine=None,  # the fusion learns from the edges of the images instead
        aux_losses=[
            dict(
                type='WeakTrRefinementLoss',
                refine=dict(type='PAMR', dilations=[1, 2, 4, 8]),
                size=64,  # as the scenes are
                every=8,  # 4 of a batch
                begin=0.5)
        ]),
    test_cfg=dict(coarse=True))
