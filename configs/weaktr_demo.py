# The whole pipeline on scenes composed from scikit-image's photographs: nothing to download.
_base_ = './weaktr_demo_retrain.py'
runner_type = 'WeakTrRunner'
work_dir = 'work_dirs/weaktr_demo'
cam_stage = dict(config='weaktr_demo_cam.py')
pseudo_labels = dict(
    threshold='otsu',  # chosen from the maps alone
    # The published VOC terms at the scale of 64-pixel scenes.
    refine=dict(
        type='DenseCRF',
        gaussian=dict(sxy=3, compat=3),
        bilateral=dict(sxy=20, srgb=8, compat=5)),
    workers=2,
    score_split='ImageSets/Segmentation/val.txt')
pipeline = dict(
    retrain_from_cam_vit=True,  # there are no ImageNet weights to start from
    check_pixels=True)  # the scenes are few and small
