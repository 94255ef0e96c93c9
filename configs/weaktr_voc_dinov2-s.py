# VOC 2012: CAMs with DeiT-S, retraining with DINOv2-S. Authors: 75.8 mIoU on val.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_dinov2-s.py',
    '_base_/datasets/voc12_retrain.py', '_base_/schedules/weaktr_retrain.py',
    '_base_/recipes/voc12.py'
]
work_dir = 'work_dirs/weaktr_voc_dinov2-s'
