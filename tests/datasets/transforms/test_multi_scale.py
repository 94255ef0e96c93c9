from __future__ import annotations

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

import weaktr_mmseg  # noqa: F401


def scale(image, scales):
    transform = TRANSFORMS.build(dict(type='WeakTrMultiScale', scales=scales, _scope_='mmseg'))
    return transform(dict(img=image, ori_shape=image.shape[:2]))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


def test_resamples_as_pillow_does_without_rounding_to_patches(image):
    results = scale(image, [1.2, 1.0, 0.75])
    sizes = [(36, 49), (30, 41), (22, 31)]  # round(22.5) is 22, as everywhere in Python
    assert [scaled.shape for scaled in results['img']] == [(*size, 3) for size in sizes]
    for scaled, (height, width) in zip(results['img'], sizes):
        expected = Image.fromarray(image).resize((width, height), Image.BICUBIC)
        np.testing.assert_array_equal(scaled, np.asarray(expected))
    assert results['img_shape'] == (36, 49)
    assert results['ori_shape'] == (30, 41)


def test_scale_one_is_the_image_itself(image):
    np.testing.assert_array_equal(scale(image, [1.0])['img'][0], image)


def test_scaled_images_can_be_written_to(image):
    """torch.from_numpy warns about read-only memory."""
    assert all(scaled.flags.writeable for scaled in scale(image, [0.5, 2.0])['img'])


def test_sides_have_at_least_one_pixel():
    assert scale(np.zeros((2, 40, 3), np.uint8), [0.1])['img'][0].shape == (1, 4, 3)


@pytest.mark.parametrize('scales', [[], [1.0, 0.0], [-1.0]])
def test_refuses_scales(scales):
    with pytest.raises(ValueError, match='scales: expected positive factors, got'):
        scale(np.zeros((4, 4, 3), np.uint8), scales)
