"""What a run will take: arithmetic by a clock that the test winds, and a calibration for real."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from test_weaktr_custom import NUM_IMAGES, load, make_folder

from weaktr_mmseg.pipeline import calibration, recipe_advice
from weaktr_mmseg.pipeline.recipe_advice import (
    AS_CONFIGURED,
    PLUS,
    QUICK,
    Advice,
    advise,
    choose,
)
from weaktr_mmseg.pipeline.run_estimate import Estimate, estimate_run
from weaktr_mmseg.pipeline.update_schedule import fit_schedules

TITLES = ['CAM training', 'Pseudo labels', 'Retraining', 'Evaluation', 'Masks']


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """The pipeline of own data, with tiny networks and a tenth of its photographs held out."""
    make_folder(tmp_path / 'my data', 2, masks=True)
    cfg = load(monkeypatch, tmp_path)
    cfg.pipeline.masks = True
    return cfg


def test_images_and_epochs_multiply_what_one_takes(cfg):
    """Each look at the clock takes a second, so an iteration, a prediction and all masks do."""
    before = cfg.to_dict()
    ticks = itertools.count()
    estimate = estimate_run(cfg, clock=lambda: float(next(ticks)))
    train, val = NUM_IMAGES - 1, 1
    assert list(estimate.seconds) == TITLES
    epoch = train * 1 / 2 + val * 1  # two an iteration, and a validation
    assert estimate.seconds['CAM training'] == pytest.approx(epoch)
    assert estimate.seconds['Pseudo labels'] == pytest.approx(train * (1 + 1) + val * 1)
    assert estimate.seconds['Retraining'] == pytest.approx(epoch)
    assert estimate.seconds['Evaluation'] == pytest.approx(val)
    assert estimate.seconds['Masks'] == pytest.approx(train + val)
    cfg.cam_stage.train_cfg.max_epochs = 7
    assert estimate_run(cfg, clock=lambda: float(next(ticks))).seconds['CAM training'] == 7 * epoch
    cfg.cam_stage.train_cfg.max_epochs = 1
    assert cfg.to_dict() == before
    fit_schedules(cfg)  # what is estimated can be run


def test_nothing_is_left_behind(cfg, tmp_path):
    before = sorted(tmp_path.rglob('*'))
    estimate = estimate_run(cfg)
    assert sorted(tmp_path.rglob('*')) == before
    assert all(seconds > 0 for seconds in estimate.seconds.values())
    assert estimate.memory is None or 1 << 26 < estimate.memory < 1 << 34


def test_a_second_round_is_timed(cfg):
    cfg.pipeline.relabel = True
    ticks = itertools.count()
    estimate = estimate_run(cfg, clock=lambda: float(next(ticks)))
    assert list(estimate.seconds) == [*TITLES[:2], 'Relabelling', *TITLES[2:]]


def test_without_retraining_only_its_stages_are_timed(cfg):
    cfg.pipeline.retrain = False
    assert list(estimate_run(cfg).seconds) == TITLES[:2]


@pytest.mark.parametrize(
    ('images', 'hours', 'advice'),
    [
        (49, 0.1, 'quick mode first.*: 49 photographs are few'),
        (50, 0.1, 'train as configured'),
        (5000, 1.1, r'quick mode first.*: an answer in 2 min tells.*; then .*plus\.py, 25 min'),
    ],
)
def test_the_recipe_follows_from_photographs_and_time(images, hours, advice):
    estimates = {
        AS_CONFIGURED: Estimate(dict(a=hours * 3600), None),
        PLUS: Estimate(dict(a=1500.0), None),
        QUICK: Estimate(dict(a=100.0, b=20.0), 3 << 30),
    }
    found = choose(estimates, images)
    assert re.search(advice, found)
    text = Advice(estimates, found).to_text()
    assert 'quick mode: 2 min, 3.0 GiB (a 2 min, b 20 s)' in text
    assert text.endswith(found)


def test_own_data_is_told_of_other_recipes(cfg, tmp_path, monkeypatch):
    seen = []
    configs = Path(__file__).parents[2] / 'configs'
    monkeypatch.setattr(recipe_advice, 'LONG', 0.5)

    def estimate(cfg):
        data = (cfg.train_dataloader.dataset, cfg.cam_stage.train_dataloader.dataset)
        assert [dataset.ann_file for dataset in data] == ['mine.txt'] * 2
        seen.append([stage.train_cfg.type[6:] for stage in (cfg.cam_stage, cfg)])
        return Estimate(dict(a=1.0), None)

    def recipes(leaf):
        cfg = Config.fromfile(configs / f'{leaf}.py')
        names = ('cam_stage.train', 'cam_stage.test', 'train', 'val', 'test')
        cfg.merge_from_dict({f'{name}_dataloader.dataset.ann_file': 'mine.txt' for name in names})
        return advise(cfg, estimate)

    monkeypatch.setattr(recipe_advice, 'list_dataset', lambda dataset: range(60))
    assert list(recipes('weaktr_custom').to_dict()['recipes']) == [AS_CONFIGURED, PLUS, QUICK]
    frozen_cam = ['FrozenCAMLoop', 'EpochLoop']
    quick = ['FrozenCAMLoop', 'FrozenSegmentorLoop']
    assert seen == [['EpochLoop'] * 2, frozen_cam, quick]
    assert list(recipes('weaktr_custom_plus').estimates) == [PLUS, QUICK]
    assert seen[3:] == [frozen_cam, quick]
    assert list(recipes('weaktr_custom_quick').estimates) == [QUICK]
    published = recipes('weaktr_demo')
    assert list(published.estimates) == [AS_CONFIGURED] and not published.advice


@pytest.mark.parametrize(
    ('held', 'peak', 'memory'), [(100, 150, 200), (None, 150, None), (100, None, None)]
)
def test_memory_of_an_iteration_grows_with_its_images(cfg, monkeypatch, held, peak, memory):
    """Two images are timed and four a batch: what is not held is doubled."""
    monkeypatch.setattr(calibration, 'memory_now', lambda: held)
    monkeypatch.setattr(calibration, 'memory_peak', lambda: peak)
    cfg.train_dataloader.batch_size, cfg.cam_stage.train_dataloader.batch_size = 4, 2
    assert estimate_run(cfg).memory == memory
