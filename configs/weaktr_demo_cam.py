# Stage 1 of the demo alone: classification network that yields class activation maps.
_base_ = [
    '_base_/default_runtime.py', '_base_/models/demo_vit_cam.py', '_base_/datasets/demo_cam.py',
    '_base_/schedules/demo_cam.py'
]
work_dir = 'work_dirs/weaktr_demo/cam'
