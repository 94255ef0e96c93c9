from __future__ import annotations

import os

import pytest
import torch
from mmengine.fileio import get_file_backend

from weaktr_mmseg.engine.checkpoint_files import ATOMIC, POINTER, is_complete, latest_checkpoint


def save(path, age=0):
    torch.save(dict(weights=torch.arange(1000)), path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return str(path)


def tear(path):
    os.truncate(path, os.path.getsize(path) - 100)


def test_pointer_decides(tmp_path):
    first = save(tmp_path / 'epoch_1.pth', age=5)
    save(tmp_path / 'epoch_2.pth')
    (tmp_path / POINTER).write_text('/moved/away/epoch_1.pth', encoding='utf-8')
    assert latest_checkpoint(tmp_path) == first


@pytest.mark.parametrize('pointer', [None, '', 'epoch_7.pth'])
def test_without_a_good_pointer_the_newest_is_taken(tmp_path, pointer):
    save(tmp_path / 'epoch_10.pth', age=5)
    newest = save(tmp_path / 'interrupted.pth')
    save(tmp_path / 'epoch_9.pth', age=9)
    if pointer is not None:
        (tmp_path / POINTER).write_text(pointer, encoding='utf-8')
    assert latest_checkpoint(tmp_path) == newest


def test_torn_checkpoint_is_passed_over(tmp_path):
    before = save(tmp_path / 'epoch_1.pth', age=5)
    tear(save(tmp_path / 'epoch_2.pth'))
    (tmp_path / POINTER).write_text('epoch_2.pth', encoding='utf-8')
    assert latest_checkpoint(tmp_path) == before


def test_no_checkpoint(tmp_path):
    tear(save(tmp_path / 'epoch_1.pth'))
    save(tmp_path / 'best_mIoU_epoch_1.pth')  # without optimizer: nothing to resume from
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / 'absent') is None


def test_completeness(tmp_path):
    path = save(tmp_path / 'a.pth')
    assert is_complete(path)
    content = bytearray((tmp_path / 'a.pth').read_bytes())
    content[len(content) // 2] ^= 1  # a single bit
    (tmp_path / 'b.pth').write_bytes(content)
    assert not is_complete(tmp_path / 'b.pth')
    (tmp_path / 'c.pth').write_bytes(b'')
    assert not is_complete(tmp_path / 'c.pth')


def test_backend_replaces_files_only_by_complete_ones(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(ATOMIC))
    path = tmp_path / 'folder' / 'file'
    backend.put(b'old', path)
    backend.put_text('older', path)
    assert path.read_text(encoding='utf-8') == 'older'

    def fail(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
        backend.put(b'new', path)
    assert path.read_text(encoding='utf-8') == 'older'
    assert [p.name for p in path.parent.iterdir()] == ['file']
