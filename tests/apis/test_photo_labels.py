from __future__ import annotations

from pathlib import Path

import pytest

from weaktr_mmseg.apis.images import ImageFile
from weaktr_mmseg.apis.photo_labels import PhotoLabels
from weaktr_mmseg.utils.errors import WeakTrInputError

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
        ('photos/sub/b.jpg', 'b', ['dog']),  # the folder sub was named
        ('photos/deep/a.jpg', 'deep/a', ['cat', 'dog']),
        ('photos/c.png', 'c', []),
        ('photos/d.png', 'd', None),
        ('photos/c.jpg', 'c', None),  # the table has another file of that name
    ],
)
def test_rows_mean_files(labels, path, name, expected):
    file = ImageFile(Path(path), name)
    assert labels.match([file]).get(file) == expected


def test_a_path_comes_before_the_end_of_another(labels):
    files = [ImageFile(Path(f'photos/{name}.jpg'), name) for name in ('sub/a', 'a')]
    assert labels.match(files) == {files[1]: ['cat', 'dog']}


@pytest.mark.parametrize(
    'paths',
    [('x/a.jpg', 'y/a.jpg'), ('sub/b.jpg', 'sub/b.png')],  # ends alike; differ in their suffix
)
def test_a_row_that_could_mean_two_files(labels, paths):
    files = [ImageFile(Path(path), path.split('.')[0]) for path in paths]
    with pytest.raises(WeakTrInputError, match=f'could mean {paths[0]} and {paths[1]}; write'):
        labels.match(files)


def test_table_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='label manifest not found: .*absent.csv'):
        PhotoLabels(tmp_path / 'absent.csv')
