from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from weaktr_mmseg.pipeline.work_dir_lock import LOCK_FILE, WorkDirLock, _start_time
from weaktr_mmseg.utils.errors import WeakTrInputError

HERE = socket.gethostname()


def write_lock(folder, **changes):
    holder = dict(host=HERE, pid=os.getpid(), started=_start_time(os.getpid()), since='then')
    (folder / LOCK_FILE).write_text(json.dumps({**holder, **changes}), encoding='utf-8')


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def test_lock_names_its_holder_and_is_removed(tmp_path):
    with WorkDirLock(tmp_path / 'new'):
        holder = json.loads((tmp_path / 'new' / LOCK_FILE).read_text(encoding='utf-8'))
        assert (holder['host'], holder['pid']) == (HERE, os.getpid())
    assert list((tmp_path / 'new').iterdir()) == []


def test_lock_is_removed_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), WorkDirLock(tmp_path):
        raise RuntimeError
    assert not (tmp_path / LOCK_FILE).exists()


def test_living_holder_is_respected(tmp_path):
    with WorkDirLock(tmp_path):
        before = (tmp_path / LOCK_FILE).read_text(encoding='utf-8')
        message = rf'run\.lock: in use by process {os.getpid()} on {HERE} since .*--work-dir'
        with pytest.raises(WeakTrInputError, match=message):
            WorkDirLock(tmp_path).__enter__()
        assert (tmp_path / LOCK_FILE).read_text(encoding='utf-8') == before


def test_lock_of_a_dead_process_is_taken_over(tmp_path):
    write_lock(tmp_path, pid=ended_process())
    with WorkDirLock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text(encoding='utf-8'))['pid'] == os.getpid()


@pytest.mark.skipif(_start_time(os.getpid()) is None, reason='needs /proc')
def test_number_of_a_dead_process_in_new_use_is_no_holder(tmp_path):
    write_lock(tmp_path, started=1)
    with WorkDirLock(tmp_path):
        pass


@pytest.mark.skipif(_start_time(os.getpid()) is None, reason='needs /proc')
def test_zombie_is_no_holder(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    write_lock(tmp_path, pid=process.pid, started=_start_time(process.pid))
    with pytest.raises(WeakTrInputError, match='in use'):
        WorkDirLock(tmp_path).__enter__()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet collected
    with WorkDirLock(tmp_path):
        pass
    process.communicate()


def test_other_host_is_respected_for_ever(tmp_path):
    write_lock(tmp_path, host='elsewhere', pid=ended_process())
    with pytest.raises(WeakTrInputError, match='on elsewhere since then; .*remove the file if'):
        WorkDirLock(tmp_path).__enter__()


@pytest.mark.parametrize('content', ['', '[]', '{"host": "here"}', 'no JSON'])
def test_foreign_file_is_refused(tmp_path, content):
    (tmp_path / LOCK_FILE).write_text(content, encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r'run\.lock: expected a lock of this project'):
        WorkDirLock(tmp_path).__enter__()
    assert (tmp_path / LOCK_FILE).read_text(encoding='utf-8') == content


def test_one_of_many_takes_over_a_stale_lock(tmp_path):
    write_lock(tmp_path, pid=ended_process())
    barrier, winners = threading.Barrier(8), []

    def contend():
        barrier.wait()
        try:
            WorkDirLock(tmp_path).__enter__()
            winners.append(1)
        except WeakTrInputError:
            pass

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
