"""ImageNet encoders in their published layouts become checkpoints of either stage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.models.backbones import VisionTransformer
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import (
    Layout,
    UnknownLayoutError,
    convert_checkpoint,
    convert_state_dict,
    load_state_dict,
)

KERNEL = 'backbone.patch_embed.projection.weight'
TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'
WIDTH, DEPTH, HEADS, MLP = 24, 2, 3, 32
ARCH = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=MLP)
ENCODER = dict(arch=ARCH, img_size=64, patch_size=16, out_type='featmap')


def affine(name: str, *shape: int) -> dict[str, torch.Tensor]:
    return {f'{name}.weight': torch.randn(*shape), f'{name}.bias': torch.randn(shape[0])}


def timm_vit(grid: int = 4, patch: int = 16) -> dict[str, torch.Tensor]:
    """DeiT and AugReg ViT by timm's names."""
    torch.manual_seed(0)
    state = {
        'cls_token': torch.randn(1, 1, WIDTH),
        'pos_embed': torch.randn(1, 1 + grid * grid, WIDTH),
        **affine('patch_embed.proj', WIDTH, 3, patch, patch),
        **affine('norm', WIDTH),
        **affine('head', 1000, WIDTH),
    }
    for i in range(DEPTH):
        state.update(affine(f'blocks.{i}.norm1', WIDTH))
        state.update(affine(f'blocks.{i}.attn.qkv', 3 * WIDTH, WIDTH))
        state.update(affine(f'blocks.{i}.attn.proj', WIDTH, WIDTH))
        state.update(affine(f'blocks.{i}.norm2', WIDTH))
        state.update(affine(f'blocks.{i}.mlp.fc1', MLP, WIDTH))
        state.update(affine(f'blocks.{i}.mlp.fc2', WIDTH, MLP))
    return state


def dinov2() -> dict[str, torch.Tensor]:
    """DINOv2 as published: LayerScale, a mask token, no classifier."""
    state = timm_vit(grid=5, patch=14)
    del state['head.weight'], state['head.bias']
    state['mask_token'] = torch.zeros(1, WIDTH)
    for i in range(DEPTH):
        state[f'blocks.{i}.ls1.gamma'] = torch.randn(WIDTH)
        state[f'blocks.{i}.ls2.gamma'] = torch.randn(WIDTH)
    return state


def eva02(first: str = 'w12', last: str = 'w3') -> dict[str, torch.Tensor]:
    """EVA-02 as published, or by timm's names of the MLP layers."""
    state = {key: value for key, value in timm_vit(4, 14).items() if '.mlp.' not in key}
    for i in range(DEPTH):
        del state[f'blocks.{i}.attn.qkv.bias']
        state[f'blocks.{i}.attn.q_bias'] = torch.randn(WIDTH)
        state[f'blocks.{i}.attn.v_bias'] = torch.randn(WIDTH)
        state.update(affine(f'blocks.{i}.mlp.{first}', 2 * MLP, WIDTH))
        state.update(affine(f'blocks.{i}.mlp.{last}', WIDTH, MLP))
    return state


def augreg_npz(timm: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The arrays of an AugReg file that hold the given ViT."""
    dims = WIDTH // HEADS
    arrays = {
        'cls': timm['cls_token'],
        'Transformer/posembed_input/pos_embedding': timm['pos_embed'],
        'embedding/kernel': timm['patch_embed.proj.weight'].permute(2, 3, 1, 0),
        'embedding/bias': timm['patch_embed.proj.bias'],
        'Transformer/encoder_norm/scale': timm['norm.weight'],
        'Transformer/encoder_norm/bias': timm['norm.bias'],
        'head/kernel': timm['head.weight'].T,
        'head/bias': timm['head.bias'],
    }
    for i in range(DEPTH):
        ours, theirs = f'blocks.{i}', f'Transformer/encoderblock_{i}'
        attention = f'{theirs}/MultiHeadDotProductAttention_1'
        weights = timm[f'{ours}.attn.qkv.weight'].chunk(3)
        biases = timm[f'{ours}.attn.qkv.bias'].chunk(3)
        for part, weight, bias in zip(('query', 'key', 'value'), weights, biases):
            arrays[f'{attention}/{part}/kernel'] = weight.T.reshape(WIDTH, HEADS, dims)
            arrays[f'{attention}/{part}/bias'] = bias.reshape(HEADS, dims)
        projection = timm[f'{ours}.attn.proj.weight'].T.reshape(HEADS, dims, WIDTH)
        arrays[f'{attention}/out/kernel'] = projection
        arrays[f'{attention}/out/bias'] = timm[f'{ours}.attn.proj.bias']
        for norm, number in (('norm1', 0), ('norm2', 2)):
            arrays[f'{theirs}/LayerNorm_{number}/scale'] = timm[f'{ours}.{norm}.weight']
            arrays[f'{theirs}/LayerNorm_{number}/bias'] = timm[f'{ours}.{norm}.bias']
        for number, name in enumerate(('fc1', 'fc2')):
            dense = f'{theirs}/MlpBlock_3/Dense_{number}'
            arrays[f'{dense}/kernel'] = timm[f'{ours}.mlp.{name}.weight'].T
            arrays[f'{dense}/bias'] = timm[f'{ours}.mlp.{name}.bias']
    return {name: tensor.numpy() for name, tensor in arrays.items()}


def without_prefix(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix('backbone.'): tensor for name, tensor in state.items()}


def test_vit_loads_strictly():
    converted, layout = convert_state_dict(timm_vit())
    assert layout is Layout.ENCODER
    VisionTransformer(**ENCODER).load_state_dict(without_prefix(converted), strict=True)


def test_position_grid_is_resized_bilinearly_when_it_is_loaded():
    state = timm_vit(grid=6)
    encoder = VisionTransformer(**ENCODER, interpolate_mode='bilinear')
    encoder.load_state_dict(without_prefix(convert_state_dict(state)[0]), strict=True)

    grid = state['pos_embed'][:, 1:].transpose(1, 2).unflatten(2, (6, 6))
    resized = F.interpolate(grid, (4, 4), mode='bilinear', align_corners=False)
    torch.testing.assert_close(encoder.pos_embed[:, 1:], resized.flatten(2).transpose(1, 2))
    torch.testing.assert_close(encoder.pos_embed[:, :1], state['pos_embed'][:, :1])


def test_cam_stage_repeats_the_class_token_and_its_position():
    state = timm_vit()
    converted, _ = convert_state_dict(state, cam_classes=5)

    init_default_scope('mmseg')
    backbone = MODELS.build(
        dict(type='WeakTrViT', num_classes=5, arch=ARCH, img_size=64, fusion=dict(reduction=2))
    )
    result = backbone.load_state_dict(without_prefix(converted), strict=False)
    assert not result.unexpected_keys
    assert all(name.startswith('attention_fusion.') for name in result.missing_keys)
    assert (backbone.cls_token == state['cls_token']).all()
    assert (backbone.pos_embed[:, :5] == state['pos_embed'][:, :1]).all()
    assert torch.equal(backbone.pos_embed[:, 5:], state['pos_embed'][:, 1:])


def test_dinov2_loads_strictly_with_a_kernel_of_16_px():
    state = dinov2()
    converted, _ = convert_state_dict(state)

    encoder = VisionTransformer(**ENCODER, layer_scale_init_value=1.0)
    encoder.load_state_dict(without_prefix(converted), strict=True)
    kernel = state['patch_embed.proj.weight']
    expected = F.interpolate(kernel, (16, 16), mode='bicubic', align_corners=False)
    assert torch.equal(encoder.patch_embed.projection.weight, expected)
    assert torch.equal(encoder.layers[1].attn.gamma1.weight, state['blocks.1.ls1.gamma'])
    assert torch.equal(encoder.layers[1].ffn.gamma2.weight, state['blocks.1.ls2.gamma'])


@pytest.mark.parametrize('state', [eva02(), eva02('fc1', 'fc2')], ids=['official', 'timm'])
def test_eva02_loads_strictly(state):
    converted, _ = convert_state_dict(state)
    init_default_scope('mmseg')
    encoder = MODELS.build(dict(type='WeakTrEVA02', **ENCODER))
    encoder.load_state_dict(without_prefix(converted), strict=True)


def test_eva02_with_other_rotary_tables_is_refused():
    state = eva02()
    state['rope.freqs_cos'] = torch.zeros(16, 8)
    with pytest.raises(ValueError, match=r'rope\.freqs_cos: the encoder was trained with other'):
        convert_state_dict(state)


def test_augreg_npz_equals_timm(tmp_path):
    timm = timm_vit()
    np.savez(tmp_path / 'vit.npz', **augreg_npz(timm))

    layout = convert_checkpoint(tmp_path / 'vit.npz', tmp_path / 'vit.pth')

    assert layout is Layout.AUGREG_NPZ
    converted, expected = load_state_dict(tmp_path / 'vit.pth'), convert_state_dict(timm)[0]
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


@pytest.mark.parametrize('stage', ['cam', 'segmentor'])
def test_coco_networks_lose_unused_rows_and_gain_them_back(request, stage):
    cfg = Config.fromfile(request.getfixturevalue(f'tiny_{stage}').config)
    if stage == 'cam':
        cfg.model.backbone.num_classes = cfg.model.cam_head.num_classes = 80
        cfg.model.backbone.fusion = dict(reduction=2, feature_reduction=2)
    else:
        cfg.model.decode_head.num_classes = 81
    state = MODELS.build(cfg.model).state_dict()
    published, _ = convert_state_dict(state)
    again, _ = convert_state_dict(published)
    assert again.keys() == state.keys()
    if stage == 'segmentor':  # the demo has a smaller patch than the authors
        del state[KERNEL]
    assert not [name for name in state if not torch.equal(again[name], state[name])]
    kept, _ = convert_state_dict(published, keep_coco_rows=True)
    assert sum(kept[name].shape != state[name].shape for name in state) >= 3


def test_unknown_layout_lists_its_first_keys():
    with pytest.raises(UnknownLayoutError, match=r'unknown layout.*first keys: conv1\.weight'):
        convert_state_dict({'conv1.weight': torch.zeros(1)})


def test_almost_known_layout_says_what_does_not_fit():
    state = {**timm_vit(), 'surplus': torch.zeros(1, 1, WIDTH)}
    with pytest.raises(UnknownLayoutError, match='an ImageNet encoder .*, but unknown surplus'):
        convert_state_dict(state)


@pytest.mark.parametrize(('classes', 'message'), [(0, 'at least 1, but got 0')])
def test_bad_number_of_cam_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        convert_state_dict(timm_vit(), cam_classes=classes)


def test_command_line(tmp_path):
    torch.save({'model': timm_vit()}, tmp_path / 'deit.pth')
    arguments = [sys.executable, str(TOOL), str(tmp_path / 'deit.pth'), str(tmp_path / 'cam.pth')]

    done = subprocess.run([*arguments, '--cam-classes', '3'], capture_output=True, encoding='utf-8')
    assert done.returncode == 0, done.stderr
    assert 'is an ImageNet encoder' in done.stdout
    assert load_state_dict(tmp_path / 'cam.pth')['backbone.cls_token'].shape == (1, 3, WIDTH)

    torch.save({'x': torch.zeros(1)}, tmp_path / 'deit.pth')
    failed = subprocess.run(arguments, capture_output=True, encoding='utf-8')
    assert failed.returncode == 2
    assert 'deit.pth: unknown layout' in failed.stderr.splitlines()[-1]
