from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

from weaktr_mmseg.models import WeakTrDataPreprocessor

MEAN, STD = [10.0, 20.0, 30.0], [1.0, 2.0, 4.0]


@pytest.fixture
def preprocessor():
    return WeakTrDataPreprocessor(mean=MEAN, std=STD, bgr_to_rgb=True, size_divisor=1)


def draw_image(height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)
    return torch.from_numpy(pixels)


def normalise(image):
    """BGR pixels to RGB, then by mean and standard deviation."""
    rgb = image.numpy()[::-1].astype(np.float32)
    return torch.from_numpy(
        (rgb - np.float32(MEAN)[:, None, None]) / np.float32(STD)[:, None, None]
    )


def test_scales_are_regrouped_by_image(preprocessor):
    """mmengine collates to one list per scale; the sizes of two images may differ."""
    first = [draw_image(4, 6, 0), draw_image(8, 12, 1)]
    second = [draw_image(5, 3, 2), draw_image(10, 6, 3)]
    collated = [list(pair) for pair in zip(first, second)]
    samples = [SegDataSample(metainfo=dict(sample_id=name)) for name in ('a', 'b')]

    batch = preprocessor(dict(inputs=collated, data_samples=samples))

    assert [sample.sample_id for sample in batch['data_samples']] == ['a', 'b']
    for scales, images in zip(batch['inputs'], (first, second)):
        for mine, image in zip(scales, images):
            torch.testing.assert_close(mine, normalise(image)[None])


@pytest.mark.parametrize('kind', [list, tuple, torch.stack])
def test_single_scale(preprocessor, kind):
    images = [draw_image(4, 6, seed) for seed in range(2)]
    batch = preprocessor(dict(inputs=kind(images)))
    assert batch['data_samples'] is None
    for scales, image in zip(batch['inputs'], images):
        assert len(scales) == 1
        torch.testing.assert_close(scales[0], normalise(image)[None])


def test_training_batch_is_stacked(preprocessor):
    images = [draw_image(4, 4, seed) for seed in range(2)]
    samples = [SegDataSample(), SegDataSample()]
    batch = preprocessor(dict(inputs=images, data_samples=samples), training=True)
    torch.testing.assert_close(batch['inputs'], torch.stack([normalise(image) for image in images]))
