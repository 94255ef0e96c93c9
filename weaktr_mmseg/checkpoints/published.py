"""Pretrained encoders that can be named instead of a file, with their publishers' addresses."""

from __future__ import annotations

_META = 'https://dl.fbaipublicfiles.com'
_GOOGLE = 'https://storage.googleapis.com/vit_models/augreg'
_EVA = 'https://huggingface.co/Yuxin-CV/EVA-02/resolve/main/eva02/pt'

#: Name -> address. A SHA-256 that is published elsewhere than in the file's name stands behind it.
PUBLISHED = {
    'deit-s': f'{_META}/deit/deit_small_patch16_224-cd65a155.pth',
    'deit-b': f'{_META}/deit/deit_base_patch16_224-b5f2ef4d.pth',
    'vit-s-augreg': f'{_GOOGLE}/S_16-i21k-300ep-lr_0.001-aug_light1-wd_0.03-do_0.0-sd_0.0'
    '--imagenet2012-steps_20k-lr_0.03-res_384.npz',
    'vit-b-augreg': f'{_GOOGLE}/B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0'
    '--imagenet2012-steps_20k-lr_0.01-res_384.npz',
    'dinov2-s': f'{_META}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth',
    'dinov2-b': f'{_META}/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth',
    'dinov2-s-reg': f'{_META}/dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain.pth',
    'dinov2-b-reg': f'{_META}/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth',
    'eva02-s': f'{_EVA}/eva02_S_pt_in21k_p14.pt',
    'eva02-b': f'{_EVA}/eva02_B_pt_in21k_p14.pt'
    '#sha256=e5950aad2b263ed6c5410dc6c73af3a9c0201e95d14db7e17f527251d792fa24',
}
