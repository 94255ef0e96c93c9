from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def mmseg_tool():
    spec = importlib.util.spec_from_file_location('mmseg_tool', ROOT / 'tools/mmseg_tool.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('config', 'arguments', 'expected'),
    [
        ('weaktr_demo.py', [], ['--work-dir', str(Path('work_dirs/weaktr_demo/test'))]),
        ('weaktr_demo.py', ['--work-dir', 'mine'], []),
        ('weaktr_demo.py', ['--work-dir=mine'], []),
        ('weaktr_demo.py', ['--cfg-options', 'work_dir=mine'], []),
        ('weaktr_demo_retrain.py', [], []),
    ],
)
def test_a_test_leaves_the_config_of_a_finished_pipeline_alone(
    mmseg_tool, config, arguments, expected
):
    cfg = Config.fromfile(ROOT / 'configs' / config)
    assert mmseg_tool.test_work_dir(cfg, arguments) == expected
