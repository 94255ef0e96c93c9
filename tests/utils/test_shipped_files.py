"""Configs and tools are reached by name, in a checkout and in a wheel."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import weaktr_mmseg
from weaktr_mmseg import __main__
from weaktr_mmseg.utils import shipped_files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """The package as a wheel leaves it: configs and tools in ``.mim``."""
    package = tmp_path / 'site-packages/weaktr_mmseg'
    for name in ('configs', 'tools'):
        shutil.copytree(ROOT / name, package / '.mim' / name)
    monkeypatch.setattr(shipped_files, '__file__', str(package / 'utils/shipped_files.py'))
    return package / '.mim'


def test_folder_of_a_checkout():
    assert shipped_files.shipped_folder() == Path(weaktr_mmseg.__file__).parents[1]


def test_folder_of_a_wheel(wheel):
    assert shipped_files.shipped_folder() == wheel


def test_incomplete_installation(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_files, '__file__', str(tmp_path / 'weaktr_mmseg/utils/a.py'))
    with pytest.raises(FileNotFoundError, match='expected the configs in .*reinstall'):
        shipped_files.shipped_folder()


@pytest.mark.parametrize('name', ['weaktr_voc', 'weaktr_voc.py', 'configs/weaktr_voc.py'])
def test_config_by_name(wheel, name):
    assert shipped_files.find_config(name) == wheel / 'configs/weaktr_voc.py'


@pytest.mark.parametrize('name', ['weaktr', 'mine/weaktr_voc.py', '/weaktr_voc.py'])
def test_other_names_are_not_ours(name):
    assert shipped_files.find_config(name) is None


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """What a tool would be started with; none is."""
    arguments: list[str] = []
    monkeypatch.setattr(runpy, 'run_path', lambda path, run_name: arguments.extend(sys.argv))
    monkeypatch.setattr(sys, 'path', list(sys.path))
    return arguments


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, 'argv', ['weaktr_mmseg', *arguments])
    return __main__.main()


def test_a_tool_gets_the_paths_of_configs(wheel, started, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path('weaktr_coco.py').touch()
    names = ('weaktr_demo.py', '--config', 'weaktr_coco.py', '--work-dir', 'weaktr_voc', 'other.py')
    assert run(monkeypatch, 'train', *names) == 0
    config = str(wheel / 'configs/weaktr_demo.py')
    assert started == [str(wheel / 'tools/train.py'), config, *names[1:]]
    assert sys.path[0] == str(wheel / 'tools')


def test_unknown_tool(started, monkeypatch, capsys):
    assert run(monkeypatch, 'trian') == 2
    assert "error: no tool 'trian'; expected one of check_data, " in capsys.readouterr().err
    assert not started


def test_without_a_tool_all_are_listed(monkeypatch, capsys):
    assert run(monkeypatch) == 0
    listed = capsys.readouterr().out
    assert 'infer' in listed and 'weaktr_voc.py' in listed and str(ROOT) in listed


def test_a_tool_runs_with_its_neighbours(tmp_path):
    """tools/train.py imports mmseg_tool from its own folder."""
    result = subprocess.run(
        [sys.executable, '-m', 'weaktr_mmseg', 'train', 'absent.py'],
        cwd=tmp_path, capture_output=True, encoding='utf-8',
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.endswith('error: config file absent.py does not exist\n')
