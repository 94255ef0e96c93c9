# MS COCO 2014 with pseudo labels for training and true masks for validation.
_base_ = './voc12_retrain.py'
dataset_type = 'WeakTrCOCO14Dataset'
data_root = 'data/coco'
pseudo_labels_dir = 'work_dirs/weaktr_coco/pseudo_labels'  # set by the pipeline to its own
train_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadPseudoLabel', folder=pseudo_labels_dir),
    dict(
        type='RandomResize',
        scale={{_base_.img_scale}},
        ratio_range=(0.5, 2.0),
        keep_ratio=True),
    dict(type='RandomCrop', crop_size={{_base_.crop_size}}, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',
        masks=True,
        pipeline={{_base_.test_pipeline}},
        test_mode=True))
test_dataloader = val_dataloader
tta_model = dict(refine=dict(preset='coco_seg'))
