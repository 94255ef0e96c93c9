# AdamW with warm-up and cosine, as short as the demo allows.
max_epochs = 14
warmup_epochs = 3
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.03),
    paramwise_cfg=dict(
        custom_keys={'attention_fusion': dict(lr_mult=30, decay_mult=0)}))  # one number a head
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, begin=0, end=warmup_epochs, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', eta_min=0, begin=warmup_epochs, end=max_epochs,
        convert_to_iter_based=True),
]
train_cfg = dict(
    type='WeakTrEpochLoop', max_epochs=max_epochs, val_interval=14, total_batch_size=32)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
