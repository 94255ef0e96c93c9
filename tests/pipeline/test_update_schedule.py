"""Own data trains for a number of updates, whatever the number of photographs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline.preflight import check_stage
from weaktr_mmseg.pipeline.refusals import refuse_unsupported
from weaktr_mmseg.pipeline.stage import STAGES, Run
from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
from weaktr_mmseg.pipeline.stage_inputs import cam_inputs
from weaktr_mmseg.pipeline.update_schedule import epochs_for_updates, fit_schedule, fit_schedules
from weaktr_mmseg.utils.errors import WeakTrInputError

ROOT = Path(__file__).parents[2]


def make_folder(root: Path, labels: list[str]) -> None:
    """Write one photograph for each label."""
    (root / 'images').mkdir(parents=True)
    for index in range(len(labels)):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / f'images/{index}.png')
    rows = [f'{index},{label}' for index, label in enumerate(labels)]
    (root / 'labels.csv').write_text('\n'.join(['image,labels', *rows]), encoding='utf-8')


def load(monkeypatch, root: Path, labels: list[str], leaf: str = 'weaktr_custom') -> Config:
    make_folder(root / 'data', labels)
    monkeypatch.setenv('WEAKTR_DATA', str(root / 'data'))
    return Config.fromfile(ROOT / f'configs/{leaf}.py')


@pytest.mark.parametrize(
    ('updates', 'images', 'batch', 'drop_last', 'epochs'),
    [
        (5000, 500, 64, False, 625),  # 8 updates an epoch
        (5000, 500, 64, True, 715),  # 7, and the last epoch is finished
        (5000, 50_000, 64, False, 7),
        (5000, 500_000, 64, False, 3),  # at least
        (5000, 3, 64, False, 2000),  # at most
        (5000, 3, 64, True, 2000),  # no whole batch: the loader's affair
        (10, 10, 1, False, 3),
    ],
)
def test_epochs(updates, images, batch, drop_last, epochs):
    assert epochs_for_updates(updates, images, batch, drop_last) == epochs


@pytest.mark.parametrize('labels', [['cat'], ['cat'] * 3, ['cat'] * 70 + ['dog']])
def test_own_data_of_any_size(tmp_path, monkeypatch, labels):
    """One photograph, one class, fewer photographs than a batch, a class with one photograph."""
    cfg = resolve_pipeline(load(monkeypatch, tmp_path, labels))
    fit_schedules(cfg)

    cam, retrain = cfg.cam_stage, cfg
    assert cam.train_cfg.max_epochs == 2000  # an update an epoch, or two
    assert retrain.train_cfg.max_epochs == {1: 2000, 3: 2000, 71: -(-12500 // 18)}[len(labels)]
    for stage in (cam, retrain):
        epochs = stage.train_cfg.max_epochs
        assert stage.train_cfg.val_interval == round(epochs / 10)
        assert stage.default_hooks.checkpoint.interval is None
    assert cam.param_scheduler[0].total_steps == cam.train_cfg.max_epochs
    assert cam.param_scheduler[0].warmup_steps == cam.train_cfg.max_epochs * 5 // 60
    assert retrain.param_scheduler[0].end == retrain.train_cfg.max_epochs


def test_fitting_twice_changes_nothing_and_is_part_of_the_inputs(tmp_path, monkeypatch):
    cfg = resolve_pipeline(load(monkeypatch, tmp_path, ['cat', 'dog']))
    fit_schedules(cfg)
    before = cfg.to_dict()
    fit_schedules(cfg)
    assert cfg.to_dict() == before
    assert cam_inputs(Run(cfg, tmp_path))['config']['train_cfg']['max_epochs'] == 2000


def test_what_a_user_sets_stays_and_schedules_follow_it(tmp_path, monkeypatch):
    cfg = load(monkeypatch, tmp_path, ['cat', 'dog'], 'weaktr_custom_cam')
    cfg.train_cfg.update(max_epochs=24, val_interval=1)
    assert fit_schedule(cfg) == {
        'train_cfg.max_epochs': 24,
        'param_scheduler.0.total_steps': 24,
        'param_scheduler.0.warmup_steps': 2,
    }


def test_accumulated_gradients_make_one_update(tmp_path, monkeypatch):
    cfg = load(monkeypatch, tmp_path, ['cat'] * 16, 'weaktr_custom_cam')
    cfg.train_cfg.update(total_batch_size=None, updates=8)
    cfg.train_dataloader.batch_size = 2
    cfg.optim_wrapper.accumulative_counts = 2
    assert fit_schedule(cfg)['train_cfg.max_epochs'] == 3  # at least; two would do
    cfg.train_cfg.updates = 40
    assert fit_schedule(cfg)['train_cfg.max_epochs'] == 10


@pytest.mark.parametrize('updates', [0, True, 2.5, 'many'])
def test_updates_that_are_no_number(updates):
    with pytest.raises(WeakTrInputError, match=r'^cam_stage\.train_cfg\.updates: expected a pos'):
        fit_schedule(dict(train_cfg=dict(updates=updates)), 'cam_stage.')


def test_published_recipes_are_left_alone():
    cfg = resolve_pipeline(Config.fromfile(ROOT / 'configs/weaktr_voc.py'))
    assert fit_schedule(cfg) == fit_schedule(cfg.cam_stage) == {}


def test_a_stage_alone_gets_its_epochs_from_the_tool(tmp_path, monkeypatch):
    """It stops at a fault that comes after: the weights are not there."""
    load(monkeypatch, tmp_path, ['cat', 'dog'])
    monkeypatch.setenv('WEAKTR_PRETRAINED', str(tmp_path / 'nowhere.pth'))
    command = [sys.executable, ROOT / 'tools/train.py', ROOT / 'configs/weaktr_custom_cam.py']
    result = subprocess.run(
        [*command, '--work-dir', tmp_path / 'out'],
        capture_output=True,
        encoding='utf-8',
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert 'nowhere.pth' in result.stderr
    dumped = Config.fromfile(tmp_path / 'out/weaktr_custom_cam.py')
    assert (dumped.train_cfg.updates, dumped.train_cfg.max_epochs) == (5000, 2000)
    assert dumped.param_scheduler[0].total_steps == 2000


def test_the_dry_run_before_training_needs_no_epochs(tmp_path, monkeypatch):
    cfg = resolve_pipeline(load(monkeypatch, tmp_path, ['cat', 'dog']))
    run = Run(cfg, tmp_path)
    for place, stage in [*STAGES['cam'].configs(run), *STAGES['retrain'].configs(run)]:
        stage.model.backbone.init_cfg = None
        refuse_unsupported(stage, place)
        check_stage(stage, place)
