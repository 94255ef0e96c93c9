from __future__ import annotations

from pathlib import Path

import pytest

from weaktr_mmseg.apis.images import ImageFile
from weaktr_mmseg.apis.photo_labels import PhotoLabels

TABLE = """image,labels
a.jpg,cat;dog
sub/b,dog
c.png,
"""


@pytest.fixture
def labels(tmp_path):
    (tmp_path / 'labels.csv').write_text(TABLE, encoding='utf-8')
    return PhotoLabels(tmp_path / 'labels.csv')


@pytest.mark.parametrize(
    ('path', 'name', 'expected'),
    [
        ('photos/a.jpg', 'a', ['cat', 'dog']),
        ('photos/sub/b.jpg', 'sub/b', ['dog']),
        ('photos/c.png', 'c', []),
        ('photos/d.png', 'd', None),
        ('photos/c.jpg', 'c', None),  # the table has another file of that name
    ],
)
def test_rows_mean_files(labels, path, name, expected):
    assert labels.of(ImageFile(Path(path), name)) == expected


def test_table_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='label manifest not found: .*absent.csv'):
        PhotoLabels(tmp_path / 'absent.csv')
