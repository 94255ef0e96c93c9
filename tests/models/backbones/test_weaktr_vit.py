from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModule

from weaktr_mmseg.models import AdaptiveAttentionFusion
from weaktr_mmseg.models.backbones.position_embedding import resize_by_factor, sine_cosine_grid
from weaktr_mmseg.models.fusions.fused_attention import MaterializedFusedAttention

from looping import some

CLASSES, WIDTH = 3, 16


def draw_images(*size):
    return torch.randn(2, 3, *size, generator=torch.manual_seed(3))


def reference_forward(vit, images):
    """Stock layers one after another; gives tokens and, per layer, attention and output."""
    patches = vit.patch_embed.projection(images).flatten(2).mT
    tokens = torch.cat((vit.cls_token.repeat(len(images), 1, 1), patches), 1) + vit.pos_embed
    attentions, outputs = [], []
    for layer in vit.layers:
        normed = layer.ln1(tokens)
        heads = layer.attn.num_heads
        query, key, value = (
            part.unflatten(2, (heads, -1)).transpose(1, 2)
            for part in layer.attn.qkv(normed).chunk(3, dim=2)
        )
        attention = (query @ key.mT / query.size(-1) ** 0.5).softmax(-1)
        attentions.append(attention)
        outputs.append(layer.attn.proj((attention @ value).transpose(1, 2).flatten(2)))
        tokens = layer(tokens)
    return tokens, attentions, outputs


def test_tokens_are_those_of_stock_layers_without_final_norm(build_vit):
    vit, images = build_vit(), draw_images(16, 16)
    features = vit(images)
    tokens, _, _ = reference_forward(vit, images)
    torch.testing.assert_close(features.class_tokens, tokens[:, :CLASSES])
    torch.testing.assert_close(features.patch_map, tokens[:, CLASSES:].mT.unflatten(2, (4, 4)))
    assert not hasattr(vit, 'norm')


def test_final_norm_is_applied_to_all_tokens(build_vit):
    vit, images = build_vit(final_norm=True), draw_images(16, 16)
    features = vit(images)
    tokens = vit.ln1(reference_forward(vit, images)[0])
    torch.testing.assert_close(features.class_tokens, tokens[:, :CLASSES])
    torch.testing.assert_close(features.patch_map, tokens[:, CLASSES:].mT.unflatten(2, (4, 4)))


def test_registers_take_part_but_are_not_in_the_features(build_vit):
    vit, images = build_vit(num_registers=2), draw_images(16, 16)
    patches = vit.patch_embed.projection(images).flatten(2).mT
    tokens = torch.cat((vit.cls_token.repeat(2, 1, 1), patches), 1) + vit.pos_embed
    registers = vit.register_tokens.repeat(2, 1, 1)
    tokens = torch.cat((tokens[:, :CLASSES], registers, tokens[:, CLASSES:]), 1)
    for layer in vit.layers:
        tokens = layer(tokens)

    features = vit(images)

    torch.testing.assert_close(features.class_tokens, tokens[:, :CLASSES])
    torch.testing.assert_close(features.patch_map.flatten(2).mT, tokens[:, CLASSES + 2 :])
    assert features.attention.class_to_patch().shape == (2, CLASSES, 16)
    assert vit.pos_embed.shape == (1, CLASSES + 16, WIDTH)
    assert vit(draw_images(20, 24)).patch_map.shape == (2, WIDTH, 5, 6)
    assert 'register_tokens' not in build_vit().state_dict()


def test_a_fusion_without_type_is_the_published_one(build_vit):
    named = build_vit()
    unnamed = build_vit(fusion=dict(reduction=2, feature_reduction=2))
    assert type(named.attention_fusion) is type(unnamed.attention_fusion) is AdaptiveAttentionFusion
    assert named.state_dict().keys() == unnamed.state_dict().keys()


@pytest.mark.parametrize('mode', ['streaming', 'materialized'])
def test_uniform_fusion_is_the_mean_over_the_last_layers(build_vit, mode):
    fusion = dict(type='WeakTrUniformFusion', last_layers=2)
    vit, images = build_vit(fusion=fusion, attention_mode=mode), draw_images(16, 16)
    _, attentions, _ = reference_forward(vit, images)
    expected = torch.stack(attentions[1:]).mean(dim=(0, 2))[:, :CLASSES, CLASSES:]
    attention = vit(images).attention
    torch.testing.assert_close(attention.class_to_patch(), expected)
    assert list(attention.fused_layers) == [1, 2]


@pytest.mark.parametrize('layer_scale', [0.0, 0.5])
def test_attention_is_the_weighted_mean_over_all_heads(build_vit, layer_scale):
    vit, images = build_vit(layer_scale_init_value=layer_scale), draw_images(16, 16)

    rows = vit(images).attention.class_to_patch()

    _, attentions, outputs = reference_forward(vit, images)
    weights = vit.attention_fusion([vit.attention_fusion.pool(output) for output in outputs])
    pairs = [
        weights[:, head, layer, None, None] * attention[:, head]
        for layer, attention in enumerate(attentions)
        for head in range(attention.size(1))
    ]
    expected = torch.stack(pairs).mean(0)[:, :CLASSES, CLASSES:]
    torch.testing.assert_close(rows, expected)


def test_attention_mode_is_obeyed(build_vit):
    images = draw_images(16, 16)
    attention = build_vit(attention_mode='materialized')(images).attention
    assert isinstance(attention, MaterializedFusedAttention)
    maps = torch.rand(2, 2, 16)
    streaming = build_vit(attention_mode='streaming')(images).attention
    torch.testing.assert_close(attention.propagate(maps), streaming.propagate(maps))


def test_position_embedding_is_used_unchanged_for_trained_square_images_only(build_vit):
    vit = build_vit()
    resized = torch.cat(
        (vit.pos_embed[:, :CLASSES], resize_by_factor(vit.pos_embed[:, CLASSES:], (4, 4))), dim=1
    )
    assert vit.position_embedding((4, 4), (16, 16)) is vit.pos_embed
    assert vit.position_embedding((4, 4), (18, 18)) is vit.pos_embed
    assert torch.equal(vit.position_embedding((4, 4), (16, 17)), resized)
    assert not torch.allclose(resized, vit.pos_embed)
    other = vit.position_embedding((5, 3), (20, 12))
    assert torch.equal(other[:, :CLASSES], vit.pos_embed[:, :CLASSES])
    assert torch.equal(other[:, CLASSES:], resize_by_factor(vit.pos_embed[:, CLASSES:], (5, 3)))


def test_forward_uses_that_rule(build_vit):
    """17 x 16 px have the trained grid and the pixels of 16 x 16 px, yet other positions."""
    vit, images = build_vit(), draw_images(17, 16)
    assert not torch.allclose(vit(images).patch_map, vit(images[:, :, :16]).patch_map, atol=1e-3)


@pytest.mark.parametrize(('padding', 'grid'), [(None, (4, 5)), ('corner', (5, 6))])
def test_sides_are_floored_unless_padded(build_vit, padding, grid):
    vit = build_vit(patch_cfg=None if padding is None else dict(padding=padding))
    features = vit(draw_images(18, 23))
    assert features.patch_map.shape == (2, WIDTH, *grid)
    assert features.attention.class_to_patch().shape == (2, CLASSES, grid[0] * grid[1])


@pytest.mark.parametrize('init_cfg', [None, [dict(type='TruncNormal', layer='Linear', std=0.02)]])
def test_init_weights_makes_class_tokens_distinct(build_vit, init_cfg, monkeypatch):
    monkeypatch.setattr(BaseModule, '_dump_init_info', lambda self: None)
    vit = build_vit(init_cfg=init_cfg, mimetic_gain=1.0)
    vit.init_weights()
    assert len(vit.cls_token[0].unique(dim=0)) == CLASSES
    assert vit.cls_token.abs().max() < 0.2
    assert torch.equal(vit.pos_embed[:, CLASSES:], sine_cosine_grid(4, WIDTH))


def test_init_weights_without_gain_leaves_attention_to_the_parent(build_vit):
    vit = build_vit()
    vit.init_weights()
    query, key, _ = vit.layers[0].attn.qkv.weight.chunk(3)
    assert not torch.equal(query, key)
    assert 0 < vit.pos_embed.abs().max() < 0.2


def test_pretrained_weights_are_kept(build_vit, tmp_path):
    source = build_vit()
    torch.save(source.state_dict(), tmp_path / 'vit.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'vit.pth'))
    vit = build_vit(init_cfg=init_cfg, mimetic_gain=1.0)
    torch.nn.init.zeros_(vit.cls_token)

    vit.init_weights()

    for name, value in some(source.state_dict().items()):
        assert torch.equal(vit.state_dict()[name], value), name


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_classes=0), 'num_classes: expected at least 1, got 0'),
        (dict(attention_mode='dense'), "attention_mode: expected one of .* got 'dense'"),
        (dict(img_size=(16, 20)), r'img_size: expected a square, got \(16, 20\)'),
    ],
)
def test_refuses_bad_options(build_vit, options, message):
    with pytest.raises(ValueError, match=message):
        build_vit(**options)
