# Composed scenes with image-level labels. Masks are read by the test loader alone, to score.
dataset_type = 'WeakTrDemoDataset'
data_root = 'data/demo'
labels = dict(type='voc_xml', path='Annotations')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomFlip', prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='RandomRotate', prob=0.5, degree=(90, 90)),
    dict(type='PackImageLabelInputs'),
]
val_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackImageLabelInputs')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='WeakTrMultiScale', scales=[0.8, 1.0, 1.25]),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=0,  # the scenes load faster than a second process would compete for the cores
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        labels=labels,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=50,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        labels=labels,
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages'),
        pipeline=val_pipeline,
        test_mode=True))
test_dataloader = dict(
    batch_size=25,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        labels=labels,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=test_pipeline,
        test_mode=True))
val_evaluator = dict(type='WeakTrCAMMetric')
test_evaluator = dict(type='WeakTrCAMMetric')
