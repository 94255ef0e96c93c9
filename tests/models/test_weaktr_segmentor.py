from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint

from weaktr_mmseg.models.weaktr_segmentor import WeakTrSegmentor


def test_refuses_an_unconverted_checkpoint(tmp_path):
    init_default_scope('mmseg')
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8)
    head = dict(in_channels=8, channels=8, embed_dims=8, num_layers=1, num_heads=1, num_classes=3)
    segmentor = WeakTrSegmentor(
        backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, out_type='featmap'),
        decode_head=dict(type='WeakTrGradientClippingHead', **head),
    )
    authors = {'decoder.cls_emb': torch.zeros(1, 3, 8)}
    for content in ({'model': authors, 'epoch': 3}, {'state_dict': authors}, authors):
        torch.save(content, tmp_path / 'authors.pth')
        with pytest.raises(ValueError, match=r'decoder\.cls_emb\); convert it first'):
            load_checkpoint(segmentor, str(tmp_path / 'authors.pth'))
