from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.structures import SegDataSample

from weaktr_mmseg.models import weaktr_segmentor
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


@pytest.mark.parametrize('flip', [None, 'horizontal', 'vertical'])
def test_prediction_of_a_very_large_image_equals_the_parents(monkeypatch, flip):
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8)
    head = dict(in_channels=8, channels=8, embed_dims=8, num_layers=1, num_heads=1, num_classes=5)
    init_default_scope('mmseg')
    segmentor = WeakTrSegmentor(
        backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, out_type='featmap'),
        decode_head=dict(type='WeakTrGradientClippingHead', **head),
    )
    logits = torch.randn(2, 5, 12, 16)
    flipped = {} if flip is None else dict(flip=True, flip_direction=flip)
    meta = dict(padding_size=[1, 2, 0, 3], **flipped)

    def predict(limit):
        monkeypatch.setattr(weaktr_segmentor, 'MAX_LOGITS', limit)
        shapes = ((30, 41), (9, 13))
        samples = [SegDataSample(metainfo=dict(ori_shape=shape, **meta)) for shape in shapes]
        return segmentor.postprocess_result(logits, samples)

    large, small = predict(5 * 30 * 40)
    for sample, expected in zip((large, small), predict(10**9)):
        assert torch.equal(sample.pred_sem_seg.data, expected.pred_sem_seg.data)
        assert expected.pred_sem_seg.data.unique().numel() > 1
    assert 'seg_logits' not in large
    assert 'seg_logits' in small
