"""The segmentation network agrees with the authors' implementation within 1e-4."""

from __future__ import annotations

import pytest
import torch
from mmseg.models import EncoderDecoder

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import convert_state_dict

GOLDEN_PATTERN = 'segmenter*.npz'


def build_segmenter(meta: dict) -> EncoderDecoder:
    """Build the network of a golden file from mmpretrain's and mmseg's parts."""
    kind = meta.get('kind', 'vit')
    width, mlp_width = meta['d_model'], 4 * meta['d_model']
    backbone = dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=width,
            num_layers=meta['n_layers'],
            num_heads=meta['n_heads'],
            feedforward_channels=mlp_width,
        ),
        img_size=meta['img_size'],
        patch_size=meta['patch_size'],
        out_type='featmap',
        interpolate_mode='bilinear',
        norm_cfg=dict(type='LN', eps=1e-5),
    )
    if kind == 'dinov2':
        backbone['layer_scale_init_value'] = 1e-5
    elif kind == 'eva02':
        backbone['type'] = 'WeakTrEVA02'
        backbone['arch']['feedforward_channels'] = int(mlp_width * 2 / 3)
    head = dict(
        type='WeakTrGradientClippingHead',
        patch_size=meta['patch_size'],
        in_channels=width,
        channels=width,
        embed_dims=width,
        num_classes=meta['n_cls'],
        num_layers=meta['dec_layers'],
        num_heads=meta['dec_heads'],
        drop_path_rate=0.0,
    )
    return EncoderDecoder(backbone, head, test_cfg=dict(mode='whole'))


@pytest.fixture
def segmenter(golden) -> EncoderDecoder:
    """Network with the authors' parameters, loaded through the converter."""
    model = build_segmenter(golden.meta)
    converted, _ = convert_state_dict(golden.tensors('sd'))
    model.load_state_dict(converted, strict=True)
    return model.double().eval()


@torch.no_grad()
def test_logits(segmenter, golden):
    cases = golden.groups('case')
    assert cases
    for case in cases:
        image, expected = (
            golden.tensor(f'{case}/input').double(),
            golden.tensor(f'{case}/logits').double(),
        )
        size = tuple(image.shape[2:])
        logits = segmenter.encode_decode(image, [dict(img_shape=size)] * len(image))
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
