"""The table of stages, and one added from outside of the package."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from test_runner import TRAIN, shrink_stage

from weaktr_mmseg.pipeline import Stage, WeakTrRunner, register_stage
from weaktr_mmseg.pipeline.options import DEFAULTS
from weaktr_mmseg.pipeline.stage import DEFAULT_STAGES, STAGES, chosen_stages
from weaktr_mmseg.report import write_report
from weaktr_mmseg.utils.errors import WeakTrInputError

ROOT = Path(__file__).parents[2]


def names(**options):
    return [stage.name for stage in chosen_stages({**DEFAULTS, **options})]


def test_default_stages():
    assert names() == ['cam', 'pseudo_labels', 'retrain', 'evaluation']
    assert names(masks=True, relabel=True) == list(DEFAULT_STAGES)
    assert 'relabel' not in names(masks=True) and 'relabel' not in names(
        relabel=True, retrain=False
    )
    assert names(retrain=False, masks=True) == ['cam', 'pseudo_labels']
    assert names(stages=['cam']) == ['cam']


@pytest.mark.parametrize(
    ('stages', 'message'),
    [
        (['cam', 'pseudo_label'], r'pipeline\.stages\.pseudo_label: .*did you mean pseudo_labels'),
        (['cam', 'cam'], 'expected a list of different names'),
        ('cam', 'expected a list of different names'),
        (['pseudo_labels', 'cam'], "'pseudo_labels' needs cam before it"),
        (['cam', 'evaluation'], "'evaluation' needs retrain before it"),
    ],
)
def test_wrong_stages_are_refused(stages, message):
    with pytest.raises(WeakTrInputError, match=message):
        names(stages=stages)


def test_two_stages_of_one_name_are_refused():
    other = Stage('cam', '', None, inputs=dict, run=dict)
    with pytest.raises(WeakTrInputError, match="stage 'cam': there is one of this name"):
        register_stage(other)
    assert STAGES['cam'] is not other


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    """A config file that a user wrote, beside the module with the new stage."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    leaf = tmp_path / 'census.py'
    leaf.write_text(
        f"_base_ = '{ROOT / 'configs/weaktr_demo.py'}'\n"
        "custom_imports = dict(imports=['weaktr_mmseg', 'toy_stage'])\n"
        "pipeline = dict(stages=['cam', 'pseudo_labels', 'census'], check_pixels=False)\n",
        encoding='utf-8',
    )
    return leaf


def test_a_stage_added_from_outside_runs_resumes_and_is_reported(config, tmp_path):
    cfg = Config.fromfile(config)
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for stage in (cfg, cam):
        shrink_stage(stage, tmp_path / 'demo')
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.workers = 0
    cfg.work_dir = str(tmp_path / 'work')

    summary = WeakTrRunner.from_cfg(copy.deepcopy(cfg)).train()
    assert list(summary['stages']) == ['cam', 'pseudo_labels', 'census']
    assert summary['metrics']['census_masks'] == TRAIN
    assert not (tmp_path / 'work/retrain').exists()
    assert 'Census of the masks' in write_report(tmp_path / 'work').read_text(encoding='utf-8')

    cfg.resume = True
    again = WeakTrRunner.from_cfg(copy.deepcopy(cfg)).train()
    assert again['stages'] == summary['stages']  # nothing ran: the seconds are the same
    (tmp_path / 'work/census/masks.txt').unlink()
    WeakTrRunner.from_cfg(copy.deepcopy(cfg)).train()
    state = json.loads((tmp_path / 'work/state.json').read_text(encoding='utf-8'))['stages']
    assert state['census']['results']['resumed'] is True
    assert (tmp_path / 'work/census/masks.txt').is_file()
