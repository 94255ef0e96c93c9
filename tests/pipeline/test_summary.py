from __future__ import annotations

import json
import shlex
import sys

import pytest
import torch

from weaktr_mmseg.pipeline.summary import command, environment
from weaktr_mmseg.utils.files import write_json
from weaktr_mmseg.version import __version__


def test_environment_names_versions_and_machine():
    content = json.loads(json.dumps(environment()))
    assert content['weaktr_mmseg'] == __version__
    assert content['torch'] == str(torch.__version__)
    assert {'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'numpy', 'python'} <= set(content)
    assert content['cpus'] >= 1
    assert len(content['gpus']) == torch.cuda.device_count()


def test_command_can_be_pasted_into_a_shell(monkeypatch):
    arguments = ['tools/train.py', 'my config.py', '--cfg-options', 'a=$HOME']
    monkeypatch.setattr(sys, 'orig_argv', ['/some/where/python3', *arguments], raising=False)
    monkeypatch.setattr(sys, 'argv', ['/site-packages/mmseg/tools/train.py', *arguments[1:]])
    assert shlex.split(command()) == ['python3', *arguments]
    assert "'my config.py'" in command()


def test_command_on_a_python_without_the_original_one(monkeypatch):
    monkeypatch.delattr(sys, 'orig_argv', raising=False)
    monkeypatch.setattr(sys, 'argv', ['train.py', 'config.py'])
    monkeypatch.setattr(sys, 'executable', '/some/where/python3')
    assert command() == 'python3 train.py config.py'


def test_json_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'sub' / 'summary.json'
    write_json(path, dict(miou=1.5, missing=None))
    with pytest.raises(TypeError, match='not JSON serializable'):
        write_json(path, dict(miou=object()))
    assert json.loads(path.read_text(encoding='utf-8')) == dict(miou=1.5, missing=None)
    assert list(path.parent.iterdir()) == [path]
