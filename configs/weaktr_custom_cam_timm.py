# Your own data, stage 1 alone, with the encoder of timm that _base_/custom_timm.py names.
_base_ = ['./weaktr_custom_cam.py', '_base_/custom_timm.py']
work_dir = 'work_dirs/weaktr_custom/cam_timm'
data_preprocessor = dict(mean=_base_.timm.mean, std=_base_.timm.std)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        _delete_=True,
        type='WeakTrTimmViT',
        model_name=_base_.timm_model,
        pretrained=True,  # timm's weights of that name, or the path of a file
        num_classes=_base_.num_classes,
        img_size=224,
        drop_path_rate=0.1),
    cam_head=dict(in_channels=_base_.timm.width))
