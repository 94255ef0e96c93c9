from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.datasets.coco14_masks import (
    convert_folder,
    paint_mask,
    to_contiguous,
    write_masks_of_split,
)
from weaktr_mmseg.datasets.coco_categories import COCO_CATEGORY_IDS, has_original_ids
from weaktr_mmseg.utils.masks import read_mask
from weaktr_mmseg.utils.palette import voc_palette

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/coco14_masks.py'


def square(category_id, left, top, side):
    right, bottom = left + side, top + side
    return dict(category_id=category_id, area=side * side,
                segmentation=[[left, top, right, top, right, bottom, left, bottom]])  # fmt: skip


@pytest.fixture
def coco_root(tmp_path, write_image):
    """Image 1 has a toothbrush (id 90, contiguous 80), 2 a stop sign (13, 12), 3 nothing."""
    root = tmp_path / 'coco14'
    names = [f'COCO_train2014_{i:012d}' for i in (1, 2, 3)]
    for name in names:
        write_image(root / f'train2014/{name}.jpg', size=(24, 16))
    annotations = [dict(square(90, 4, 4, 8), image_id=1), dict(square(13, 2, 2, 6), image_id=2)]
    (root / 'annotations').mkdir()
    (root / 'annotations/instances_train2014.json').write_text(json.dumps(dict(
        images=[dict(id=i, file_name=f'{name}.jpg', height=16, width=24)
                for i, name in enumerate(names, 1)],
        annotations=annotations,
        categories=[dict(id=90, name='toothbrush'), dict(id=13, name='stop sign')])),
        encoding='utf-8')  # fmt: skip
    return root


def build(root, **kwargs):
    config = dict(type='WeakTrCOCO14Dataset', data_root=str(root), masks=True, _scope_='mmseg')
    return DATASETS.build({**config, **kwargs})


def write_masks(root, ids):
    for name, mask_id in ids.items():
        path = root / f'masks/train2014/COCO_train2014_{name:012d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((16, 24), np.uint8)
        mask[2:8, 2:8] = mask_id
        mask[0, 0] = 255
        Image.fromarray(mask).save(path)


def test_labels_and_masks(coco_root):
    pytest.importorskip('pycocotools')
    annotations = str(coco_root / 'annotations/instances_train2014.json')
    assert write_masks_of_split(annotations, str(coco_root / 'masks/train2014')) == 2
    dataset = build(coco_root)
    assert [dataset[i]['image_labels'] for i in range(len(dataset))] == [[79], [11]]
    assert np.unique(read_mask(dataset[0]['seg_map_path'])).tolist() == [0, 80]
    assert np.unique(read_mask(dataset[1]['seg_map_path'])).tolist() == [0, 12]
    assert dataset.metainfo['classes'][80] == 'toothbrush'
    assert dataset.metainfo['classes'][12] == 'stop sign'
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 81
    mapping = json.loads(
        (coco_root / 'masks/train2014/category_mapping.json').read_text(encoding='utf-8')
    )
    assert [entry['mask_id'] for entry in mapping] == list(range(81))
    assert mapping[80] == dict(mask_id=80, category_id=90, name='toothbrush')


@pytest.mark.parametrize('ids', [{1: 90, 2: 12}, {1: 80, 2: 13}])
def test_masks_with_original_ids_are_refused(coco_root, ids):
    write_masks(coco_root, ids)
    with pytest.raises(ValueError, match=r'\.png: has COCO category ids .*--from-91'):
        build(coco_root)
    assert len(build(coco_root, masks=False)) == 2


def test_contiguous_masks_are_accepted(coco_root):
    write_masks(coco_root, {1: 80, 2: 12})
    assert len(build(coco_root)) == 2


def test_split_name(coco_root):
    with pytest.raises(ValueError, match="must be 'train' or 'val', got 'test'"):
        build(coco_root, split='test')


@pytest.mark.parametrize(
    'ids,labels,original',
    [
        ([0, 81], None, True),
        ([0, 80, 255], None, False),
        ([0, 13], [11], True),  # stop sign: category 13, contiguous 12
        ([0, 12], [11], False),
        ([0, 1, 2], [0, 1], False),  # equal in both forms
        ([0, 255], [11], False),
        ([0, 40], [11], False),  # a wrong label, no proof
    ],
)
def test_has_original_ids(ids, labels, original):
    assert has_original_ids(ids, labels) is original


def test_small_objects_lie_on_large_ones():
    pytest.importorskip('pycocotools')
    small, large = square(1, 4, 4, 4), square(90, 2, 2, 10)
    for objects in ([small, large], [large, small]):
        mask = paint_mask(objects, 16, 24)
        assert mask.shape == (16, 24) and mask.dtype == np.uint8
        assert (mask[4:8, 4:8] == 1).all()
        assert (mask[2:12, 2:12] == 80).sum() == 100 - 16
        assert np.count_nonzero(mask) == 100


def test_run_lengths():
    pytest.importorskip('pycocotools')
    runs = dict(counts=[4, 2, 4, 2], size=[4, 3])  # down the columns, background first
    mask = paint_mask([dict(category_id=2, area=4, segmentation=runs)], 4, 3)
    np.testing.assert_array_equal(mask.T.ravel(), [0] * 4 + [2] * 2 + [0] * 4 + [2] * 2)


def test_conversion(tmp_path):
    Image.fromarray(np.uint8([[0, 1, 13, 90, 255]])).save(tmp_path / 'a.png')
    assert convert_folder(str(tmp_path), str(tmp_path / 'out')) == 1
    assert read_mask(tmp_path / 'out/a.png').tolist() == [[0, 1, 12, 80, 255]]
    assert to_contiguous(np.uint8([COCO_CATEGORY_IDS])).tolist() == [list(range(1, 81))]


def test_conversion_refuses(tmp_path):
    with pytest.raises(ValueError, match='give another folder'):
        convert_folder(str(tmp_path), str(tmp_path))
    with pytest.raises(ValueError, match=r'no \.png mask found'):
        convert_folder(str(tmp_path), str(tmp_path / 'out'))
    Image.fromarray(np.uint8([[0, 12]])).save(tmp_path / 'a.png')  # 12 is no category
    with pytest.raises(ValueError, match=r'a\.png: ids \[12\] are no COCO category ids'):
        convert_folder(str(tmp_path), str(tmp_path / 'out'))


def run(command):
    paths = [str(TOOL.parents[2]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    return subprocess.run(command, capture_output=True, encoding='utf-8', env=environment)


def test_tool(coco_root):
    pytest.importorskip('pycocotools')
    command = [sys.executable, str(TOOL), str(coco_root), '--splits', 'train', '--workers', '2']
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert '2 masks in' in done.stdout
    assert len(list((coco_root / 'masks/train2014').glob('*.png'))) == 2
    done = run(command[:4] + ['val'])
    assert done.returncode == 2
    assert 'error: COCO annotation file not found' in done.stderr


def test_palette_is_that_of_voc():
    from mmseg.datasets import PascalVOCDataset

    assert voc_palette(21) == PascalVOCDataset.METAINFO['palette']
