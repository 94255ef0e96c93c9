# MS COCO 2014 with image-level labels. Masks are read by the test loader alone, to score.
_base_ = './voc12_cam.py'
dataset_type = 'WeakTrCOCO14Dataset'
data_root = 'data/coco'
test_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0, 0.8, 1.2]),
    dict(type='PackImageLabelInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',  # 82,081 images with an object
        pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',  # 40,137 images with an object
        pipeline={{_base_.val_pipeline}},
        test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        masks=True,
        pipeline=test_pipeline,
        test_mode=True))
