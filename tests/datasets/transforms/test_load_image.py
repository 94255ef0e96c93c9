from __future__ import annotations

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

import weaktr_mmseg.datasets  # noqa: F401


@pytest.fixture
def gradient():
    """Smooth RGB image (H 40, W 60, 3): red grows to the right, green downwards."""
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, np.full_like(x, 90)], -1).astype(np.uint8)


def load(path, **kwargs):
    transform = TRANSFORMS.build(dict(type='WeakTrLoadImage', _scope_='mmseg', **kwargs))
    return transform(dict(img_path=str(path)))


def test_rgb_png_is_exact_bgr(tmp_path, gradient):
    Image.fromarray(gradient).save(tmp_path / 'a.png')
    results = load(tmp_path / 'a.png')
    np.testing.assert_array_equal(results['img'], gradient[..., ::-1])
    assert results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (40, 60)
    assert load(tmp_path / 'a.png', to_float32=True)['img'].dtype == np.float32


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation(tmp_path, gradient, orientation):
    upright = gradient
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / 'a.jpg', exif=exif, quality=95, subsampling=0)
    error = np.abs(load(tmp_path / 'a.jpg')['img'][..., ::-1].astype(int) - upright)
    assert error.max() < 12


def test_cmyk_jpeg(tmp_path, gradient):
    Image.fromarray(gradient).convert('CMYK').save(tmp_path / 'a.jpg', quality=95)
    error = np.abs(load(tmp_path / 'a.jpg')['img'][..., ::-1].astype(int) - gradient)
    assert error.max() < 16


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_16_bit_gray_keeps_its_range(tmp_path, suffix):
    levels = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / f'a.{suffix}')
    expected = np.repeat((levels // 256).astype(np.uint8)[..., None], 3, -1)
    np.testing.assert_array_equal(load(tmp_path / f'a.{suffix}')['img'], expected)


@pytest.mark.parametrize('transparent', [False, True])
def test_palette(tmp_path, transparent):
    image = Image.new('P', (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    image.save(tmp_path / 'a.png', **({'transparency': bytes([0, 128])} if transparent else {}))
    assert load(tmp_path / 'a.png')['img'].tolist() == [[[30, 20, 10], [50, 100, 200]]]


@pytest.mark.parametrize(
    'mode,pixel,bgr',
    [
        ('L', 77, [77, 77, 77]),
        ('1', 1, [255, 255, 255]),
        ('LA', (77, 10), [77, 77, 77]),
        ('RGBA', (10, 20, 30, 128), [30, 20, 10]),
    ],
)
def test_gray_and_transparent(tmp_path, mode, pixel, bgr):
    Image.new(mode, (3, 2), pixel).save(tmp_path / 'a.png')
    assert load(tmp_path / 'a.png')['img'].tolist() == [[bgr] * 3] * 2


def test_truncated_jpeg_is_refused_by_name(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / 'whole.jpg')
    data = (tmp_path / 'whole.jpg').read_bytes()
    (tmp_path / 'half.jpg').write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ValueError, match=r'cannot read image .*half\.jpg: .*truncated'):
        load(tmp_path / 'half.jpg')
    assert load(tmp_path / 'half.jpg', ignore_empty=True) is None


@pytest.mark.parametrize('content', [b'', b'not an image', b'\x89PNG\r\n\x1a\n'])
def test_no_image_is_refused_by_name(tmp_path, content):
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(ValueError, match=r'cannot read image .*a\.jpg: ') as error:
        load(tmp_path / 'a.jpg')
    assert 'BytesIO' not in str(error.value)


def test_float_image_is_refused_by_name(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match=r'a\.tif: it has floating-point pixels'):
        load(tmp_path / 'a.tif')
