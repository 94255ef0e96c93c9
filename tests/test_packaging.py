"""What a wheel contains, and what the model index says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCES = ('weaktr_mmseg', 'configs', 'tools')
FILES = ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'NOTICE', 'model-index.yml')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel built from a copy of the project."""
    pytest.importorskip('setuptools')
    folder = tmp_path_factory.mktemp('source')
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
    result = subprocess.run(
        [sys.executable, '-c', build], cwd=folder, capture_output=True, encoding='utf-8'
    )
    assert result.returncode == 0, result.stderr
    return zipfile.ZipFile(folder / 'dist' / result.stdout.splitlines()[-1])


def relative_files(folder: str) -> set[str]:
    """What a wheel ships of a folder: all but what is for developers of the project."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and not {'__pycache__', 'benchmarks', 'dev'} & set(path.parts)
    }


def test_wheel_has_the_package_with_configs_and_tools_for_mim(wheel):
    names = {name for name in wheel.namelist() if '.dist-info/' not in name}
    below_mim = relative_files('configs') | relative_files('tools') | {'model-index.yml'}
    modules = {name for name in relative_files('weaktr_mmseg') if '/.mim/' not in name}
    assert names == modules | {f'weaktr_mmseg/.mim/{name}' for name in below_mim}


def test_the_first_folder_of_a_wheel_has_the_configs(wheel):
    """onedl-mim takes the folder of the first file that is installed for that of the package."""
    first = min(wheel.namelist()).split('/')[0]
    files = {name for name in wheel.namelist() if name.startswith(f'{first}/.mim/')}
    expected = relative_files('configs') | relative_files('tools') | {'model-index.yml'}
    assert files == {f'{first}/.mim/{name}' for name in expected}


def test_wheel_keeps_scripts_executable(wheel):
    mode = wheel.getinfo('weaktr_mmseg/.mim/tools/dist_train.sh').external_attr >> 16
    assert mode & 0o111


def test_wheel_forces_no_family_of_openmmlab(wheel):
    name = next(name for name in wheel.namelist() if name.endswith('METADATA'))
    needed = re.findall(r'^Requires-Dist: (.*)$', wheel.read(name).decode(), re.M)
    assert not [line for line in needed if 'mm' in line.split(';')[0] and 'onedl' in line]
    assert not [line for line in needed if line.startswith(('mmcv', 'mmengine', 'mmseg'))]


def models() -> list[dict]:
    """All models of the index."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    files = [yaml.safe_load((ROOT / name).read_text(encoding='utf-8')) for name in index['Import']]
    return [model for file in files for model in file['Models']]


def test_index_lists_every_trainable_config():
    leaves = {f'configs/{path.name}' for path in (ROOT / 'configs').glob('*.py')}
    assert {m['Config'] for m in models()} == {p for p in leaves if not p.endswith('_tta.py')}
    assert all(model['Config'] == f'configs/{model["Name"]}.py' for model in models())


def test_scores_of_the_paper_are_those_in_the_configs():
    stated = {}
    for model in models():
        found = re.search(
            r'Authors: ([\d.]+) mIoU', (ROOT / model['Config']).read_text(encoding='utf-8')
        )
        if found:
            stated[model['Name']] = float(found[1])
    listed = {m['Name']: m['Metadata'].get('Paper mIoU') for m in models()}
    assert {name: score for name, score in listed.items() if score is not None} == stated
