from __future__ import annotations

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

import weaktr_mmseg  # noqa: F401

from looping import some


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


@pytest.mark.parametrize('size', [(1, 1), (2, 40), (40, 2), (1, 12000)])
def test_sides_have_at_least_a_patch(size):
    scaled = scale(np.zeros((*size, 3), np.uint8), [0.1])['img'][0]
    assert scaled.shape[:2] == tuple(max(16, round(side * 0.1)) for side in size)


@pytest.mark.parametrize('size', [(700, 12000), (12000, 300), (1500, 1500), (20, 12000)])
def test_panoramas_are_shrunk(size):
    transform = dict(type='WeakTrMultiScale', scales=[1.2, 1.0, 0.1], max_pixels=10**6)
    image = np.zeros((*size, 3), np.uint8)
    results = TRANSFORMS.build({**transform, '_scope_': 'mmseg'})(dict(img=image, ori_shape=size))
    for scaled, factor in some(zip(results['img'], (1.2, 1.0, 0.1), strict=True)):
        height, width = scaled.shape[:2]
        assert height * width <= 10**6
        if size[0] * size[1] * factor**2 > 10**6:
            assert height * width > 0.99 * 10**6
            assert height / width == pytest.approx(size[0] / size[1], rel=0.01)


@pytest.mark.parametrize('scales', [[], [1.0, 0.0], [-1.0]])
def test_refuses_scales(scales):
    with pytest.raises(ValueError, match='scales: expected positive factors, got'):
        scale(np.zeros((4, 4, 3), np.uint8), scales)


@pytest.mark.parametrize('bounds', [dict(min_side=0), dict(max_pixels=255)])
def test_refuses_bounds(bounds):
    with pytest.raises(ValueError, match='expected min_side >= 1 and max_pixels >= min_side'):
        TRANSFORMS.build(dict(type='WeakTrMultiScale', scales=[1.0], _scope_='mmseg', **bounds))
