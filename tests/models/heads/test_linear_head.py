from __future__ import annotations

import torch

from weaktr_mmseg.models import WeakTrLinearHead


def test_each_patch_is_scored_by_itself_on_standardised_channels():
    head = WeakTrLinearHead(3, 4, loss_decode=dict(type='mmseg.CrossEntropyLoss'))
    tokens = torch.randn(8, 3, 5, 6) * torch.tensor([0.1, 1, 10])[:, None, None] + 5
    for _ in range(200):
        head.train()((tokens,))
    normal = (tokens - tokens.mean((0, 2, 3), keepdim=True)) / tokens.std((0, 2, 3), keepdim=True)
    weight, bias = head.conv_seg.weight.flatten(1), head.conv_seg.bias
    expected = torch.einsum('ke,behw->bkhw', weight, normal) + bias[:, None, None]
    torch.testing.assert_close(head.eval()((tokens,)), expected, rtol=0.02, atol=0.02)
