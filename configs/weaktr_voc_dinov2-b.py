# VOC 2012: CAMs with DeiT-S, retraining with DINOv2-B.
# The authors report no DINOv2-B; the schedule is that of the smaller encoders.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/weaktr_segmenter_dinov2-b.py',
    '_base_/datasets/voc12_retrain.py', '_base_/schedules/weaktr_retrain.py',
    '_base_/recipes/voc12.py'
]
work_dir = 'work_dirs/weaktr_voc_dinov2-b'
