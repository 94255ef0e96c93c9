# Your own images with labels for training: crops of 280 px, 20 x 20 patches of 14 px.
_base_ = './custom_retrain.py'
crop_size = (280, 280)
short_side = 280
img_scale = (8 * short_side, short_side)  # bounds of the long and the short side
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadPseudoLabel', folder=_base_.pseudo_labels_dir),
    dict(type='RandomResize', scale=img_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='Resize', scale=img_scale, keep_ratio=True,
        backend='pillow', interpolation='bicubic'),
    dict(type='LoadOptionalMask'),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
