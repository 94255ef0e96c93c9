from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from small_voc import SIZE

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.masks import write_mask
from weaktr_mmseg.utils.palette import voc_palette


@pytest.fixture
def root(tmp_path, write_image, write_voc_xml, monkeypatch):
    """Clean VOC layout: train 00-09 and val 10-13, cats and dogs, every image with a mask."""
    monkeypatch.setattr(sys.modules['weaktr_mmseg.data_check.check_data'], 'FEW_IMAGES', 5)
    names = [f'{index:02d}' for index in range(14)]
    for index, name in enumerate(names):
        write_image(tmp_path / f'JPEGImages/{name}.jpg', size=SIZE, seed=index)
        write_voc_xml(tmp_path / f'Annotations/{name}.xml', [('cat', 'dog')[index % 2]])
        mask = np.zeros(SIZE[::-1], np.uint8)
        mask[4:8, 4:8] = 1 + index % 2
        mask[0] = 255
        write_mask(tmp_path / f'SegmentationClass/{name}.png', mask, voc_palette(3))
    (tmp_path / 'train.txt').write_text('\n'.join(names[:10]), encoding='utf-8')
    (tmp_path / 'val.txt').write_text('\n'.join(names[10:]), encoding='utf-8')
    torch.save({'state_dict': {'backbone.cls_token': torch.zeros(1, 1, 4)}}, tmp_path / 'vit.pth')
    return tmp_path
