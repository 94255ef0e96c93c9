# Your own images for a frozen encoder: each is seen whole, at one size in training.
_base_ = './custom_cam.py'
side = 224  # of the square; a grid of 16 x 16 patches of 14 px
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='Resize', scale=(side, side), keep_ratio=False,
        backend='pillow', interpolation='bicubic'),
    dict(type='PackImageLabelInputs'),
]
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(
        type='Resize', scale=(6 * side, side), keep_ratio=True,  # bounds of long and short side
        backend='pillow', interpolation='bicubic'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0, 1.2]),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(
    batch_size=32, num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
