# The whole pipeline on scenes composed from scikit-image's photographs: nothing to download.
_base_ = './weaktr_demo_retrain.py'
runner_type = 'WeakTrRunner'
work_dir = 'work_dirs/weaktr_demo'
cam_stage = dict(config='weaktr_demo_cam.py')
pseudo_labels = dict(
    threshold='otsu',  # chosen from the maps alone
    crf='voc_cam',
    workers=2,
    score_split='ImageSets/Segmentation/val.txt')
retrain_from_cam_vit = True  # there are no ImageNet weights to start from
