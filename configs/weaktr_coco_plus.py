# COCO 2014 with what helped on photographs (docs/results.md), not measured on COCO itself: CAMs of
# a frozen DINOv2-S, whose heads learn from the edges of the images, and a second round of labels.
_base_ = './weaktr_coco_dinov2-s.py'
work_dir = 'work_dirs/weaktr_coco_plus'
pipeline = dict(
    encoder='frozen_cam',  # CAM stage of quick mode
    relabel=True)  # retrain on a first segmentor's masks, given the labels
pseudo_labels = dict(threshold='otsu')  # chosen from the maps alone
