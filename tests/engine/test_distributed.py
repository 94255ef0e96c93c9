from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.engine import distributed


@pytest.mark.parametrize(
    ('launcher', 'cuda', 'joined', 'backends'),
    [
        ('pytorch', False, False, ['gloo']),
        ('pytorch', True, False, []),
        ('pytorch', False, True, []),
        ('none', False, False, []),
        ('slurm', False, False, []),
    ],
)
def test_joins_gloo_only_under_torchrun_without_gpu(monkeypatch, launcher, cuda, joined, backends):
    joins = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(distributed, 'is_distributed', lambda: joined)
    monkeypatch.setattr(
        torch.distributed, 'init_process_group', lambda backend: joins.append(backend)
    )
    distributed.init_cpu_process_group(launcher)
    assert joins == backends
