# CAM stage as published (WeakTr, arXiv 2304.01184, after DeiT): 60 epochs of 64 images.
max_epochs = 60
optim_wrapper = dict(
    type='AmpOptimWrapper',  # needs a GPU; on a CPU: optim_wrapper.type=OptimWrapper
    optimizer=dict(
        type='AdamW',
        lr=6e-4 * 64 / 512,  # 6e-4 per 512 images
        eps=1e-8,
        weight_decay=0.03))  # on every parameter, biases and norms included
param_scheduler = [
    dict(
        type='WeakTrWarmupCosineLR',
        total_steps=max_epochs,
        warmup_steps=5,
        warmup_lr=1e-6,
        eta_min=1e-5,
        by_epoch=True)
]
auto_scale_lr = dict(enable=True, base_batch_size=64)  # lr follows the images an update
train_cfg = dict(
    type='WeakTrEpochLoop',
    max_epochs=max_epochs,
    val_interval=1,
    total_batch_size=64)  # of all GPUs together
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
