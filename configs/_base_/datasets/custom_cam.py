# Your own images with image-level labels; augmentation as for VOC. Masks, if there are any, are
# read by the test loader alone, to score.
_base_ = ['./voc12_cam.py', './custom_root.py']
dataset_type = 'WeakTrCustomDataset'
data_root = {{_base_.custom_root}}
short_side = 375  # as most of VOC's, at which the published recipe predicts
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='Resize', scale=(4 * short_side, short_side), keep_ratio=True,  # bounds of both sides
        backend='pillow', interpolation='bicubic'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0, 1.2]),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(
    num_workers=4,
    drop_last=False,  # a small folder may not fill one batch
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/train.txt',
        pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/val.txt',
        pipeline={{_base_.val_pipeline}},
        test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/train.txt',
        masks=True,
        pipeline=test_pipeline,
        test_mode=True))
