from __future__ import annotations

import torch

from weaktr_mmseg.models.backbones.mimetic_init import mimetic_init_
from weaktr_mmseg.models.backbones.position_embedding import sine_cosine_grid

GAIN = 1.5


def test_queries_and_keys_are_one_orthonormal_projection(build_vit):
    vit = build_vit()
    before = {name: value.clone() for name, value in vit.state_dict().items()}

    mimetic_init_(vit, GAIN)

    first_heads = []
    for index, layer in enumerate(vit.layers):
        query, key, value = layer.attn.qkv.weight.chunk(3)
        assert torch.equal(query, key)
        assert torch.equal(value, before[f'layers.{index}.attn.qkv.weight'].chunk(3)[2])
        for head in query.chunk(layer.attn.num_heads):
            torch.testing.assert_close(head @ head.T, GAIN**2 * torch.eye(len(head)))
        first_heads.append(query.chunk(layer.attn.num_heads)[0])
    assert not torch.equal(first_heads[0], first_heads[1])


def test_patch_positions_become_a_table_and_class_positions_stay(build_vit):
    vit = build_vit()
    classes = vit.num_classes
    class_positions = vit.pos_embed[:, :classes].clone()

    mimetic_init_(vit, GAIN)

    assert torch.equal(vit.pos_embed[:, :classes], class_positions)
    assert torch.equal(vit.pos_embed[:, classes:], sine_cosine_grid(4, vit.embed_dims))
    assert vit.pos_embed.requires_grad
    changed = {'pos_embed', *(f'layers.{index}.attn.qkv.weight' for index in range(3))}
    assert {
        name
        for name, value in build_vit().state_dict().items()
        if not torch.equal(value, vit.state_dict()[name])
    } == changed
