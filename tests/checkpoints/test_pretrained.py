"""Encoders of both stages start from every published layout, in every container, as it is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from stand_ins import (
    CONTAINERS,
    DEPTH,
    LAYOUTS,
    MLP,
    OF_NAME,
    WIDTH,
    backbone_cfg,
    save,
    stages_of,
    stand_in,
    start,
    trained_cam_encoder,
)

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import PUBLISHED, encoder_state
from weaktr_mmseg.checkpoints.encoders import FOREIGN
from weaktr_mmseg.pipeline.warm_start import encoder_state as encoder_of_cam_stage

from looping import some

PAGE = Path(__file__).parents[2] / 'docs/weights.md'


FRESH = 'attention_fusion.'


CASES = [(layout, stage) for layout in LAYOUTS for stage in stages_of(layout)]


@pytest.mark.parametrize('container', CONTAINERS)
@pytest.mark.parametrize(('layout', 'stage'), CASES)
def test_every_parameter_comes_from_the_file(tmp_path, layout, stage, container):
    pytest.importorskip('safetensors')
    state = stand_in(layout)
    backbone = start(backbone_cfg(layout, stage), save(state, tmp_path / f'x{container}'))

    expected = encoder_state(state)
    for name, parameter in backbone.named_parameters():
        if name.startswith(FRESH):
            continue
        value = expected[name]
        if name in ('cls_token', 'pos_embed') and stage == 'cam':
            assert (parameter[:, :5] == value[:, :1]).all(), name
            parameter, value = parameter[:, 5:], value[:, 1:]
        assert torch.equal(parameter, value), name
    assert backbone(torch.randn(1, 3, 64, 64)) is not None


# Where a few parameters must come from, by hand: our name -> theirs, joined along the outputs.
ORIGINS = {
    'deit': {
        'layers.1.attn.qkv.weight': ['blocks.1.attn.qkv.weight'],
        'layers.1.ffn.layers.0.0.bias': ['blocks.1.mlp.fc1.bias'],
        'ln1.weight': ['norm.weight'],
    },
    'dinov2_registers': {
        'register_tokens': ['register_tokens'],
        'layers.1.attn.gamma1.weight': ['blocks.1.ls1.gamma'],
        'layers.1.ffn.gamma2.weight': ['blocks.1.ls2.gamma'],
    },
    'timm_dinov2_registers': {'register_tokens': ['reg_token'], 'cls_token': ['cls_token']},
    'eva02_base': {
        'layers.1.attn.qkv.weight': [f'blocks.1.attn.{part}_proj.weight' for part in 'qkv'],
        'layers.1.attn.v_bias': ['blocks.1.attn.v_bias'],
        'layers.1.mlp.w12.bias': ['blocks.1.mlp.w1.bias', 'blocks.1.mlp.w2.bias'],
        'layers.1.mlp.norm.weight': ['blocks.1.mlp.ffn_ln.weight'],
        'ln1.bias': ['norm.bias'],
    },
    'timm_eva02_base': {
        'layers.0.attn.q_bias': ['blocks.0.attn.q_proj.bias'],
        'layers.0.mlp.w12.weight': [f'blocks.0.mlp.fc1_{part}.weight' for part in 'gx'],
        'layers.0.mlp.w3.weight': ['blocks.0.mlp.fc2.weight'],
        'layers.0.mlp.norm.bias': ['blocks.0.mlp.norm.bias'],
        'ln1.weight': ['fc_norm.weight'],
    },
    'timm_eva02_small': {'layers.0.mlp.w12.weight': ['blocks.0.mlp.fc1.weight']},
    'hf_vit': {
        'cls_token': ['vit.embeddings.cls_token'],
        'pos_embed': ['vit.embeddings.position_embeddings'],
        'layers.1.attn.qkv.bias': [
            f'vit.encoder.layer.1.attention.attention.{part}.bias'
            for part in ('query', 'key', 'value')
        ],
        'layers.1.attn.proj.weight': ['vit.encoder.layer.1.attention.output.dense.weight'],
        'layers.1.ln1.weight': ['vit.encoder.layer.1.layernorm_before.weight'],
        'layers.1.ln2.bias': ['vit.encoder.layer.1.layernorm_after.bias'],
        'layers.1.ffn.layers.0.0.weight': ['vit.encoder.layer.1.intermediate.dense.weight'],
        'layers.1.ffn.layers.1.weight': ['vit.encoder.layer.1.output.dense.weight'],
        'ln1.bias': ['vit.layernorm.bias'],
    },
    'hf_dinov2': {
        'layers.0.attn.gamma1.weight': ['encoder.layer.0.layer_scale1.lambda1'],
        'layers.0.ffn.gamma2.weight': ['encoder.layer.0.layer_scale2.lambda1'],
        'layers.0.ln1.weight': ['encoder.layer.0.norm1.weight'],
        'layers.0.ln2.weight': ['encoder.layer.0.norm2.weight'],
        'layers.0.ffn.layers.0.0.weight': ['encoder.layer.0.mlp.fc1.weight'],
    },
    'hf_dinov2_registers': {'register_tokens': ['embeddings.register_tokens']},
}


@pytest.mark.parametrize(
    ('layout', 'ours'), [(layout, name) for layout, names in ORIGINS.items() for name in names]
)
def test_origin_of_parameters(layout, ours):
    state = stand_in(layout)
    expected = torch.cat([state[name] for name in ORIGINS[layout][ours]])
    assert torch.equal(encoder_state(state)[ours], expected)


@pytest.mark.parametrize('layout', ['deit_distilled', 'hf_deit_distilled'])
def test_the_distillation_token_and_its_position_are_left_out(layout):
    state = stand_in(layout)
    position = next(value for name, value in state.items() if 'pos' in name)
    expected = torch.cat((position[:, :1], position[:, 2:]), dim=1)
    assert torch.equal(encoder_state(state)['pos_embed'], expected)


def test_registers_of_timm_have_the_position_of_the_class_in_its_token():
    state = stand_in('timm_dinov2_registers')
    position = encoder_state(state)['pos_embed']
    assert not position[:, 0].any()
    assert torch.equal(position[:, 1:], state['pos_embed'])


@pytest.mark.parametrize(
    ('layout', 'model', 'classes'),
    [
        ('timm_vit', 'vit_small_patch16_224', 1000),
        ('timm_dinov2', 'vit_small_patch14_dinov2', 0),
        ('timm_dinov2_registers', 'vit_small_patch14_reg4_dinov2', 0),
        ('timm_eva02_small', 'eva02_small_patch14_224', 0),
        ('timm_eva02_base', 'eva02_base_patch14_224', 0),
    ],
)
def test_stand_ins_of_timm_have_its_names_and_shapes(layout, model, classes):
    timm = pytest.importorskip('timm')
    sizes = dict(img_size=64, patch_size=16, embed_dim=WIDTH, depth=DEPTH, num_heads=3)
    network = timm.create_model(model, **sizes, mlp_ratio=MLP / WIDTH, num_classes=classes)
    theirs = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in stand_in(layout).items()} == theirs


@pytest.mark.parametrize('name', PUBLISHED)
def test_every_name_has_a_stand_in_of_its_layout(tmp_path, monkeypatch, name):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    layout, (_, patch, grid) = OF_NAME[name], listed_encoders()[name]
    path = tmp_path / 'checkpoints' / 'of_a_publisher.pth'
    path.parent.mkdir()
    save(stand_in(layout, grid, patch), path)
    monkeypatch.setitem(PUBLISHED, name, f'https://example.org/{path.name}')  # no SHA-256
    for stage in some(stages_of(layout)):
        backbone = start(backbone_cfg(layout, stage), name)
        assert backbone.patch_embed.projection.weight.shape[-1] == 16
        assert backbone.pos_embed.size(1) == (5 if stage == 'cam' else 1) + 16


def test_kernel_is_resized_bicubically_and_the_grid_as_the_network_says(tmp_path):
    state = stand_in('dinov2', grid=5, patch=14)
    path = save(state, tmp_path / 'x.pth')
    grid = state['pos_embed'][:, 1:].transpose(1, 2).unflatten(2, (5, 5))
    for mode in ('bilinear', 'bicubic'):
        cfg = backbone_cfg('dinov2', 'retrain', interpolate_mode=mode)
        backbone = start(cfg, path)
        resized = F.interpolate(grid, (4, 4), mode=mode, align_corners=False)
        torch.testing.assert_close(backbone.pos_embed[:, 1:], resized.flatten(2).transpose(1, 2))
    kernel = F.interpolate(
        state['patch_embed.proj.weight'], (16, 16), mode='bicubic', align_corners=False
    )
    assert torch.equal(backbone.patch_embed.projection.weight, kernel)


def test_patches_of_14_px_stay_as_they_are(tmp_path):
    state = stand_in('dinov2', grid=5, patch=14)
    cfg = backbone_cfg('dinov2', 'cam', img_size=70, patch_size=14)
    backbone = start(cfg, save(state, tmp_path / 'x.pth'))
    kernel = backbone.patch_embed.projection.weight
    assert torch.equal(kernel, state['patch_embed.proj.weight'])
    assert torch.equal(backbone.pos_embed[:, 5:], state['pos_embed'][:, 1:])


def test_encoders_added_from_outside_as_the_page_shows(tmp_path):
    section = PAGE.read_text(encoding='utf-8').partition('## A further encoder')[2]
    code = re.search('```python\n(.*?)```', section, re.DOTALL)[1]
    assert code.count('\n') <= 15
    with mock.patch.dict(PUBLISHED), mock.patch.dict(FOREIGN):
        exec(code, {})
        assert PUBLISHED['my-vit'].startswith('https://example.org/')
        state = stand_in('deit')
        path = save({f'student.{name}': value for name, value in state.items()}, tmp_path / 'x.pth')
        backbone = start(backbone_cfg('deit', 'cam'), path)
        assert torch.equal(backbone.layers[1].attn.proj.bias, state['blocks.1.attn.proj.bias'])


def listed_encoders() -> dict[str, tuple[str, int, int]]:
    """What the page says of every name: ``arch``, side of a patch, patches along a side."""
    page = PAGE.read_text(encoding='utf-8')
    rows = [row.split(' | ') for row in page.splitlines() if row.startswith('| `')]
    return {
        name: (arch, int(row[3]), int(row[4].partition(' x ')[0]))
        for row in rows[:5]
        for name, arch in zip(re.findall('`(.*?)`', row[0]), re.findall('`(.*?)`', row[2]))
    }


def test_the_page_lists_every_name_with_its_encoder():
    listed = listed_encoders()
    assert list(listed) == list(PUBLISHED)
    for name, (arch, patch, grid) in listed.items():
        layout = OF_NAME[name]
        assert arch.endswith('base' if 'b' in name.split('-')[1] else 'small'), name
        assert arch.startswith('dinov2-' if 'dinov2' in layout else ('deit-', 'small', 'base'))
        expected = (14, 37) if 'dinov2' in layout else (14, 16) if 'eva02' in layout else None
        assert (patch, grid) == (expected or (16, 24 if 'augreg' in layout else 14)), name


@pytest.mark.parametrize('final_norm', [True, False])
def test_the_encoder_of_a_cam_stage_starts_a_segmentor_of_another_patch(tmp_path, final_norm):
    init_default_scope('mmseg')
    cfg = backbone_cfg('dinov2', 'cam', img_size=70, patch_size=14, final_norm=final_norm)
    cam = {f'backbone.{name}': value for name, value in MODELS.build(cfg).state_dict().items()}
    encoder = encoder_of_cam_stage(cam)
    segmentor = start(backbone_cfg('dinov2', 'retrain'), save(encoder, tmp_path / 'x.pth'))
    weight = 'layers.1.attn.qkv.weight'
    assert torch.equal(segmentor.state_dict()[weight], cam[f'backbone.{weight}'])
    assert segmentor.patch_embed.projection.weight.shape[-1] == 16


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
@pytest.mark.parametrize('layout', ['deit', 'dinov2_registers'])
def test_an_encoder_of_the_cam_stage_starts_another(tmp_path, layout, prefix):
    trained = trained_cam_encoder(layout)
    path = save({prefix + name: value for name, value in trained.items()}, tmp_path / 'x.pth')
    backbone = start(backbone_cfg(layout, 'cam'), path)
    for name, value in some(backbone.state_dict().items()):
        assert torch.equal(value, trained[name]) != name.startswith(FRESH), name


@pytest.mark.skipif('WEAKTR_DINOV2_S' not in os.environ, reason='WEAKTR_DINOV2_S names no file')
@pytest.mark.parametrize('stage', ['cam', 'retrain'])
def test_both_stages_start_from_the_real_dinov2(stage):
    path = os.environ['WEAKTR_DINOV2_S']
    options = dict(arch='dinov2-small', img_size=224 if stage == 'cam' else 480)
    backbone = start(backbone_cfg('dinov2', stage, **options), path)
    backbone.eval()
    state = torch.load(path, weights_only=True)
    assert torch.equal(backbone.layers[11].attn.qkv.weight, state['blocks.11.attn.qkv.weight'])
    assert torch.equal(backbone.ln1.weight, state['norm.weight'])
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 224, 224))
    tokens = features.class_tokens if stage == 'cam' else features[0]
    assert tokens.isfinite().all()
