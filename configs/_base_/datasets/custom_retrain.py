# Your own images with pseudo labels for training; augmentation as for VOC. Masks, if there are any,
# are read by the validation loader alone, to score.
_base_ = ['./voc12_retrain.py', './custom_root.py']
dataset_type = 'WeakTrCustomDataset'
data_root = {{_base_.custom_root}}
pseudo_labels_dir = 'work_dirs/weaktr_custom/pseudo_labels'  # set by the pipeline to its own
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadPseudoLabel', folder=pseudo_labels_dir),
    *_base_.train_pipeline[2:],
]
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='Resize', scale=_base_.img_scale, keep_ratio=True),
    dict(type='LoadOptionalMask'),
    dict(type='PackImageLabelInputs'),  # with sample_id, which names the predicted masks
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        labels=None,
        ann_file='splits/train.txt',
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/val.txt',  # labelled, for the score given the labels
        masks=True,
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='OptionalIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
tta_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            *_base_.tta_pipeline[1].transforms[:2],
            [dict(type='LoadOptionalMask')],
            [dict(type='PackImageLabelInputs')],
        ])
]
