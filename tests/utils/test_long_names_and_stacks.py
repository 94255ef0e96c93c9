"""Long file names are written, and pages that are left out are named."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.utils import images
from weaktr_mmseg.utils.files import atomic_path


@pytest.mark.parametrize('stem', ['x' * 240, '\u8def' * 80])
def test_a_name_as_long_as_the_file_system_takes(tmp_path, stem):
    with atomic_path(tmp_path / f'{stem}.png') as temporary:
        temporary.write_bytes(b'1')
    assert (tmp_path / f'{stem}.png').read_bytes() == b'1'


@pytest.mark.parametrize('suffix', ['tif', 'gif', 'webp', 'png'])
def test_further_pages_are_named_once(tmp_path, monkeypatch, suffix):
    pages = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (1, 2, 3)]
    path = str(tmp_path / f'stack.{suffix}')
    pages[0].save(path, save_all=True, append_images=pages[1:], lossless=True)
    lines = []
    monkeypatch.setattr(images, 'print_log', lambda message, *_: lines.append(message))
    assert images.read_rgb(path).max() == images.read_rgb(path).max() == 1
    assert lines == [f'{path} has 3 pages, of which the first one is read; save each as a file']


def test_too_many_pixels_are_refused_with_the_option(tmp_path, monkeypatch):
    Image.new('L', (40, 40)).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(ValueError, match='more than 200 pixels; .*MAX_IMAGE_PIXELS'):
        images.read_rgb(str(tmp_path / 'a.png'))
