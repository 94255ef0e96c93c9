from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.errors import WeakTrInputError


def build(classes: int) -> torch.nn.Module:
    loss = dict(type='mmseg.CrossEntropyLoss')
    return MODELS.build(
        dict(type='WeakTrLinearHead', in_channels=3, num_classes=classes, loss_decode=loss)
    )


def test_each_patch_is_scored_by_itself_on_standardised_channels():
    head = build(4)
    tokens = torch.randn(8, 3, 5, 6) * torch.tensor([0.1, 1, 10])[:, None, None] + 5
    for _ in range(200):
        head.train()((tokens,))
    normal = (tokens - tokens.mean((0, 2, 3), keepdim=True)) / tokens.std((0, 2, 3), keepdim=True)
    weight, bias = head.conv_seg.weight.flatten(1), head.conv_seg.bias
    expected = torch.einsum('ke,behw->bkhw', weight, normal) + bias[:, None, None]
    torch.testing.assert_close(head.eval()((tokens,)), expected, rtol=0.02, atol=0.02)


def test_weights_of_other_classes_are_refused():
    build(4).load_state_dict(build(4).state_dict())
    with pytest.raises(WeakTrInputError, match=r'conv_seg\.weight: expected 4 classes, .* has 5'):
        build(4).load_state_dict(build(5).state_dict())
