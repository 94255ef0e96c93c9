from __future__ import annotations

import argparse
import os
import pickle

import numpy as np
import pytest
import torch

from weaktr_mmseg.checkpoints import load_state_dict, save_state_dict
from weaktr_mmseg.checkpoints.io import parameters_digest

WEIGHT = torch.arange(6.0).reshape(2, 3)


class Exploit:
    """Makes a file if it is ever unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda state: state,
        lambda state: {'model': state, 'epoch': 3, 'optimizer': {'lr': 0.1}},
        lambda state: {'state_dict': state, 'meta': {}},
        lambda state: {'module': {f'module.{key}': value for key, value in state.items()}},
        lambda state: {f'_orig_mod.{key}': value for key, value in state.items()},
        lambda state: {'net': {f'module._orig_mod.{key}': value for key, value in state.items()}},
        lambda state: {'state_dict': {f'model.{key}': value for key, value in state.items()}},
        lambda state: {'model_state_dict': state, 'optimizer': {}},
    ],
)
def test_finds_the_parameters(tmp_path, wrap):
    torch.save(wrap({'a.weight': WEIGHT}), tmp_path / 'x.pth')
    state = load_state_dict(tmp_path / 'x.pth')
    assert list(state) == ['a.weight']
    assert torch.equal(state['a.weight'], WEIGHT)


@pytest.mark.skipif(
    not hasattr(torch.serialization, 'safe_globals'), reason='allow-lists came with PyTorch 2.5'
)
def test_accepts_the_options_of_a_training_script(tmp_path):
    options = argparse.Namespace(lr=0.1, name='x')
    torch.save({'model': {'a': WEIGHT}, 'args': options}, tmp_path / 'x.pth')
    assert list(load_state_dict(tmp_path / 'x.pth')) == ['a']


def test_never_executes_what_a_checkpoint_says(tmp_path):
    trap = tmp_path / 'trap'
    torch.save({'model': {'a': WEIGHT}, 'extra': Exploit(trap)}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r'x\.pth: refused, only tensors and plain values'):
        load_state_dict(tmp_path / 'x.pth')
    assert not trap.exists()


def test_never_executes_what_an_npz_says(tmp_path):
    trap = tmp_path / 'trap'
    np.savez(tmp_path / 'x.npz', a=np.array([Exploit(trap)], dtype=object))
    with pytest.raises(ValueError, match=r'x\.npz: refused, only tensors .*allow_pickle=False'):
        load_state_dict(tmp_path / 'x.npz')
    assert not trap.exists()


def test_reads_npz(tmp_path):
    np.savez(tmp_path / 'x.npz', **{'a/kernel': WEIGHT.numpy()})
    assert torch.equal(load_state_dict(tmp_path / 'x.npz')['a/kernel'], WEIGHT)


@pytest.mark.parametrize('content', [[WEIGHT], {'epoch': 3}, {}, {'a': WEIGHT, 'epoch': 3}])
def test_refuses_files_without_parameters(tmp_path, content):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r'x\.pth: expected parameters by name'):
        load_state_dict(tmp_path / 'x.pth')


@pytest.mark.parametrize('content', [b'', b'GIF89a', pickle.dumps(3)])
def test_refuses_other_files(tmp_path, content):
    (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(ValueError, match=r'x\.pth: '):
        load_state_dict(tmp_path / 'x.pth')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'x\.pth: no such checkpoint'):
        load_state_dict(tmp_path / 'x.pth')


def test_saved_parameters_are_read_back_and_hold_no_more_than_themselves(tmp_path):
    view = torch.zeros(1000, 1000)[0, :3]
    save_state_dict({'a': view}, tmp_path / 'new' / 'x.pth', meta={'converted_from': 'x'})
    assert torch.equal(load_state_dict(tmp_path / 'new' / 'x.pth')['a'], view)
    assert (tmp_path / 'new' / 'x.pth').stat().st_size < 10_000
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['x.pth']


def test_digest_follows_from_names_shapes_types_and_values(tmp_path):
    base = {'a': WEIGHT, 'b': WEIGHT[0]}
    others = [
        {'b': WEIGHT[0], 'c': WEIGHT},
        {**base, 'a': WEIGHT.reshape(3, 2)},
        {**base, 'a': WEIGHT.double()},
        {**base, 'a': WEIGHT + 1e-6},
    ]

    def digest(state, meta):
        save_state_dict(state, tmp_path / 'x.pth', meta)
        return parameters_digest(tmp_path / 'x.pth')

    first = digest(base, {})
    assert digest(dict(reversed(base.items())), {'seed': 1}) == first
    assert len({first, *(digest(other, {}) for other in others)}) == 5
