"""Sliding windows and test-time augmentation compute what the published evaluation does."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from weaktr_mmseg.models import WeakTrCRFTTAModel, WeakTrSegmentor
from weaktr_mmseg.models.segmentors.weaktr_segmentor import enlarge_small

CONFIG = Path(__file__).parents[3] / 'configs' / 'weaktr_voc_retrain.py'
WINDOW, STRIDE = 48, 32  # a tenth of the published ones


@pytest.fixture(scope='module')
def segmentor() -> EncoderDecoder:
    """The published segmentor with a tiny encoder and windows of a tenth."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIG).model
    assert tuple(cfg.test_cfg.crop_size) == (10 * WINDOW,) * 2
    assert tuple(cfg.test_cfg.stride) == (10 * STRIDE,) * 2
    arch = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)
    cfg.backbone.update(arch=arch, img_size=WINDOW, init_cfg=None)
    cfg.decode_head.update(in_channels=16, channels=16, embed_dims=16, num_heads=1, num_classes=4)
    cfg.test_cfg.update(crop_size=(WINDOW, WINDOW), stride=(STRIDE, STRIDE))
    model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


def anchors(side: int) -> list[int]:
    """Return where windows start along a side: every stride, and one that ends at the border."""
    return [start for start in range(0, side, STRIDE) if start < side - WINDOW] + [
        max(side - WINDOW, 0)
    ]


def windowed_logits(segmentor: EncoderDecoder, image: Tensor) -> Tensor:
    """Average the logits of all windows by the definition, (1, 3, H, W) -> (1, K, H', W')."""
    image = enlarge_small(image, WINDOW)
    height, width = image.shape[2:]
    total, count = torch.zeros(1, 4, height, width), torch.zeros(height, width)
    for top in anchors(height):
        for left in anchors(width):
            box = slice(top, top + WINDOW), slice(left, left + WINDOW)
            window = image[(..., *box)]
            padding = (0, -window.shape[3] % 16, 0, -window.shape[2] % 16)
            patches = segmentor.decode_head(segmentor.backbone(F.pad(window, padding)))
            logits = F.interpolate(patches, scale_factor=16, mode='bilinear')
            total[(..., *box)] += logits[..., : window.shape[2], : window.shape[3]]
            count[box] += 1
    return total / count


def sample_of(image: Tensor, original: tuple[int, int], flip: bool = False) -> SegDataSample:
    """Return the sample that goes with a resized and perhaps mirrored image."""
    size = tuple(image.shape[2:])
    meta = dict(ori_shape=original, img_shape=size, pad_shape=size, img_path='none')
    return SegDataSample(
        metainfo=dict(meta, flip=flip, flip_direction='horizontal' if flip else None)
    )


@torch.no_grad()
@pytest.mark.parametrize('size', [(48, 48), (80, 112), (70, 101), (50, 30)])
def test_windows_are_averaged_as_logits_and_resized_to_the_original(segmentor, size):
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    original = (61, 43)

    (sample,) = segmentor.predict(image, [sample_of(image, original)])

    logits = windowed_logits(segmentor, image)
    expected = F.interpolate(logits, original, mode='bilinear', align_corners=False)[0]
    torch.testing.assert_close(sample.seg_logits.data, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_scores_of_scales_and_mirror_images_are_averaged(segmentor):
    generator = torch.Generator().manual_seed(2)
    scales = [torch.randn(1, 3, *size, generator=generator) for size in ((40, 60), (64, 96))]
    original = (41, 61)
    variants = [(image, False) for image in scales] + [(image.flip(3), True) for image in scales]
    model = WeakTrCRFTTAModel(module=copy.deepcopy(segmentor))
    batch = dict(
        inputs=[[denormalised(segmentor, image)] for image, _ in variants],
        data_samples=[[sample_of(image, original, flip)] for image, flip in variants],
    )

    (average,) = model.scores(batch)
    (merged,) = model.test_step(batch)

    probabilities = 0
    for image, flip in variants:
        logits = windowed_logits(segmentor, image)
        logits = F.interpolate(logits, original, mode='bilinear', align_corners=False)
        probabilities = probabilities + (logits.flip(3) if flip else logits).softmax(dim=1)[0] / 4
    torch.testing.assert_close(average, probabilities, rtol=0, atol=1e-4)
    assert torch.equal(merged.pred_sem_seg.data[0], average.argmax(dim=0))


@torch.no_grad()
def test_single_scale_with_two_readouts(segmentor):
    """The score without scales and mirror images, ``model.test_cfg.readout_weights`` alone."""
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    sample = sample_of(image, (41, 61))
    twice = copy.deepcopy(segmentor)
    twice.test_cfg.readout_weights = (0.8, 1.0)

    (combined,) = twice.predict_scores(image, [sample])
    (predicted,) = twice.predict(image, [sample])

    torch.testing.assert_close(combined.sum(dim=0), torch.full((41, 61), 1.8))
    assert torch.equal(predicted.pred_sem_seg.data[0], combined.argmax(dim=0))
    torch.testing.assert_close(predicted.seg_logits.data.exp(), combined)
    (last,) = segmentor.predict_scores(image, [sample])
    assert (combined / 1.8 - last).abs().max() > 0.01


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((260, 533), (480, 983)),  # the quotient first: 533 * 480 / 260 = 984 - 1e-16
        ((533, 260), (983, 480)),
        ((300, 300), (480, 480)),
        ((480, 640), (480, 640)),
        ((479, 9000), (480, 9018)),
    ],
)
def test_small_views_are_enlarged_to_the_window(size, expected):
    assert enlarge_small(torch.empty(1, 1, *size), 480).shape[2:] == expected


def test_small_views_are_enlarged_as_pixels_are_areas():
    enlarged = enlarge_small(torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None, None], 4)
    assert enlarged[0, 0].tolist() == [[0, 0.25, 0.75, 1]] * 4


def test_whole_images_are_not_enlarged():
    segmentor = WeakTrSegmentor(
        backbone=dict(
            type='WeakTrSegmenterViT',
            arch=dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8),
            img_size=32,
            out_type='featmap',
        ),
        decode_head=dict(
            type='WeakTrGradientClippingHead',
            in_channels=8,
            channels=8,
            embed_dims=8,
            num_layers=1,
            num_heads=1,
            num_classes=2,
        ),
        test_cfg=ConfigDict(mode='whole', enlarge_small=True, crop_size=(64, 64)),
    )
    meta = dict(ori_shape=(32, 32), img_shape=(32, 32))
    assert segmentor.inference(torch.randn(1, 3, 32, 32), [meta]).shape == (1, 2, 32, 32)


def denormalised(segmentor: EncoderDecoder, image: Tensor) -> Tensor:
    """Return the BGR image that the data preprocessor turns into ``image``, (3, H, W)."""
    preprocessor = segmentor.data_preprocessor
    return (image[0] * preprocessor.std + preprocessor.mean)[[2, 1, 0]]


@torch.no_grad()
def test_windows_in_bfloat16_are_added_in_float32(segmentor, monkeypatch):
    image = torch.randn(1, 3, 60, 90)
    expected = segmentor.inference(image, [dict(ori_shape=(60, 90))])
    monkeypatch.setattr(segmentor, 'precision', 'bfloat16')
    found = segmentor.inference(image, [dict(ori_shape=(60, 90))])
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0.1)
