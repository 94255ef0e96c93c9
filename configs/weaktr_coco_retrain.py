# COCO, stage 2 alone: segmentor trained on the pseudo labels of work_dirs/weaktr_coco.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_vit-s.py',
    '_base_/datasets/coco14_retrain.py', '_base_/schedules/weaktr_retrain.py'
]
work_dir = 'work_dirs/weaktr_coco/retrain'
model = dict(
    decode_head=dict(
        num_classes=81,
        loss_decode=dict(images_per_group=1)))  # published with one image on each of four GPUs
