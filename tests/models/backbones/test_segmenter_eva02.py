from __future__ import annotations

import pytest
import torch
from mmpretrain.models.backbones import ViTEVA02

from weaktr_mmseg.models.backbones.rotary_attention import RotaryEmbedding, rotary_angles
from weaktr_mmseg.models.backbones.segmenter_eva02 import WeakTrEVA02

SETTINGS = dict(
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=24),
    img_size=64,
    patch_size=16,
    out_type='featmap',
    interpolate_mode='bilinear',
)


@pytest.fixture
def encoder() -> WeakTrEVA02:
    torch.manual_seed(0)
    encoder = WeakTrEVA02(**SETTINGS)
    encoder.init_weights()
    encoder.eval()
    return encoder


def test_angles_of_single_patches():
    angles = rotary_angles((2, 4), head_dims=8).unflatten(0, (2, 4))  # (2, 4, 8)
    row, column = 1 / 2 * 16, 3 / 4 * 16
    expected = [row, row, row / 100, row / 100, column, column, column / 100, column / 100]
    torch.testing.assert_close(angles[1, 3], torch.tensor(expected))
    assert not angles[0, 0].any()


def test_rotation_makes_scores_depend_on_relative_position():
    rope = RotaryEmbedding(8)
    query, key = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 1, 16, 8)
    scores = rope(query, (4, 4)) @ rope(key, (4, 4)).transpose(2, 3)  # (1, 1, 16, 16)
    torch.testing.assert_close(scores[..., 0, 5], scores[..., 10, 15])
    assert (scores[..., 0, 5] - scores[..., 0, 6]).abs() > 1e-3


def test_tables_follow_the_input_size_and_stay_out_of_checkpoints(encoder):
    expected = encoder(torch.ones(1, 3, 64, 64))[0]
    assert encoder(torch.ones(1, 3, 80, 48))[0].shape == (1, 16, 5, 3)
    assert not [name for name in encoder.state_dict() if 'rope' in name]
    torch.testing.assert_close(encoder(torch.ones(1, 3, 64, 64))[0], expected)


def test_keys_have_no_bias(encoder):
    names = set(encoder.state_dict())
    assert {'layers.0.attn.q_bias', 'layers.0.attn.v_bias'} <= names
    assert not {'layers.0.attn.qkv.bias', 'layers.0.attn.k_bias'} & names


def test_everything_but_the_attention_is_mmpretrains(encoder):
    stock = ViTEVA02(**SETTINGS)
    state = {key: value for key, value in encoder.state_dict().items() if '.attn.' not in key}
    result = stock.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    assert all('.attn.' in key or 'rope' in key for key in result.missing_keys)
