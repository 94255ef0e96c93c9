from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.engine import distributed
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.mark.parametrize(
    ('launcher', 'cuda', 'joined', 'backends'),
    [
        ('pytorch', False, False, ['gloo']),
        ('pytorch', True, False, []),
        ('pytorch', False, True, []),
        ('none', False, False, []),
        ('slurm', False, False, ['gloo']),
        ('slurm', True, False, []),
        ('mpi', False, False, []),
    ],
)
def test_joins_gloo_only_under_a_launcher_without_gpu(
    monkeypatch, launcher, cuda, joined, backends
):
    joins = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(distributed, 'is_distributed', lambda: joined)
    monkeypatch.setattr(
        torch.distributed, 'init_process_group', lambda backend: joins.append(backend)
    )
    monkeypatch.setattr(distributed, 'slurm_environment', dict)
    distributed.init_cpu_process_group(launcher)
    assert joins == backends


def test_environment_of_slurm(monkeypatch):
    for name in ('MASTER_ADDR', 'MASTER_PORT', 'SLURM_LOCALID'):
        monkeypatch.delenv(name, raising=False)
    for name, value in dict(PROCID='5', NTASKS='8', NODELIST='node[3-4]').items():
        monkeypatch.setenv(f'SLURM_{name}', value)
    monkeypatch.setattr(distributed, '_first_node', {'node[3-4]': 'node3'}.__getitem__)
    expected = dict(RANK='5', WORLD_SIZE='8', LOCAL_RANK='0', MASTER_ADDR='node3')
    assert distributed.slurm_environment() == {**expected, 'MASTER_PORT': '29500'}
    for name, value in dict(SLURM_LOCALID='1', MASTER_ADDR='10.0.0.1', MASTER_PORT='4').items():
        monkeypatch.setenv(name, value)
    expected.update(LOCAL_RANK='1', MASTER_ADDR='10.0.0.1', MASTER_PORT='4')
    assert distributed.slurm_environment() == expected


def test_slurm_without_srun(monkeypatch):
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    with pytest.raises(
        WeakTrInputError, match=r"--launcher slurm: srun has not set 'SLURM_PROCID'"
    ):
        distributed.slurm_environment()
