from __future__ import annotations

import json

import pytest

from weaktr_mmseg.datasets.label_sources import coco_labels
from weaktr_mmseg.datasets.label_sources.sources import read_image_labels

CLASSES = ['background', 'cat', 'dog']


def annotation(image_id, category_id, segmentation):
    return dict(
        segmentation=segmentation, area=1.5, iscrowd=0, image_id=image_id, bbox=[1, 2, 3, 4],
        category_id=category_id, id=7)  # fmt: skip


@pytest.fixture
def content():
    runs = dict(counts=[1, 2, 3], size=[4, 5])
    return dict(
        info=dict(description='a "segmentation": [1] in a text', version=[1, 2]),
        images=[dict(id=9, file_name='nine.jpg', height=4, width=5),
                dict(id=3, file_name='sub/three.jpg', height=4, width=5),
                dict(id=5, file_name='five[1].jpg', height=4, width=5)],
        annotations=[annotation(9, 18, [[1.5, 2, 3e-05, 4]]), annotation(9, 17, runs),
                     annotation(3, 18, [[1, 2], [3, 4]]), annotation(3, 18, []),
                     annotation(3, 18, [[[1, 2], [3]], [[4]]])],
        categories=[dict(id=17, name='cat'), dict(id=18, name='dog'), dict(id=90, name='brush')],
    )  # fmt: skip


def read(tmp_path, content, **dump):
    text = content if isinstance(content, str) else json.dumps(content, **dump)
    (tmp_path / 'a.json').write_text(text, encoding='utf-8')
    return read_image_labels(dict(type='coco_json', path='a.json'), CLASSES, None, str(tmp_path))


@pytest.mark.parametrize('block', [1, 7, 64, 1 << 24])
@pytest.mark.parametrize(
    'dump', [dict(), dict(indent=2), dict(separators=(',', ':')), dict(sort_keys=True)]
)
def test_labels(tmp_path, content, monkeypatch, block, dump):
    monkeypatch.setattr(coco_labels, '_BLOCK_BYTES', block)
    expected = {'nine.jpg': [0, 1], 'sub/three.jpg': [1], 'five[1].jpg': []}
    assert read(tmp_path, content, **dump) == expected


def test_geometry_is_not_parsed(tmp_path, content):
    content['annotations'][0]['segmentation'] = 'HERE'
    text = json.dumps(content).replace('"HERE"', '[[1, 2..7, ]]')
    assert read(tmp_path, text)['nine.jpg'] == [0, 1]


def test_unknown_category(tmp_path, content):
    content['annotations'][0]['category_id'] = 90
    with pytest.raises(ValueError, match=r"a\.json: label 'brush' is not in the class list"):
        read(tmp_path, content)


@pytest.mark.parametrize('key', ['images', 'annotations', 'categories'])
def test_missing_part(tmp_path, content, key):
    del content[key]
    with pytest.raises(ValueError, match=rf'a\.json is no COCO annotation file.*{key}'):
        read(tmp_path, content)


@pytest.mark.parametrize('image', [dict(id=9), dict(id=9, filename='nine.jpg')])
def test_image_without_file_name(tmp_path, content, image):
    content['images'][0] = image
    with pytest.raises(ValueError, match=r'a\.json is no COCO .*an image without file_name'):
        read(tmp_path, content)


def test_dangling_reference(tmp_path, content):
    content['annotations'][0]['image_id'] = 1000
    with pytest.raises(ValueError, match='refer to each other.*1000'):
        read(tmp_path, content)


@pytest.mark.parametrize('text', ['', '{"images": [', '[1, 2]'])
def test_no_coco_file(tmp_path, text):
    with pytest.raises(ValueError, match=r'a\.json is no COCO annotation file'):
        read(tmp_path, text)


def test_file_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'COCO annotation file not found: .*b\.json'):
        read_image_labels(dict(type='coco_json', path='b.json'), CLASSES, None, str(tmp_path))
