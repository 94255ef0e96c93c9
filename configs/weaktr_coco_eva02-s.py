# COCO 2014: CAMs with DeiT-S, retraining with EVA-02-S. Authors: 51.1 mIoU on val.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_eva02-s.py',
    '_base_/datasets/coco14_retrain.py', '_base_/schedules/weaktr_retrain.py',
    '_base_/recipes/coco14.py'
]
work_dir = 'work_dirs/weaktr_coco_eva02-s'
model = dict(
    decode_head=dict(
        num_classes=81,
        loss_decode=dict(images_per_group=1)))  # published with one image on each of four GPUs
