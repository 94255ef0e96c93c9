from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weaktr_mmseg.apis.images import find_images, resize
from weaktr_mmseg.utils.errors import WeakTrInputError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')
    return path


def test_folder_is_searched_without_outputs_hidden_and_other_files(tmp_path):
    for name in ('b.png', 'sub/a.JPG', 'notes.txt', '.hidden/c.png', '.d.png', 'out/masks/b.png'):
        touch(tmp_path / name)
    files = find_images([tmp_path], exclude=[tmp_path / 'out'])
    assert [file.name for file in files] == ['b', 'sub/a']
    assert [file.path for file in files] == [tmp_path / 'b.png', tmp_path / 'sub/a.JPG']


def test_names_stay_different(tmp_path):
    for name in ('x/a.jpg', 'x/a.png', 'x/b.png', 'y/b.png'):
        touch(tmp_path / name)
    names = [file.name for file in find_images([tmp_path / 'x', tmp_path / 'y'])]
    assert len(set(names)) == 4
    assert names[:2] == ['a.jpg', 'a.png']


def test_a_file_is_taken_whatever_its_suffix_and_once(tmp_path):
    path = touch(tmp_path / 'photo.dat')
    assert [file.path for file in find_images([path, path])] == [path]


def test_missing_input_and_empty_folder(tmp_path):
    with pytest.raises(WeakTrInputError, match=r'absent\.png: no such file or folder'):
        find_images([tmp_path / 'absent.png'])
    with pytest.raises(WeakTrInputError, match='no image in it'):
        find_images([tmp_path])
    touch(tmp_path / 'masks/a.png')
    with pytest.raises(WeakTrInputError, match=r'no image in it or its sub-folders but .*masks$'):
        find_images([tmp_path], exclude=[tmp_path / 'masks', tmp_path / 'none'])


def test_resize():
    image = np.zeros((30, 7, 3), np.uint8)
    assert resize(image, 1.0) is image
    assert resize(image, 0.5).shape == (15, 4, 3)
    assert resize(image, 0.01).shape == (1, 1, 3)
