from __future__ import annotations

import numpy as np
import pytest
from hard_masks import CLASSES, NAMES, Photographs, hard_mask
from PIL import Image

from weaktr_mmseg.utils.masks import write_mask
from weaktr_mmseg.utils.palette import voc_palette


@pytest.fixture
def photographs(tmp_path) -> Photographs:
    masks, images = tmp_path / 'in/masks', tmp_path / 'in/images'
    truth = {}
    for seed, name in enumerate(NAMES):
        mask = np.zeros((20, 33), np.uint8) if name == 'empty.jpg' else hard_mask(seed)
        truth[name] = mask
        write_mask((masks / name).with_suffix('.png'), mask, voc_palette(len(CLASSES)))
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(images / name)
    Image.new('RGB', (8, 8)).save(images / 'without_mask.jpg')
    return Photographs(masks, images, truth)
