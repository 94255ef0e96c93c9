# Pascal VOC 2012 with pseudo labels for training and true masks for validation.
dataset_type = 'WeakTrVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
pseudo_labels_dir = 'work_dirs/weaktr_voc/pseudo_labels'  # set by the pipeline to its own
crop_size = (480, 480)
short_side = 520
img_scale = (8 * short_side, short_side)  # bounds of the long and the short side
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadPseudoLabel', folder=pseudo_labels_dir),
    dict(type='RandomResize', scale=img_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='Resize', scale=img_scale, keep_ratio=True),
    dict(type='LoadOptionalMask'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        labels=None,
        ann_file='ImageSets/Segmentation/trainaug.txt',  # 10,582 images
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        labels=None,
        ann_file='ImageSets/Segmentation/val.txt',  # 1,449 images
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

# tools/test.py CONFIG CHECKPOINT --tta: the published evaluation. Six scales and their mirror
# images, the decoder read out after both of its layers, then the CRF.
tta_ratios = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
tta_model = dict(
    type='WeakTrCRFTTAModel',
    readout_weights=(0.8, 1.0),
    refine=dict(type='DenseCRF', preset='voc_seg'))
tta_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='Resize',
                    scale=(int(8 * short_side * ratio), int(short_side * ratio)),  # truncated
                    keep_ratio=True) for ratio in tta_ratios
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadOptionalMask')],
            [dict(type='PackSegInputs')],
        ])
]
