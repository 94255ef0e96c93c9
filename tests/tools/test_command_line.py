"""Every tool answers ``--help`` and wrong arguments at once, before anything slow is imported."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weaktr_mmseg.utils.configs import parse_options
from weaktr_mmseg.utils.errors import WeakTrInputError

import mmseg_tool
from command_line import add_cfg_options, new_parser, run

ROOT = Path(__file__).parents[2]
SHARED = ('command_line.py', 'mmseg_tool.py')
TOOLS = [
    path
    for folder in ('tools', 'tools/dataset_converters')
    for path in sorted((ROOT / folder).glob('*.py'))
    if path.name not in SHARED
]
SLOW = ('torch', 'mmengine', 'mmseg', 'matplotlib', 'numpy')
# Runs a tool with the arguments given and says which slow packages were imported.
PROBE = f"""
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition('/')[0])
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    print('exit', end.code, [name for name in {SLOW} if name in sys.modules], file=sys.stderr)
"""


def probe(tool: Path, *arguments: str) -> tuple[str, str]:
    command = [sys.executable, '-c', PROBE, str(tool), *arguments]
    result = subprocess.run(command, capture_output=True, encoding='utf-8', timeout=60)
    return result.stdout, result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize('tool', ['train', 'test', 'convert_checkpoint'])
def test_importing_the_frameworks_prints_nothing(tool, tmp_path):
    missing = tmp_path / 'missing'
    command = [sys.executable, ROOT / f'tools/{tool}.py', missing, missing]
    if tool == 'train':
        command.pop()
    # With this variable Python warns of files that the frameworks read without an encoding.
    env = {key: os.environ[key] for key in os.environ if key != 'PYTHONWARNDEFAULTENCODING'}
    result = subprocess.run(command, capture_output=True, encoding='utf-8', timeout=120, env=env)
    assert result.stdout == ''
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith('error: ')
    assert 'missing' in result.stderr


def test_there_are_tools():
    assert len(TOOLS) >= 10


@pytest.mark.parametrize('tool', TOOLS, ids=lambda path: path.stem)
def test_help_imports_nothing_slow(tool):
    output, end = probe(tool, '--help')
    assert 'usage:' in output
    assert end == 'exit 0 []'


@pytest.mark.parametrize('tool', TOOLS, ids=lambda path: path.stem)
def test_wrong_arguments_are_refused_at_once(tool):
    assert probe(tool, '--no-such-option')[1] == 'exit 2 []'


def work(error: Exception):
    def raise_it(args: argparse.Namespace) -> int:
        raise error

    return raise_it


@pytest.mark.parametrize('error', [WeakTrInputError('no x'), OSError('no x'), ValueError('no x')])
def test_a_fault_of_the_input_is_one_line(capsys, error):
    assert run(work(error), argparse.Namespace()) == 2
    assert capsys.readouterr().err == 'error: no x\n'


def test_a_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv('WEAKTR_TRACEBACK', '1')
    with pytest.raises(WeakTrInputError, match='no x'):
        run(work(WeakTrInputError('no x')), argparse.Namespace())


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(work(ZeroDivisionError()), argparse.Namespace())


def test_options_are_read_as_mmengine_reads_them():
    parser = new_parser('What it does.')
    add_cfg_options(parser)
    args = parser.parse_args(['--cfg-options', 'a.b=1', 'c=x,y', 'd=[(1,2)]'])
    assert parse_options(args.cfg_options) == {'a.b': 1, 'c': ['x', 'y'], 'd': [(1, 2)]}


def test_an_option_without_value_is_named():
    with pytest.raises(WeakTrInputError, match="expected KEY=VALUE, got 'model'"):
        parse_options(['model'])


@pytest.mark.parametrize('value', ["dict(type='A')", "[dict(type='A', b=1)]", '{1:2}', '[ {1:2}]'])
def test_a_dictionary_is_no_text(value):
    with pytest.raises(WeakTrInputError, match=r'options a\.b: .*key by key, as in a\.b\.type'):
        parse_options(['c=1', f'a.b={value}'])


@pytest.mark.parametrize('value', ['[(1,2]', '[1,2', '1,[2'])
def test_brackets_that_do_not_match_are_said(value):
    with pytest.raises(WeakTrInputError, match='cannot be read: a='):
        parse_options([f'a={value}'])


def test_braces_of_a_path_are_text():
    assert parse_options(['root=/data/{x}/dict']) == {'root': '/data/{x}/dict'}


def test_a_folder_of_results_that_is_a_file_is_one_line(tmp_path, capsys):
    script = tmp_path / 'train.py'
    script.write_text("raise FileExistsError(17, 'File exists', 'wd')", encoding='utf-8')
    config = str(ROOT / 'configs/weaktr_demo.py')
    with pytest.raises(SystemExit) as end:
        mmseg_tool._run(
            script, argparse.Namespace(config=config, cfg_options=None, launcher='none')
        )
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: [Errno 17] File exists: 'wd'"
