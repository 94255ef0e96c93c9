"""Small data sets on disk, in the layouts that users have."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


def _write_image(path, size=(24, 16), seed=0):
    """Write a random RGB photograph; the suffix picks the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _write_voc_xml(path, names, extra=''):
    """Write a VOC annotation in which every second object is difficult."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = ''.join(
        f'<object><name>{name}</name><difficult>{index % 2}</difficult>'
        f'<part><name>head</name></part></object>'
        for index, name in enumerate(names)
    )
    path.write_text(f'{extra}<annotation><filename>x</filename>{objects}</annotation>')


@pytest.fixture
def write_image():
    return _write_image


@pytest.fixture
def write_voc_xml():
    return _write_voc_xml


@pytest.fixture
def voc_root(tmp_path):
    """Three images, labels cat / dog+cat / dog, masks, one split."""
    root = tmp_path / 'VOC2012'
    labels = {'2007_1': ['cat'], '2007_2': ['dog', 'cat', 'dog'], '2007_3': ['dog']}
    for index, (name, names) in enumerate(labels.items()):
        _write_image(root / 'JPEGImages' / f'{name}.jpg', seed=index)
        _write_voc_xml(root / 'Annotations' / f'{name}.xml', names)
        mask = root / 'SegmentationClass' / f'{name}.png'
        mask.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 24), index, np.uint8)).save(mask)
    split = root / 'ImageSets' / 'Segmentation' / 'train.txt'
    split.parent.mkdir(parents=True)
    split.write_text('2007_1\n2007_2\n\n')
    return root
