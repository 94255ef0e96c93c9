from __future__ import annotations

import os

import pytest
from mmengine import fileio
from mmseg.registry import DATASETS

from weaktr_mmseg.datasets.file_index import _walk
from weaktr_mmseg.datasets.image_label_dataset import ImageLabelDataset
from weaktr_mmseg.datasets.listing_cache import listed_once


def build(root, **options):
    config = dict(
        type='ImageLabelDataset',
        data_root=str(root),
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages'),
        labels=dict(type='voc_xml', path='Annotations'),
        metainfo=dict(classes=['background', 'cat', 'dog']),
        _scope_='mmseg',
    )
    return DATASETS.build({**config, **options})


@pytest.fixture
def scans(monkeypatch):
    made, scan = [], ImageLabelDataset._scan
    monkeypatch.setattr(
        ImageLabelDataset, '_scan', lambda self, faults: (made.append(self), scan(self, faults))[1]
    )
    return made


def test_a_run_scans_what_several_loaders_read_once(voc_root, scans):
    with listed_once():
        first = build(voc_root)
        first.get_data_info(0)['image_labels'].append(
            7
        )  # a loader may do with its copy what it likes
        second = build(voc_root, test_mode=True, serialize_data=False)
        assert second.get_data_info(0)['image_labels'] == [0]
    assert len(scans) == 1
    build(voc_root)
    assert len(scans) == 2


@pytest.mark.parametrize(
    'other',
    [
        dict(data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass')),
        dict(metainfo=dict(classes=['background', 'dog', 'cat'])),
        dict(labels=None),
        dict(unlabelled='drop'),
    ],
)
def test_other_options_are_scanned_on_their_own(voc_root, scans, other):
    with listed_once():
        listed = [build(voc_root).load_data_list(), build(voc_root, **other).load_data_list()]
    assert len(scans) == 2
    assert listed[0] != listed[1] or 'unlabelled' in other  # all are labelled here


def test_a_local_folder_is_listed_as_mmengine_lists_it(tmp_path):
    for name in ('a.jpg', 'b/c.jpg', 'b/d/e.png', '.hidden/f.jpg', 'b/.g.jpg'):
        (tmp_path / 'root' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'root' / name).touch()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere/h.jpg').touch()
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'root/link')
    expected = fileio.list_dir_or_file(str(tmp_path / 'root'), list_dir=False, recursive=True)
    found = sorted(_walk(str(tmp_path / 'root')))
    assert found == sorted(expected)
    assert {'a.jpg', '.hidden/f.jpg', 'b/d/e.png', 'link/h.jpg'} == set(found) - {'b/c.jpg'}
