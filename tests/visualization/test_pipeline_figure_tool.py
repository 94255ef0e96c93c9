from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/pipeline_figure.py'
PIPELINE = """
model = cam_stage = dict(type='EncoderDecoder')
pseudo_labels = dict(threshold=0.4)
work_dir = 'out'
"""


@pytest.mark.parametrize(
    ('configs', 'options', 'message'),
    [
        (0, [], 'expected one config in'),
        (1, ['--images', '0'], '--images: expected at least 1'),
        (1, [], 'summary.json'),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, monkeypatch, capsys, configs, options, message):
    for index in range(configs):
        (tmp_path / f'{index}.py').write_text(PIPELINE, encoding='utf-8')
    monkeypatch.setattr(sys, 'argv', ['tool', str(tmp_path), str(tmp_path / 'a.png'), *options])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert exit_.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error.splitlines()[-1]
    assert not (tmp_path / 'a.png').exists()
