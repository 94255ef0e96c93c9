from __future__ import annotations

import ast
import os
import subprocess
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import weaktr_mmseg
from weaktr_mmseg.engine.signals import SignalWatch, WeakTrInterrupted
from weaktr_mmseg.utils.workers import start_worker


class Threads(torch.utils.data.Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        return os.getpid(), torch.get_num_threads()


def terminate(*processes):
    subprocess.run(['kill', '-TERM', *map(str, processes)], check=True)
    time.sleep(0.2)  # for them to end, if they do


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs signals')
def test_signal_that_all_processes_get():
    loader = DataLoader(Threads(), batch_size=None, num_workers=2, worker_init_fn=start_worker)
    with pytest.raises(WeakTrInterrupted, match='^interrupted by SIGTERM$'), SignalWatch():
        items = iter(loader)
        first, second = next(items), next(items)
        assert first[1] == second[1] == 1
        terminate(first[0], second[0])
        assert len(list(items)) == 18
        terminate(os.getpid())


def test_all_loaders_start_their_workers_so():
    calls = [
        {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        for path in Path(weaktr_mmseg.__file__).parent.rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DataLoader'
    ]
    with_workers = [call for call in calls if 'num_workers' in call]
    assert len(with_workers) >= 4
    assert all(call.get('worker_init_fn') == 'start_worker' for call in with_workers)
