# VOC, test time: six scales, their mirror images and the CRF. The same as `tools/test.py --tta`
# with the config that the checkpoint was trained with; for another encoder, change the base.
_base_ = './weaktr_voc_retrain.py'
model = dict(_delete_=True, type='WeakTrCRFTTAModel', crf='voc_seg', module={{_base_.model}})
test_dataloader = dict(dataset=dict(pipeline={{_base_.tta_pipeline}}))
