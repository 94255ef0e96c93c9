"""Names in lists and archives cannot reach files outside of the data folder."""

from __future__ import annotations

import json
import re

import pytest

from weaktr_mmseg.datasets.coco14_masks import write_masks_of_split
from weaktr_mmseg.datasets.custom_dataset import WeakTrCustomDataset
from weaktr_mmseg.datasets.file_index import index_folder
from weaktr_mmseg.datasets.label_sources.sources import read_image_labels
from weaktr_mmseg.datasets.names import leaves_folder
from weaktr_mmseg.utils.errors import WeakTrInputError

OUTSIDE = ('../secret', '../secret.jpg', 'sub/../../secret', '..\\secret', '/etc/passwd', '')


@pytest.mark.parametrize('name', [*OUTSIDE, 'a\0b'])
def test_leaves(name):
    assert leaves_folder(name)


@pytest.mark.parametrize('name', ['a', 'a/b', 'a..b', '...', 'a/.b', 'a b/c.jpg'])
def test_stays(name):
    assert not leaves_folder(name)


@pytest.mark.parametrize('name', OUTSIDE[:-1])
@pytest.mark.parametrize('listed_in', ['labels.csv', 'labels.json', 'splits/train.txt'])
def test_lists(tmp_path, write_image, name, listed_in):
    root = tmp_path / 'root'
    write_image(root / 'images/a.jpg')
    write_image(tmp_path / 'secret.jpg')
    write_image(root / 'secret.jpg')
    (root / 'labels.csv').write_text('image,labels\na,cat\n', encoding='utf-8')
    if listed_in == 'labels.csv':
        (root / listed_in).write_text(f'image,labels\na,cat\n{name},cat\n', encoding='utf-8')
    elif listed_in == 'labels.json':
        (root / 'labels.csv').unlink()
        (root / listed_in).write_text(json.dumps({'a': ['cat'], name: ['cat']}), encoding='utf-8')
    else:
        (root / 'splits').mkdir()
        (root / listed_in).write_text(f'a\n{name}\n', encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=rf'{listed_in.split(".")[0]}.* is not in '):
        WeakTrCustomDataset(str(root))


def test_file_name_with_windows_separators(tmp_path, write_image):
    write_image(tmp_path / 'images/a\\..\\..\\evil.jpg')
    (fault,) = index_folder(str(tmp_path / 'images')).faults
    assert re.search(r'the file name .*evil\.jpg.* leads out of the folder', fault.line)


@pytest.mark.parametrize('name', OUTSIDE)
def test_voc_annotations(tmp_path, name):
    (tmp_path / 'root').mkdir()
    (tmp_path / 'secret.xml').write_text('<annotation/>', encoding='utf-8')
    labels = dict(type='voc_xml', path=str(tmp_path / 'root'))
    with pytest.raises(ValueError, match='leads out of the folder'):
        read_image_labels(labels, ['background', 'cat'], [name])


@pytest.mark.parametrize('name', ['../evil.jpg', '/tmp/weaktr_evil.jpg', 'a/../../evil.jpg'])
def test_coco_masks_are_written_below_their_folder(tmp_path, name):
    box = dict(image_id=1, category_id=1, area=4.0, segmentation=[[0, 0, 2, 0, 2, 2]])
    content = dict(images=[dict(id=1, height=4, width=4, file_name=name)], annotations=[box])
    (tmp_path / 'instances.json').write_text(json.dumps(content), encoding='utf-8')
    with pytest.raises(ValueError, match='leads out of the image folder'):
        write_masks_of_split(str(tmp_path / 'instances.json'), str(tmp_path / 'masks'))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['instances.json', 'masks']
