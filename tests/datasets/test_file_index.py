from __future__ import annotations

import os

from mmengine import fileio

from weaktr_mmseg.datasets.file_index import _walk


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
