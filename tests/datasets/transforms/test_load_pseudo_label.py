from __future__ import annotations

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pseudo_labels.cam_files import read_cams, write_cams
from weaktr_mmseg.pseudo_labels.label_rule import LabelRule
from weaktr_mmseg.utils.masks import write_mask

SIZE = (12, 14)
MASK = np.random.default_rng(0).choice([0, 2, 255], SIZE).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Output of the pseudo-label stage for one image in a sub-folder."""
    write_mask(tmp_path / 'masks' / 'sub' / 'a.png', MASK, [(0, 0, 0), (9, 9, 9), (7, 7, 7)])
    cams = np.random.default_rng(1).random((2, *SIZE))
    write_cams(tmp_path / 'cams' / 'sub' / 'a.npz', cams, [0, 1], ['cat', 'cow'])
    return tmp_path


@pytest.fixture
def image():
    return np.random.default_rng(2).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def load(folder, image, sample_id='sub/a', **options):
    config = dict(type='LoadPseudoLabel', folder=str(folder), _scope_='mmseg', **options)
    results = dict(img=image, sample_id=sample_id, img_path='images/a.jpg')
    return TRANSFORMS.build(config)(results)


def test_reads_the_mask(folder, image):
    results = load(folder, image)
    np.testing.assert_array_equal(results['gt_seg_map'], MASK)
    assert results['seg_fields'] == ['gt_seg_map']


def test_makes_the_label_from_the_maps(folder, image):
    rule = dict(threshold=0.6, ignore_band=0.1)
    labels = load(folder, image, rule=rule)['gt_seg_map']
    expected = LabelRule(**rule).apply(read_cams(folder / 'cams' / 'sub' / 'a.npz'))
    np.testing.assert_array_equal(labels, expected)
    assert set(np.unique(labels)) == {0, 1, 2, 255}


def test_a_rule_gets_the_image_as_rgb(folder, image, monkeypatch):
    seen = []

    def apply(rule, cam_file, rgb):
        seen.append(rgb)
        return MASK

    monkeypatch.setattr(LabelRule, 'apply', apply)
    load(folder, image, rule=dict(threshold=0.6, refine=dict(type='PAMR')))
    np.testing.assert_array_equal(seen, [image[..., ::-1]])


def test_the_key_of_former_versions_is_refused(folder, image):
    with pytest.raises(ValueError, match=r"rule\.crf: .* preset='voc_cam'"):
        load(folder, image, rule=dict(threshold=0.6, crf='voc_cam'))


@pytest.mark.parametrize(
    ('options', 'path'), [({}, 'masks/b.png'), (dict(rule=dict(threshold=0.5)), 'cams/b.npz')]
)
def test_missing_label(folder, image, options, path):
    with pytest.raises(FileNotFoundError, match=f'{path}: no pseudo label'):
        load(folder, image, 'b', **options)


@pytest.mark.parametrize('options', [{}, dict(rule=dict(threshold=0.5))])
def test_label_of_another_size(folder, image, options):
    with pytest.raises(ValueError, match=r'expected the size \(11, 14\) of images/a\.jpg, got'):
        load(folder, image[1:], **options)


def test_damaged_label(folder, image):
    (folder / 'masks' / 'sub' / 'a.png').write_bytes(b'\x89PNG')
    with pytest.raises(ValueError, match=r'a\.png: expected a mask'):
        load(folder, image)


def test_bad_rule_is_refused_when_built(folder, image):
    with pytest.raises(ValueError, match='threshold: expected a number'):
        load(folder, image, rule=dict(threshold=2))
