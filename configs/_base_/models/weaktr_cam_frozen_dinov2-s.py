# CAM network on DINOv2-S/14 as it is pretrained: a classifier of one patch and one weight a head.
_base_ = './weaktr_cam_dinov2-s.py'
model = dict(
    backbone=dict(
        drop_path_rate=0.,
        attention_mode='materialized',  # each of the steps would compute it anew
        fusion=dict(_delete_=True, type='WeakTrStaticFusion', activation='softmax')),
    cam_head=dict(
        kernel_size=1,
        standardise=True,
        pooling='softmax',
        activation='sigmoid',
        competing=True,
        propagation_steps=3,
        loss_cls=None,  # class tokens of a frozen encoder are all alike
        loss_fine=None,
        aux_losses=[
            dict(  # first: which heads reach the whole of an object
                type='WeakTrSeedCompletionLoss',
                activation='sigmoid',
                attended=False,
                contrast_classes=False,
                end=0.5),
            dict(type='WeakTrHeadEntropyLoss', loss_weight=0.03, end=0.5),
            dict(  # then: which heads stop at its border
                type='WeakTrRefinementLoss',
                refine=dict(type='PAMR'),
                size=112,  # half of the side
                begin=0.5),
        ]),
    test_cfg=dict(precision='auto'))
