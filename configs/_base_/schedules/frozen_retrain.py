# A linear decode head on a frozen encoder: 8 passes over the images and their mirror images.
max_epochs = 8
optim_wrapper = dict(
    type='WeakTrOptimWrapper',  # in the precision that the machine is fast in
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05))
param_scheduler = dict(
    type='CosineAnnealingLR', eta_min=0, T_max=max_epochs, convert_to_iter_based=True)
train_cfg = dict(
    type='WeakTrFrozenSegmentorLoop',
    max_epochs=max_epochs,
    val_begin=max_epochs + 1)  # none: nothing depends on it, and the pipeline scores at its end
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
