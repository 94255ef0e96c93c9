"""Nothing in a checkpoint is ever called, whichever way mmengine comes to read it."""

from __future__ import annotations

import collections
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint
from torch import nn

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import use_safe_readers
from weaktr_mmseg.checkpoints.safe_load import load_file
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.fixture(autouse=True)
def safe_readers():
    """Puts the readers in the place of mmengine's, as the tools do, for one test."""
    schemes = dict(CheckpointLoader._schemes)
    use_safe_readers()
    yield
    CheckpointLoader._schemes = schemes


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(trap: Path) -> dict[str, Call]:
    touch = f'open({str(trap)!r}, "w").close()'
    return {
        'os.system': Call(os.system, f'touch {trap}'),
        'eval': Call(eval, touch),
        'exec': Call(exec, touch),
        'subprocess': Call(subprocess.call, ['touch', str(trap)]),
        'open': Call(open, str(trap), 'w'),
        'torch.load': Call(torch.load, str(trap)),
        'numpy.load': Call(np.load, str(trap), None, True),
        'storage': Call(torch.storage._load_from_bytes, b''),
        'getattr of a string': Call(getattr, 'a', 'format'),
        'private attribute': Call(getattr, HistoryBuffer, '__init__'),
        'import': Call(__import__, 'antigravity'),
        'torch.hub': Call(torch.hub.load, str(trap.parent)),
    }


@pytest.mark.parametrize('name', attacks(Path('x')))
@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('load', [load_file, CheckpointLoader.load_checkpoint])
def test_refuses_calls(tmp_path, name, legacy, load):
    trap, file = tmp_path / 'trap', tmp_path / 'x.pth'
    content = dict(state_dict=dict(a=torch.zeros(1)), extra=attacks(trap)[name])
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeakTrInputError, match=r'x\.pth: refused, only tensors .* \(it asks for '):
        load(str(file))
    assert not trap.exists()


def test_mmengine_loads_a_model_through_it(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), extra=Call(os.getcwd)), tmp_path / 'x.pth')
    with pytest.raises(WeakTrInputError, match=r'x\.pth: refused'):
        load_checkpoint(nn.Linear(1, 1), str(tmp_path / 'x.pth'))


def test_text_that_mmengine_would_run_on_resumption_is_left_out(tmp_path):
    torch.save(dict(meta=dict(config='import os', epoch=3)), tmp_path / 'x.pth')
    assert load_file(tmp_path / 'x.pth') == dict(meta=dict(epoch=3))


@pytest.mark.parametrize('legacy', [False, True])
def test_reads_what_a_runner_writes(tmp_path, legacy):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = dict(
        meta=dict(epoch=1, dataset_meta=dict(classes=('a', 'b'), palette=[[1, 2, 3]])),
        state_dict=collections.OrderedDict(
            weight=torch.arange(6).reshape(2, 3).t(),
            half=torch.ones(2, dtype=torch.float16),
            scale=nn.Parameter(torch.ones(2)),
        ),
        optimizer=dict(state={0: dict(step=torch.tensor(1.0))}, param_groups=[dict(betas=(0, 1))]),
        message_hub=dict(log_scalars=dict(loss=history), numbers=np.arange(3), one=np.float32(2)),
        shape=torch.Size([2]),
        dtype=torch.float32,
        names={'a', 'b'},
    )
    file = tmp_path / 'x.pth'
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    read = load_file(file)
    for name, tensor in content['state_dict'].items():
        assert torch.equal(read['state_dict'][name], tensor)
    assert read['message_hub']['log_scalars']['loss'].mean() == 1.5
    assert read['message_hub']['numbers'].tolist() == [0, 1, 2]
    assert read['message_hub']['one'] == 2
    for key in ('meta', 'optimizer', 'shape', 'dtype', 'names'):
        assert read[key] == content[key]


def test_refuses_programs(tmp_path):
    torch.jit.script(nn.Linear(1, 1)).save(tmp_path / 'x.pth')
    with pytest.raises(WeakTrInputError, match='TorchScript program'):
        load_file(tmp_path / 'x.pth')


@pytest.mark.parametrize('content', [b'', b'GIF89a', pickle.dumps(3), b'PK\3\4' + bytes(90)])
def test_refuses_other_files(tmp_path, content):
    (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(WeakTrInputError, match=r'x\.pth: refused'):
        load_file(tmp_path / 'x.pth')


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'x\.pth: no such checkpoint'):
        load_file(tmp_path / 'x.pth')


def test_safetensors_need_their_package(tmp_path, monkeypatch):
    header = json.dumps(dict(a=dict(dtype='F32', shape=[1], data_offsets=[0, 4]))).encode()
    (tmp_path / 'x.bin').write_bytes(struct.pack('<Q', len(header)) + header + bytes(4))
    monkeypatch.setitem(sys.modules, 'safetensors', None)
    with pytest.raises(WeakTrInputError, match=r'x\.bin: .* pip install safetensors$'):
        load_file(tmp_path / 'x.bin')


@pytest.mark.parametrize('name', ['x.safetensors', 'x.npz', 'renamed'])
def test_mmengine_loads_other_containers(tmp_path, name):
    safetensors = pytest.importorskip('safetensors.torch')
    model, state = nn.Linear(2, 1), nn.Linear(2, 1).state_dict()
    if name.endswith('npz'):
        np.savez(tmp_path / name, **{key: value.numpy() for key, value in state.items()})
    else:
        safetensors.save_file(state, tmp_path / name)
    load_checkpoint(model, str(tmp_path / name), strict=True)
    assert torch.equal(model.weight, state['weight'])


@pytest.mark.parametrize('name', ['x.safetensors', 'x.npz', 'x.pth'])
def test_tensors_go_where_they_are_asked_to(tmp_path, name):
    save = dict(
        safetensors=pytest.importorskip('safetensors.torch').save_file,
        npz=lambda state, path: np.savez(path, a=state['a'].numpy()),
        pth=torch.save,
    )[name.split('.')[1]]
    save(dict(a=torch.ones(2)), tmp_path / name)
    for place in ('meta', 'cpu', None):
        content = load_file(tmp_path / name, map_location=place)
        assert content.get('state_dict', content)['a'].device.type == (place or 'cpu')
