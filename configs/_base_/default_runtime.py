# What every config shares. custom_imports and default_scope are set here and nowhere else.
default_scope = 'mmseg'
custom_imports = dict(imports=['weaktr_mmseg'], allow_failed_imports=False)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))  # gloo is chosen on machines without a GPU
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='WeakTrSegVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WeakTrCheckpointHook', interval=1, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    finite=dict(type='WeakTrFiniteHook'),
    batch=dict(type='WeakTrBatchHook'),
    class_list=dict(type='WeakTrClassListHook'),
    data_faults=dict(type='WeakTrDataFaultHook'),
    visualization=dict(type='SegVisualizationHook'))
