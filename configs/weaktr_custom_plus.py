# Your own data after quick mode: a second round, and an encoder that learns. See docs/own_data.md.
_base_ = './weaktr_custom_plus_retrain.py'
from weaktr_mmseg.datasets.label_sources.class_discovery import has_masks  # noqa: E402

runner_type = 'WeakTrRunner'
work_dir = 'work_dirs/weaktr_custom_plus'
cam_stage = dict(config='weaktr_custom_quick_cam.py')
pipeline = dict(
    relabel=True,  # retrain on a first segmentor's masks, given the labels
    masks=True)  # of all labelled photographs, given their labels
pseudo_labels = dict(
    threshold='otsu',  # chosen from the maps alone
    refine=dict(type='DenseCRF', preset='voc_cam'),
    workers=2,
    score_split='splits/val.txt' if has_masks(_base_.custom_root) else None)
