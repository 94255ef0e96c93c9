from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS

import weaktr_mmseg.datasets  # noqa: F401


def pack(**results):
    return TRANSFORMS.build(dict(type='PackImageLabelInputs', _scope_='mmseg'))(results)


def test_packs_label_and_sample_id():
    img = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    packed = pack(img=img, image_labels=[2, 0], num_foreground=4, sample_id='a/b', img_path='x')
    assert torch.equal(packed['inputs'], torch.from_numpy(img).permute(2, 0, 1))
    sample = packed['data_samples']
    assert sample.image_labels.dtype == torch.float32
    assert sample.image_labels.tolist() == [1, 0, 1, 0]
    assert sample.metainfo['sample_id'] == 'a/b'
    assert 'gt_sem_seg' not in sample


def test_several_views():
    views = [np.zeros((4, 6, 3), np.uint8), np.ones((8, 12, 3), np.uint8)]
    packed = pack(img=views, image_labels=[0], num_foreground=1, img_path='x')
    assert [tuple(view.shape) for view in packed['inputs']] == [(3, 4, 6), (3, 8, 12)]
    assert packed['data_samples'].image_labels.tolist() == [1]


def test_image_without_labels():
    assert pack(img=np.zeros((4, 4, 3), np.uint8), image_labels=[], num_foreground=2)[
        'data_samples'
    ].image_labels.tolist() == [0, 0]
    assert 'image_labels' not in pack(img=np.zeros((4, 4, 3), np.uint8))['data_samples']


def test_mask_is_packed_when_loaded():
    packed = pack(img=np.zeros((4, 4, 3), np.uint8), gt_seg_map=np.full((4, 4), 3, np.uint8))
    assert packed['data_samples'].gt_sem_seg.data.tolist() == [[[3] * 4] * 4]


@pytest.mark.parametrize('labels', [[4], [-1]])
def test_label_out_of_range(labels):
    with pytest.raises(ValueError, match=r'must lie in 0\.\.3, got .* for a\.jpg'):
        pack(
            img=np.zeros((4, 4, 3), np.uint8),
            image_labels=labels,
            num_foreground=4,
            img_path='a.jpg',
        )
