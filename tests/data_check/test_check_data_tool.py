"""The command line."""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
from small_voc import SIZE, config

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.data_check.problems import Report
from weaktr_mmseg.pipeline.recipe_advice import Advice
from weaktr_mmseg.utils.masks import write_mask
from weaktr_mmseg.utils.palette import voc_palette

TOOL = Path(__file__).parents[2] / 'tools/check_data.py'


def test_the_tool_lists_folders_and_reads_tables_once(tmp_path, write_image, monkeypatch):
    """Six data sets, and as many in the stages that are built, share what they read."""
    for index in range(20):
        write_image(tmp_path / f'data/images/{index:02d}.jpg', size=SIZE, seed=index)
        mask = np.full(SIZE[::-1], 1 + index % 2, np.uint8)
        write_mask(tmp_path / f'data/masks/{index:02d}.png', mask, voc_palette(3))
    rows = [f'{index:02d}.jpg,{("cat", "dog")[index % 2]}' for index in range(20)]
    table = tmp_path / 'data/labels.csv'
    table.write_text('\n'.join(['image,labels', *rows]), encoding='utf-8')
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{TOOL.parents[1]}/configs/weaktr_custom.py'\n"
        'cam_stage = dict(model=dict(backbone=dict(init_cfg=None)))\n'
        'model = dict(backbone=dict(init_cfg=None))\n',
        encoding='utf-8',
    )
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'data'))
    listed, opened = count_calls(monkeypatch, os, 'walk'), []
    real_read = Path.read_text
    monkeypatch.setattr(
        Path, 'read_text', lambda path, **how: (opened.append(path), real_read(path, **how))[1]
    )
    arguments = dict(config=str(config), cfg_options=None, quick=True, json=False, workers=1)
    report, fault = runpy.run_path(str(TOOL))['check'](argparse.Namespace(**arguments))
    assert fault is None and not report.errors and len(report.datasets) == 6
    below = sorted(path for path in map(str, listed) if path.startswith(str(tmp_path / 'data')))
    assert below == [str(tmp_path / 'data/images'), str(tmp_path / 'data/masks')]
    assert opened.count(table) == 1


def test_what_is_at_fault_comes_last(monkeypatch, capsys):
    main = runpy.run_path(str(TOOL))['main']
    report = Report()
    report.warning('class-everywhere', 'labels.csv', 'every image has it')
    monkeypatch.setitem(main.__globals__, 'check', lambda args: (report, None))
    advice = Advice(advice='Recipe: train as configured.')
    monkeypatch.setitem(main.__globals__, 'time_recipes', lambda args: advice)
    assert main(argparse.Namespace(quick=False, json=False)) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        'Recipe: train as configured.',
        '',
        'WARNING class-everywhere: labels.csv: every image has it',
        '0 errors, 1 warnings',
    ]


def count_calls(monkeypatch, module, name):
    real, calls = getattr(module, name), []
    monkeypatch.setattr(
        module, name, lambda path, *how, **more: (calls.append(path), real(path, *how, **more))[1]
    )
    return calls


def run_tool(*arguments):
    paths = [str(TOOL.parents[1]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding='utf-8', env=environment)


def test_tool(root):
    cfg = config(root)
    cfg.work_dir, cfg.pseudo_labels = 'none', dict(threshold=0.4)
    path = root / 'config.py'
    cfg.dump(path)
    done = run_tool(path, '--workers', '2')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '0 errors, 2 warnings' in done.stdout  # five images of a class are few
    assert 'images: 100%' in done.stderr
    (root / 'SegmentationClass/12.png').unlink()
    done = run_tool(path, '--json')
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report['ok']
    errors = [p['check'] for p in report['problems'] if p['severity'] == 'error']
    assert errors == ['mask-missing']
    assert report['estimate'] is None


def test_tool_names_a_config_that_cannot_be_read(tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(', encoding='utf-8')
    for name, message in (('nope.py', 'no such file'), ('broken.py', 'was never closed')):
        done = run_tool(tmp_path / name)
        assert done.returncode == 2
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f'error: config {tmp_path / name}: ') and message in line
