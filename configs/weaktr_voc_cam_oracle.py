# VOC, stage 1, the epoch chosen as the authors chose it: by the CAMs of the 1,464 images of train
# at a single scale and mirrored, against their masks at the best threshold. An oracle, since masks
# decide.
_base_ = './weaktr_voc_cam.py'
work_dir = 'work_dirs/weaktr_voc/cam_oracle'
val_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0]),  # the network adds the mirror image
    dict(type='PackImageLabelInputs'),
]
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=val_pipeline))
default_hooks = dict(checkpoint=dict(save_best='cam/fused_miou_oracle'))
