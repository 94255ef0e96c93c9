# Your own data with the encoder of timm that _base_/custom_timm.py names, in both stages.
_base_ = ['./weaktr_custom.py', '_base_/custom_timm.py']
work_dir = 'work_dirs/weaktr_custom_timm'
cam_stage = dict(config='weaktr_custom_cam_timm.py')
data_preprocessor = dict(mean=_base_.timm.mean, std=_base_.timm.std)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        _delete_=True,
        type='WeakTrTimmSegmenterViT',
        model_name=_base_.timm_model,
        pretrained=True,  # timm's weights of that name, or the path of a file
        img_size=-(-480 // _base_.timm.patch) * _base_.timm.patch,  # the crop in whole patches
        drop_path_rate=0.1),
    decode_head=dict(
        patch_size=_base_.timm.patch,
        in_channels=_base_.timm.width,
        channels=_base_.timm.width,
        embed_dims=_base_.timm.width,
        num_heads=_base_.timm.heads))
