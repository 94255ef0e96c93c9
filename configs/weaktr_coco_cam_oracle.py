# COCO, stage 1, the epoch chosen as the authors chose it: by the CAMs of 1,250 training images at a
# single scale and mirrored, against their masks at the best threshold. Which 1,250 is not
# published: these are the first of the list. An oracle: masks decide.
_base_ = './weaktr_coco_cam.py'
work_dir = 'work_dirs/weaktr_coco/cam_oracle'
val_pipeline = [
    dict(type='WeakTrLoadImage'),
    dict(type='LoadOptionalMask'),
    dict(type='WeakTrMultiScale', scales=[1.0]),  # the network adds the mirror image
    dict(type='PackImageLabelInputs'),
]
val_dataloader = dict(
    batch_size=1,
    dataset=dict(split='train', masks=True, indices=1250, pipeline=val_pipeline))
train_cfg = dict(val_interval=1)
default_hooks = dict(checkpoint=dict(save_best='cam/fused_miou_oracle'))
