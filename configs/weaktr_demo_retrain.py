# Stage 2 of the demo alone: segmentor trained on the pseudo labels of work_dirs/weaktr_demo.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/demo_vit_segmenter.py',
    '_base_/datasets/demo_retrain.py', '_base_/schedules/demo_retrain.py'
]
work_dir = 'work_dirs/weaktr_demo/retrain'
