# Retraining as published (WeakTr, arXiv 2304.01184, after Segmenter): 100 epochs of 4 images.
max_epochs = 100
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-4, momentum=0.9, nesterov=True, weight_decay=0.0),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))  # encoder: 1e-5
param_scheduler = [
    dict(
        type='WeakTrPolyLR',
        power=0.9,
        eta_min_ratio=0.1,  # decoder 1e-4 to 1e-5, encoder 1e-5 to 1e-6
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=True, base_batch_size=4)  # lr follows the images an update
train_cfg = dict(
    type='WeakTrEpochLoop',
    max_epochs=max_epochs,
    val_interval=20,
    total_batch_size=4)  # of all GPUs together
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
