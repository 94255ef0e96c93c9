"""Pretrained encoders that can be named instead of a file, with their publishers' addresses."""

from __future__ import annotations

from dataclasses import dataclass

_META = 'https://dl.fbaipublicfiles.com'
_GOOGLE = 'https://storage.googleapis.com/vit_models/augreg'
_EVA = 'https://huggingface.co/Yuxin-CV/EVA-02/resolve/main/eva02/pt'


@dataclass(frozen=True)
class PublishedEncoder:
    """A file with an encoder.

    Attributes:
        url: Where its publisher keeps it.
        arch: ``arch`` of the network, mmpretrain's name.
        patch: Side of its patches in pixels.
        grid: Patches along a side of its position grid.
        sha256: Its SHA-256 or the beginning of it, as published; empty where none is.
    """

    url: str
    arch: str
    patch: int
    grid: int
    sha256: str = ''


PUBLISHED = {
    'deit-s': PublishedEncoder(
        f'{_META}/deit/deit_small_patch16_224-cd65a155.pth', 'deit-small', 16, 14, 'cd65a155'
    ),
    'deit-b': PublishedEncoder(
        f'{_META}/deit/deit_base_patch16_224-b5f2ef4d.pth', 'deit-base', 16, 14, 'b5f2ef4d'
    ),
    'vit-s-augreg': PublishedEncoder(
        f'{_GOOGLE}/S_16-i21k-300ep-lr_0.001-aug_light1-wd_0.03-do_0.0-sd_0.0'
        '--imagenet2012-steps_20k-lr_0.03-res_384.npz',
        'deit-small',
        16,
        24,
    ),
    'vit-b-augreg': PublishedEncoder(
        f'{_GOOGLE}/B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0'
        '--imagenet2012-steps_20k-lr_0.01-res_384.npz',
        'deit-base',
        16,
        24,
    ),
    'dinov2-s': PublishedEncoder(
        f'{_META}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth', 'dinov2-small', 14, 37
    ),
    'dinov2-b': PublishedEncoder(
        f'{_META}/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth', 'dinov2-base', 14, 37
    ),
    'dinov2-s-reg': PublishedEncoder(
        f'{_META}/dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain.pth', 'dinov2-small', 14, 37
    ),
    'dinov2-b-reg': PublishedEncoder(
        f'{_META}/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth', 'dinov2-base', 14, 37
    ),
    'eva02-s': PublishedEncoder(f'{_EVA}/eva02_S_pt_in21k_p14.pt', 'small', 14, 16),
    'eva02-b': PublishedEncoder(
        f'{_EVA}/eva02_B_pt_in21k_p14.pt',
        'base',
        14,
        16,
        'e5950aad2b263ed6c5410dc6c73af3a9c0201e95d14db7e17f527251d792fa24',
    ),
}
