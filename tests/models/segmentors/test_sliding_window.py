"""mmseg's sliding windows and test-time augmentation compute what the published evaluation does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

import weaktr_mmseg  # noqa: F401

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
    """Average the logits of all windows by the definition, (1, 3, H, W) -> (1, K, H, W)."""
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
def test_scales_and_mirror_images_are_averaged_as_probabilities(segmentor):
    generator = torch.Generator().manual_seed(2)
    scales = [torch.randn(1, 3, *size, generator=generator) for size in ((40, 60), (64, 96))]
    original = (41, 61)
    variants = [(image, False) for image in scales] + [(image.flip(3), True) for image in scales]
    model = SegTTAModel(module=segmentor)
    seen = []
    model.merge_preds = lambda samples: (
        seen.extend(samples) or SegTTAModel.merge_preds(model, samples)
    )

    (merged,) = model.test_step(
        dict(
            inputs=[[denormalised(segmentor, image)] for image, _ in variants],
            data_samples=[[sample_of(image, original, flip)] for image, flip in variants],
        )
    )

    probabilities = 0
    for image, flip in variants:
        logits = windowed_logits(segmentor, image)
        logits = F.interpolate(logits, original, mode='bilinear', align_corners=False)
        probabilities = probabilities + (logits.flip(3) if flip else logits).softmax(dim=1)[0] / 4
    average = sum(sample.seg_logits.data.softmax(dim=0) for sample in seen[0]) / 4
    torch.testing.assert_close(average, probabilities, rtol=0, atol=1e-4)
    assert torch.equal(merged.pred_sem_seg.data[0], average.argmax(dim=0))


def denormalised(segmentor: EncoderDecoder, image: Tensor) -> Tensor:
    """Return the BGR image that the data preprocessor turns into ``image``, (3, H, W)."""
    preprocessor = segmentor.data_preprocessor
    return (image[0] * preprocessor.std + preprocessor.mean)[[2, 1, 0]]
