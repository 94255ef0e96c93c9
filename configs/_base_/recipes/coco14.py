# Joins CAM training, pseudo labels and retraining on COCO.
runner_type = 'WeakTrRunner'
cam_stage = dict(config='weaktr_coco_cam.py')
pseudo_labels = dict(
    threshold=0.42,  # published; its authors found it with the masks of the train split
    refine=dict(type='DenseCRF', preset='coco_cam'),
    workers=8)
