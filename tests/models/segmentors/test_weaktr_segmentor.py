from __future__ import annotations

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.structures import SegDataSample

from weaktr_mmseg.crf import BilateralTerm, DenseCRF, GaussianTerm, unary_from_probabilities
from weaktr_mmseg.models.segmentors.weaktr_segmentor import WeakTrSegmentor
from weaktr_mmseg.utils.errors import WeakTrInputError


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
def test_prediction_of_a_very_large_image_equals_the_parents(flip):
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
        segmentor.max_logits = limit
        shapes = ((30, 41), (9, 13))
        samples = [SegDataSample(metainfo=dict(ori_shape=shape, **meta)) for shape in shapes]
        return segmentor.postprocess_result(logits, samples)

    large, small = predict(5 * 30 * 40)
    for sample, expected in zip((large, small), predict(10**9)):
        assert torch.equal(sample.pred_sem_seg.data, expected.pred_sem_seg.data)
        assert expected.pred_sem_seg.data.unique().numel() > 1
    assert 'seg_logits' not in large
    assert 'seg_logits' in small


def _tiny_segmentor(**options):
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8)
    head = dict(in_channels=8, channels=8, embed_dims=8, num_layers=1, num_heads=1, num_classes=3)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    return WeakTrSegmentor(
        backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch=arch,
            img_size=16,
            patch_size=8,
            out_type='featmap',
        ),
        decode_head=dict(type='WeakTrGradientClippingHead', **head),
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[120.0, 110.0, 100.0], std=[58.0, 57.0, 55.0]
        ),
        **options,
    ).eval()


def test_refines_at_the_size_of_the_input():
    terms = dict(gaussian=dict(sxy=2, compat=3), bilateral=dict(sxy=20, srgb=5, compat=4))
    refine = dict(type='DenseCRF', **terms, iterations=4)
    segmentor = _tiny_segmentor(test_cfg=ConfigDict(mode='whole', refine=refine))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    samples = [
        SegDataSample(metainfo=dict(ori_shape=(9, 11), img_shape=(16, 16), pad_shape=(16, 16)))
        for _ in images
    ]
    batch = segmentor.data_preprocessor(dict(inputs=list(images), data_samples=samples))
    with torch.no_grad():
        refined = segmentor.inference(batch['inputs'], [s.metainfo for s in samples]).exp()
        predicted = segmentor(**batch, mode='predict')
        segmentor.refiner = None
        plain = segmentor.inference(batch['inputs'], [s.metainfo for s in samples]).softmax(1)

    crf = DenseCRF([GaussianTerm(2, 3), BilateralTerm(20, 5, 4)], iterations=4)
    for image, probabilities, result in zip(images, plain, refined):
        pixels = image.permute(1, 2, 0).contiguous()
        expected = crf(pixels, unary_from_probabilities(probabilities))
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)
    assert (refined - plain).abs().max() > 0.01
    assert predicted[0].pred_sem_seg.shape == (9, 11)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (dict(refine=dict(type='DenseCRF', colour=dict(sxy=3))), "test_cfg: .*argument 'colour'"),
        (
            dict(crf='voc_seg'),
            r"test_cfg\.crf: .*\(type='DenseCRF', preset='voc_seg'\)",
        ),
    ],
)
def test_wrong_refinement(option, message):
    with pytest.raises(WeakTrInputError, match=message):
        _tiny_segmentor(test_cfg=dict(mode='whole', **option))


@pytest.mark.parametrize('readouts', [(1.0,), (0.8, 1.0)])
def test_image_labels_leave_their_classes_and_the_background(readouts):
    """Of each image its own, also where several readouts are added."""
    init_default_scope('mmseg')
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8)
    head = dict(in_channels=8, channels=8, embed_dims=8, num_layers=2, num_heads=1, num_classes=5)
    torch.manual_seed(0)
    segmentor = WeakTrSegmentor(
        backbone=dict(type='WeakTrSegmenterViT', arch=arch, img_size=32, out_type='featmap'),
        decode_head=dict(type='WeakTrGradientClippingHead', **head),
        test_cfg=ConfigDict(mode='whole', readout_weights=readouts, use_image_labels=True),
    ).eval()
    samples = []
    for labels in ([0.0, 1, 0, 1], [0.0, 0, 0, 0], None):
        sample = SegDataSample(metainfo=dict(ori_shape=(32, 32), img_shape=(32, 32)))
        if labels is not None:
            sample.set_field(torch.tensor(labels), 'image_labels', dtype=torch.Tensor)
        samples.append(sample)
    with torch.no_grad():
        scores = segmentor.predict_scores(torch.randn(3, 3, 32, 32), samples)
        results = segmentor.predict(torch.randn(3, 3, 32, 32), samples)
    assert not scores[0][[1, 3]].any() and not scores[1][1:].any()
    assert scores[2].min() > 0
    for one in scores:
        torch.testing.assert_close(one.sum(0), torch.full((32, 32), sum(readouts)))
    assert set(results[0].pred_sem_seg.data.unique().tolist()) <= {0, 2, 4}
    assert set(results[1].pred_sem_seg.data.unique().tolist()) == {0}


@pytest.mark.parametrize('refine', [None, dict(type='DenseCRF', gaussian=dict(sxy=2, compat=3))])
def test_one_pass_predicts_without_and_with_the_labels(refine, monkeypatch):
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)

    def predict(uses):
        segmentor = _tiny_segmentor(
            test_cfg=ConfigDict(mode='whole', refine=refine, use_image_labels=uses)
        )
        passes = []
        encode = segmentor.encode_decode
        monkeypatch.setattr(
            segmentor, 'encode_decode', lambda *args: passes.append(0) or encode(*args)
        )
        samples = [
            SegDataSample(metainfo=dict(ori_shape=(9, 11), img_shape=(16, 16), pad_shape=(16, 16)))
            for _ in images
        ]
        samples[0].set_field(torch.tensor([0.0, 1.0]), 'image_labels', dtype=torch.Tensor)
        with torch.no_grad():
            batch = segmentor.data_preprocessor(dict(inputs=list(images), data_samples=samples))
            results = segmentor(**batch, mode='predict')
        assert len(passes) == 1
        return results

    both = predict('both')
    for result, plain in zip(both, predict(False)):
        assert torch.equal(result.pred_sem_seg.data, plain.pred_sem_seg.data)
    given = both[0].pred_sem_seg_given_labels.data
    assert torch.equal(given, predict(True)[0].pred_sem_seg.data)
    assert not torch.equal(given, both[0].pred_sem_seg.data)
    assert 'pred_sem_seg_given_labels' not in both[1]  # nothing is known of it
