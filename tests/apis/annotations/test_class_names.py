from __future__ import annotations

import json

import pytest

from weaktr_mmseg.apis.annotations import find_classes, read_classes
from weaktr_mmseg.utils.errors import WeakTrInputError

EXPECTED = ['background', 'cat', 'dog']
CONFIG = """test_dataloader = dict(dataset=dict(
    type='ImageLabelDataset', metainfo=dict(classes=['background', 'cat', 'dog'])))"""


def write_all(folder):
    """The files that name classes, in the order in which they are looked for."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        'areas.json': json.dumps(dict(classes=EXPECTED)),
        'scores_masks.json': json.dumps(dict(classes=EXPECTED)),
        'classes.txt': 'cat\n dog\n\n',
        'run.py': CONFIG,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding='utf-8')
    return [folder / name for name in files]


def test_names_and_files(tmp_path):
    assert read_classes(['cat', 'dog']) == EXPECTED
    assert read_classes(EXPECTED) == EXPECTED
    for file in write_all(tmp_path):
        assert read_classes([str(file)]) == EXPECTED


def test_files_near_the_masks(tmp_path):
    masks = tmp_path / 'run/pseudo_labels/masks'
    masks.mkdir(parents=True)
    with pytest.raises(WeakTrInputError, match='no file near it names the classes'):
        find_classes(masks)
    for file in write_all(tmp_path / 'run'):
        assert find_classes(masks) == EXPECTED
        file.unlink()
    (masks.parent / 'classes.txt').write_text('bird', encoding='utf-8')
    write_all(tmp_path / 'run')
    assert find_classes(masks) == ['background', 'bird']  # the nearest


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ([], 'got 0 classes'),
        (['a', 'b', 'a'], "'a' occurs twice"),
        (['a\x07'], 'expected printable class names'),
        ([str(i) for i in range(255)], 'got 255 classes'),
    ],
)
def test_wrong_names(names, message):
    with pytest.raises(WeakTrInputError, match=message):
        read_classes(names)


@pytest.mark.parametrize('content', ['{}', '[]', '{'])
def test_json_without_classes(tmp_path, content):
    (tmp_path / 'areas.json').write_text(content, encoding='utf-8')
    with pytest.raises(WeakTrInputError, match='areas'):
        read_classes([str(tmp_path / 'areas.json')])
