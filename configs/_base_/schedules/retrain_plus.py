# Fine-tuning of an encoder with a linear decode head on masks that are mostly right: few updates.
optim_wrapper = dict(
    type='WeakTrOptimWrapper',  # in the precision that the machine is fast in
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.03))))  # encoder: 3e-5
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', T_max=8, eta_min=0, convert_to_iter_based=True),
]
train_cfg = dict(
    type='WeakTrEpochLoop',
    updates=400,  # of 8 images; epochs and their schedules follow from the number of photographs
    max_epochs=None,
    val_begin=1_000_000,  # none: nothing depends on it, and the pipeline scores at its end
    val_interval=None,
    total_batch_size=8)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
