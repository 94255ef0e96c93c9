"""Where the locale is ASCII, names and texts beyond it are read and written as elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
ASCII = dict(LC_ALL='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0')
NAMES = ('k\u00e4fer', 'ka\u0308fer 2', '\u732b/\u043f\u0451\u0441')  # composed or not, a folder
CLASSES = ('k\u00e4fer', '\u732b')
CONFIG = """
data = dict(type='WeakTrCustomDataset', data_root={root!r}, ann_file='', masks=True)
train_dataloader = dict(dataset=data)
"""


@pytest.fixture
def data(tmp_path):
    root = tmp_path / 'data'
    rows = ['image,labels']
    for number, name in enumerate(NAMES):
        for path in (root / f'images/{name}.png', root / f'masks/{name}.png'):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('L', (20, 20), number % 2 + 1).save(path)
        rows.append(f'{name}.png,{CLASSES[number % 2]}')
    (root / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    return root


def run(*command):
    environment = {**os.environ, **ASCII, 'PYTHONPATH': str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        env=environment,
        encoding='utf-8',
        errors='replace',
    )


def test_the_process_has_an_ascii_locale():
    done = run('-c', 'import sys; print(sys.getfilesystemencoding(), sys.stdout.encoding)')
    assert 'utf' not in done.stdout.lower()


def test_images_masks_and_labels_are_found(data, tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(data)), encoding='utf-8')
    for options in ([], ['--json']):
        done = run(ROOT / 'tools/check_data.py', tmp_path / 'config.py', *options)
        assert 'Traceback' not in done.stderr, done.stderr
        if options:
            report = json.loads(done.stdout)
            assert report['datasets'] == [
                dict(name='train_dataloader', images=3, labelled=3, masks=3)
            ]
            assert report['class_balance'] == dict(zip(CLASSES, (2, 1)))


def test_masks_are_written_under_the_names_of_images(data):
    code = """
import sys, numpy as np
from weaktr_mmseg.datasets.file_index import index_folder
from weaktr_mmseg.utils.masks import read_mask, write_mask
for sample in index_folder(sys.argv[1] + '/images'):
    write_mask(f'{sys.argv[1]}/out/{sample}.png', np.ones((2, 2)), [[0, 0, 0]])
    assert read_mask(f'{sys.argv[1]}/out/{sample}.png').all()
"""
    done = run('-c', code, data)
    assert done.returncode == 0, done.stderr
    found = {path.relative_to(data / 'out').as_posix() for path in (data / 'out').rglob('*.png')}
    composed = 'k\u00e4fer 2'
    assert found == {f'{NAMES[0]}.png', f'{composed}.png', f'{NAMES[2]}.png'}
