from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.datasets.transforms import LoadOptionalMask
from weaktr_mmseg.utils.masks import write_mask


def load(path=None, shape=None):
    found = {} if path is None else dict(seg_map_path=str(path))
    info = dict(found, ori_shape=shape, reduce_zero_label=False, label_map=None, seg_fields=[])
    return LoadOptionalMask().transform(info)


@pytest.mark.parametrize('shape', [(1, 1), (1, 6), (6, 1), (2, 3)])
def test_mask_keeps_its_sides(tmp_path, shape):
    mask = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_mask(tmp_path / 'mask.png', mask, [[0] * 3])
    loaded = load(tmp_path / 'mask.png', shape)
    assert loaded['gt_seg_map'].dtype == np.uint8
    np.testing.assert_array_equal(loaded['gt_seg_map'], mask)
    assert loaded['seg_fields'] == ['gt_seg_map']


def test_sample_without_a_mask_passes():
    assert 'gt_seg_map' not in load()
