"""Encoders of timm against timm itself and against the encoders of this package."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from weaktr_mmseg.checkpoints import convert_state_dict
from weaktr_mmseg.models.backbones.timm_encoder import timm_facts
from weaktr_mmseg.models.backbones.timm_vit import AttentionRecorder
from weaktr_mmseg.models.fusions.attention_history import AttentionHistory

timm = pytest.importorskip('timm')
CLASSES, WIDTH, DEPTH, HEADS = 3, 32, 3, 2
TINY = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)
ARCH = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=4 * WIDTH)
FAMILIES = {  # name -> registers
    'vit_small_patch16_224': 0,
    'deit3_small_patch16_224': 0,
    'vit_small_patch14_reg4_dinov2': 4,
    'vit_small_patch16_dinov3': 4,
    'eva02_tiny_patch14_224': 0,
    'vit_base_patch16_clip_224': 0,
}
FUSION = dict(type='AdaptiveAttentionFusion', reduction=2, feature_reduction=2)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


@torch.no_grad()
def randomize(network):
    """Positions, tokens and scales of a fresh network hide mistakes: they are 0 or alike."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.normal_(std=0.2, generator=generator)
    return network


def save_timm(name, path, **options):
    """A tiny network of timm with random weights, and the file of its weights."""
    options = dict(img_size=56, num_classes=0, dynamic_img_size=True, **TINY, **options)
    network = randomize(timm.create_model(name, **options)).eval()
    torch.save(network.state_dict(), path)
    return network


def build(kind, name, path=None, **options):
    config = dict(type=kind, model_name=name, img_size=56, **TINY, **options)
    network = MODELS.build(dict(config, pretrained=str(path) if path else False))
    network.init_weights()
    return network.eval()


def draw_images(*size):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def attention_of(network, images):
    """Attention of each layer as timm itself forms it, (B, heads, N, N)."""
    seen = []
    for block in network.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda *call: seen.append(call[2]))
    network.forward_features(images)
    return seen


@torch.no_grad()
@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('size', [(56, 56), (70, 48)])
def test_one_class_token_gives_the_tokens_and_the_attention_of_timm(name, size, tmp_path):
    reference = save_timm(name, tmp_path / 'vit.pth')
    fusion = dict(type='WeakTrUniformFusion')
    vit = build('WeakTrTimmViT', name, tmp_path / 'vit.pth', num_classes=1, fusion=fusion)
    patch = vit.patch_size[0]
    images = draw_images(*(side // patch * patch for side in size))

    features = vit(images)

    tokens = reference.forward_features(images)
    if isinstance(reference.norm, torch.nn.Identity):  # EVA-02 normalises what it has pooled
        tokens = reference.fc_norm(tokens)
    first = 1 + FAMILIES[name]
    assert vit.num_registers == FAMILIES[name]
    torch.testing.assert_close(features.class_tokens, tokens[:, :1], rtol=1e-4, atol=1e-5)
    patches = features.patch_map.flatten(2).mT
    torch.testing.assert_close(patches, tokens[:, first:], rtol=1e-4, atol=1e-5)
    rows = torch.stack(attention_of(reference, images)).mean(dim=(0, 2))[:, :1, first:]
    torch.testing.assert_close(features.attention.class_to_patch(), rows, rtol=1e-4, atol=1e-6)
    assert rows.std() > 1e-4


@torch.no_grad()
def test_registers_with_positions_keep_them(tmp_path):
    name, options = 'vit_small_patch16_224', dict(reg_tokens=2)
    reference = save_timm(name, tmp_path / 'vit.pth', **options)
    fusion = dict(type='WeakTrUniformFusion')
    vit = build(
        'WeakTrTimmViT', name, tmp_path / 'vit.pth', num_classes=1, fusion=fusion, **options
    )
    features = vit(draw_images(48, 48))
    tokens = reference.forward_features(draw_images(48, 48))
    patches = features.patch_map.flatten(2).mT
    torch.testing.assert_close(patches, tokens[:, 3:], rtol=1e-4, atol=1e-5)


def test_attention_is_seen_also_where_timm_would_form_it_step_by_step():
    timm.layers.set_fused_attn(False)
    try:
        vit = build('WeakTrTimmViT', 'vit_small_patch16_224', num_classes=1, fusion=FUSION)
    finally:
        timm.layers.set_fused_attn(True)
    assert len(vit.encode(draw_images(48, 48)).queries) == DEPTH


def test_equals_the_cam_encoder_of_this_package_with_gradients(tmp_path):
    name = 'vit_small_patch16_224'
    reference = save_timm(name, tmp_path / 'vit.pth')
    state = convert_state_dict(reference.state_dict(), cam_classes=CLASSES)[0]
    ours = MODELS.build(
        dict(type='WeakTrViT', arch=ARCH, img_size=56, num_classes=CLASSES, fusion=FUSION)
    )
    state = {key.removeprefix('backbone.'): value for key, value in state.items()}
    assert all('fusion' in key for key in ours.load_state_dict(state, strict=False).missing_keys)
    options = dict(num_classes=CLASSES, fusion=FUSION, final_norm=False)
    theirs = build('WeakTrTimmViT', name, tmp_path / 'vit.pth', **options)
    randomize(ours.attention_fusion)
    theirs.attention_fusion.load_state_dict(ours.attention_fusion.state_dict())
    ours.eval()

    gradients = []
    for network in (ours, theirs):
        features = network(draw_images(56, 56)[..., :48, :48].contiguous())
        rows = features.attention.class_to_patch()
        outputs = (features.class_tokens, features.patch_map, rows)
        sum(output.square().sum() for output in outputs).backward()
        kernel = network.layers[0].attn if network is ours else network.vit.blocks[0].attn
        fusion = network.attention_fusion.head_ffn[0].weight.grad
        gradients.append((*outputs, kernel.qkv.weight.grad, fusion))
    for mine, timms in zip(*gradients):
        torch.testing.assert_close(mine, timms, rtol=1e-4, atol=1e-4 * mine.abs().max().item())


@torch.no_grad()
def test_equals_the_segmentors_encoder_of_this_package(tmp_path):
    name = 'vit_small_patch16_224'
    state = convert_state_dict(save_timm(name, tmp_path / 'vit.pth').state_dict())[0]
    ours = MODELS.build(dict(type='WeakTrSegmenterViT', arch=ARCH, img_size=48, out_type='featmap'))
    ours.load_state_dict({key.removeprefix('backbone.'): v for key, v in state.items()})
    ours.eval()
    theirs = build('WeakTrTimmSegmenterViT', name, tmp_path / 'vit.pth')
    for mine, timms in zip(ours(draw_images(48, 48)), theirs(draw_images(48, 48))):
        torch.testing.assert_close(mine, timms, rtol=1e-4, atol=1e-5)
    assert theirs(draw_images(50, 33))[0].shape == (2, WIDTH, 4, 3)  # padded


@torch.no_grad()
def test_registers_of_the_segmentors_encoder_are_those_of_timm_and_in_no_output(tmp_path):
    reference = save_timm('vit_small_patch14_reg4_dinov2', tmp_path / 'vit.pth')
    ours = MODELS.build(
        dict(
            type='WeakTrSegmenterViT',
            arch=ARCH,
            img_size=56,
            patch_size=14,
            layer_scale_init_value=1.0,
            num_registers=4,
            out_type='featmap',
            init_cfg=dict(type='WeakTrPretrained', checkpoint=str(tmp_path / 'vit.pth')),
        )
    )
    ours.init_weights()
    images = draw_images(56, 56)
    expected = reference.forward_features(images)[:, 5:]
    ours.eval()
    for vit in (ours, copy.deepcopy(ours)):
        (patches,) = vit(images)
        torch.testing.assert_close(patches.flatten(2).mT, expected, rtol=1e-5, atol=1e-5)
        ours.register_tokens.zero_()  # the copy has its own
    assert (ours(images)[0].flatten(2).mT - expected).abs().max() > 1e-4


@pytest.mark.parametrize(
    ('name', 'width', 'heads', 'patch', 'mean'),
    [
        ('vit_tiny_patch16_224', 192, 3, 16, 127.5),
        ('eva02_tiny_patch14_224', 192, 3, 14, 255 * 0.48145466),
        ('vit_small_patch14_reg4_dinov2.lvd142m', 384, 6, 14, 123.675),
    ],
)
def test_facts_for_a_config(name, width, heads, patch, mean):
    facts = timm_facts(name)
    assert (facts['width'], facts['heads'], facts['patch']) == (width, heads, patch)
    assert facts['mean'][0] == pytest.approx(mean)


@pytest.mark.parametrize('name', ['vit_small_patch16_224', 'vit_base_patch16_siglip_224'])
def test_class_tokens_are_distinct_without_pretrained_weights(name):
    vit = build('WeakTrTimmViT', name, num_classes=CLASSES, fusion=FUSION)
    assert len(vit.vit.cls_token[0].unique(dim=0)) == CLASSES
    assert vit.num_registers == 0
    assert vit(draw_images(56, 56)).class_tokens.shape == (2, CLASSES, WIDTH)


@pytest.mark.parametrize('name', ['eva02_tiny_patch14_224', 'vit_small_patch16_dinov3'])
def test_trains_with_the_head(name):
    head = dict(type='WeakTrCAMHead', in_channels=WIDTH, num_classes=CLASSES)
    segmentor = MODELS.build(dict(
        type='WeakTrCAMSegmentor',
        cam_head=head,
        backbone=dict(
            type='WeakTrTimmViT', model_name=name, img_size=56, num_classes=CLASSES,
            fusion=FUSION, drop_path_rate=0.1, **TINY),
    ))  # fmt: skip
    features = segmentor.extract_feat(draw_images(56, 56))
    losses = segmentor.cam_head.loss(features, torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    sum(losses.values()).backward()
    without = {name for name, value in segmentor.named_parameters() if value.grad is None}
    assert without <= {'backbone.vit.mask_token'}


def test_attention_with_a_bias_is_refused():
    query = torch.zeros(1, 1, 4, 8)
    with (
        pytest.raises(ValueError, match='attention without relative position bias'),
        AttentionRecorder(AttentionHistory(1)),
    ):
        F.scaled_dot_product_attention(query, query, query, attn_mask=torch.zeros(4, 4))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('vit_unknown', 'vit_unknown of timm: Unknown model'),
        ('swin_tiny_patch4_window7_224', 'swin_tiny_patch4_window7_224'),
        ('resnet18', 'resnet18'),
    ],
)
def test_refuses_what_is_no_plain_transformer(name, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='WeakTrTimmViT', model_name=name, num_classes=CLASSES))


def test_names_the_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='absent.pth'):
        build('WeakTrTimmSegmenterViT', 'vit_small_patch16_224', tmp_path / 'absent.pth')


def test_says_that_timm_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ValueError, match='needs timm, which is not installed: pip install'):
        MODELS.build(dict(type='WeakTrTimmSegmenterViT', model_name='vit_small_patch16_224'))


@pytest.mark.parametrize('pretrained', [True, False])
def test_class_tokens_of_a_network_without_one_start_small_and_differ(tmp_path, pretrained):
    name, options = 'vit_small_patch16_224', dict(class_token=False, global_pool='avg')
    save_timm(name, tmp_path / 'vit.pth', **options)
    path = tmp_path / 'vit.pth' if pretrained else None
    vit = build('WeakTrTimmViT', name, path, num_classes=8, fusion=FUSION, **options)
    assert vit.vit.cls_token.shape == (1, 8, WIDTH)
    assert vit.vit.cls_token.std().item() == pytest.approx(0.02, rel=0.3)
    assert not torch.equal(vit.vit.cls_token[:, 0], vit.vit.cls_token[:, 1])
