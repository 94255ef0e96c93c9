# Your own images with image-level labels; augmentation as for VOC. Masks, if there are any, are
# read by the test loader alone, to score.
_base_ = ['./voc12_cam.py', './custom_root.py']
dataset_type = 'WeakTrCustomDataset'
data_root = {{_base_.custom_root}}
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
        type='mmpretrain.RandAugment',
        _scope_='mmpretrain',  # where its operations are registered
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
    dict(
        type='mmpretrain.RandomErasing',
        erase_prob=0.25,
        mode='rand',  # noise per pixel
        fill_color=_base_.bgr_mean,
        fill_std=_base_.bgr_std),
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
        pipeline=train_pipeline))
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
        pipeline={{_base_.test_pipeline}},
        test_mode=True))
