from __future__ import annotations

import pytest
from PIL import Image, ImageOps

from weaktr_mmseg.apis.annotations.source import pair_masks, upright_size
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.mark.parametrize('orientation', range(10))  # 0 and 9 mean nothing
def test_size_is_that_of_the_upright_photograph(tmp_path, orientation):
    image = Image.new('RGB', (7, 4))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / 'a.jpg', exif=exif)
    with Image.open(tmp_path / 'a.jpg') as stored:
        width, height = ImageOps.exif_transpose(stored).size
    assert upright_size(tmp_path / 'a.jpg') == (height, width)


def test_masks_without_a_photograph_are_counted(tmp_path):
    for folder, names in (('photos', 'b.jpg'), ('masks', 'c.png a.png b.png')):
        (tmp_path / folder).mkdir()
        for name in names.split():
            Image.new('L', (3, 2)).save(tmp_path / folder / name)
    with pytest.raises(WeakTrInputError, match=r"^2 of 3 masks in .*; the first is 'a\.png'$"):
        pair_masks(tmp_path / 'masks', tmp_path / 'photos')
