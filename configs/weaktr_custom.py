# Your own data: a folder with images/ and labels.csv, no masks needed. See docs/own_data.md.
_base_ = './weaktr_custom_retrain.py'
from weaktr_mmseg.datasets.label_sources.class_discovery import has_masks  # noqa: E402

runner_type = 'WeakTrRunner'
work_dir = 'work_dirs/weaktr_custom'
cam_stage = dict(config='weaktr_custom_cam.py')
pipeline = dict(masks=True)  # of all labelled photographs, given their labels
pseudo_labels = dict(
    threshold='otsu',  # chosen from the maps alone
    refine=dict(type='DenseCRF', preset='voc_cam'),
    workers=4,
    score_split='splits/val.txt' if has_masks(_base_.custom_root) else None)
