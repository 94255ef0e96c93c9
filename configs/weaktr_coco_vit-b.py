# COCO 2014: CAMs with DeiT-S, retraining with ViT-B AugReg.
# The authors report no ViT-B; the schedule is that of the smaller encoders.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_vit-b.py',
    '_base_/datasets/coco14_retrain.py', '_base_/schedules/weaktr_retrain.py',
    '_base_/recipes/coco14.py'
]
work_dir = 'work_dirs/weaktr_coco_vit-b'
model = dict(
    decode_head=dict(
        num_classes=81,
        loss_decode=dict(images_per_group=1)))  # as with the smaller encoders
