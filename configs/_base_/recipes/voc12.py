# Joins CAM training, pseudo labels and retraining on VOC.
runner_type = 'WeakTrRunner'
cam_stage = dict(
    config='weaktr_voc_cam.py',
    test_dataloader=dict(
        dataset=dict(
            ann_file='ImageSets/Segmentation/trainaug.txt',
            data_prefix=dict(seg_map_path=None))))  # most of these images have no VOC mask
pseudo_labels = dict(
    threshold=0.43,  # published; its authors found it with the masks of the train split
    refine=dict(type='DenseCRF', preset='voc_cam'),
    workers=8)
