# VOC 2012: CAMs with DeiT-S, retraining with EVA-02-S. Authors: 78.5 mIoU on val.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_eva02-s.py',
    '_base_/datasets/voc12_retrain.py', '_base_/schedules/weaktr_retrain.py',
    '_base_/recipes/voc12.py'
]
work_dir = 'work_dirs/weaktr_voc_eva02-s'
