# CAM network on DINOv2-S/14 as it is pretrained: a classifier of one patch and one weight a head.
_base_ = './weaktr_cam_dinov2-s.py'
model = dict(
    backbone=dict(
        drop_path_rate=0.,
        attention_mode='materialized',  # each of the steps would compute it anew
        fusion=dict(_delete_=True, type='WeakTrStaticFusion')),
    cam_head=dict(
        kernel_size=1,
        standardise=True,
        pooling='softmax',
        activation='sigmoid',
        propagation_steps=3,
        loss_cls=None,  # class tokens of a frozen encoder are all alike
        loss_fine=None,
        aux_losses=[
            dict(
                type='WeakTrSeedCompletionLoss',
                activation='sigmoid',
                attended=False,
                contrast_classes=False)
        ]),
    test_cfg=dict(precision='auto'))
