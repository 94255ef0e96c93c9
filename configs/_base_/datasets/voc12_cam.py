# Pascal VOC 2012 with image-level labels. Masks are read by the test loader alone, to score.
dataset_type = 'WeakTrVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
bgr_mean, bgr_std = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]  # ImageNet
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
        backend='pillow',
        interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        _scope_='mmpretrain',  # for its policies as well
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[round(x) for x in bgr_mean], interpolation='bicubic')),
    dict(
        type='mmpretrain.RandomErasing',
        erase_prob=0.25,
        max_area_ratio=1 / 3,  # DeiT's; mmpretrain's default is 0.4
        mode='rand',  # noise per pixel
        fill_color=bgr_mean,
        fill_std=bgr_std),
    dict(type='PackImageLabelInputs'),
]
val_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='mmpretrain.ResizeEdge', scale=256, backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.CenterCrop', crop_size=224),
    dict(type='PackImageLabelInputs'),
]
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0, 1.2]),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/trainaug.txt',  # 10,582 images
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=val_pipeline,
        test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',  # 1,464 images, on which papers score CAMs
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=test_pipeline,
        test_mode=True))
val_evaluator = dict(type='WeakTrCAMMetric')
test_evaluator = dict(type='WeakTrCAMMetric')
