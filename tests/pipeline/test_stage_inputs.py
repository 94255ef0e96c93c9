from __future__ import annotations

import copy
import hashlib
import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.datasets.demo_scenes import CLASSES
from weaktr_mmseg.pipeline.run_state import differences
from weaktr_mmseg.pipeline.stage import DEFAULT_STAGES, STAGES, Run
from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    cfg = Config.fromfile(CONFIGS / 'weaktr_demo.py')
    cfg = resolve_pipeline(cfg)
    cfg.work_dir = '/somewhere/run'
    root = str(tmp_path_factory.mktemp('scenes'))
    for stage in (cfg, cfg.cam_stage):
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            stage[loader].dataset.update(data_root=root, size=dict(train=4, val=2, side=32))
    return cfg


def inputs_of(cfg):
    results = dict(cam=dict(digest='a'), pseudo_labels=dict(inputs='b'), retrain=dict(digest='c'))
    run = Run(cfg, Path(cfg.work_dir), results)
    return {name: STAGES[name].inputs(run) for name in DEFAULT_STAGES}


@pytest.fixture(scope='module')
def inputs(cfg):
    return inputs_of(cfg)


def changed(cfg, **options):
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(options)
    return inputs_of(cfg)


def test_inputs_are_plain_and_repeatable(cfg, inputs):
    assert json.loads(json.dumps(inputs)) == inputs
    assert inputs_of(cfg) == inputs
    assert inputs['cam']['data']['train_dataloader']['samples'] == 4
    assert inputs['evaluation']['data']['test_dataloader']['samples'] == 2


@pytest.mark.parametrize(
    ('option', 'value', 'stages'),
    [
        ('cam_stage.train_cfg.max_epochs', 3, {'cam'}),
        ('cam_stage.optim_wrapper.optimizer.lr', 1.0, {'cam'}),
        ('cam_stage.model.backbone.patch_whitening', 0.1, {'cam', 'pseudo_labels'}),
        ('pseudo_labels.threshold', 0.3, {'pseudo_labels'}),
        ('train_dataloader.batch_size', 2, {'retrain'}),
        ('train_cfg.total_batch_size', 2, {'retrain'}),
        ('pipeline.retrain_from_cam_vit', False, {'retrain'}),
        ('default_hooks.checkpoint.save_best', 'mIoU', {'retrain'}),
        ('model.decode_head.num_layers', 1, {'retrain', 'evaluation', 'masks'}),
        ('randomness.seed', 1, {'cam', 'relabel', 'retrain'}),
        # Speed, place, display, and what is done about faults.
        ('train_dataloader.num_workers', 3, set()),
        ('cam_stage.test_dataloader.num_workers', 3, set()),
        ('pseudo_labels.workers', 0, set()),
        ('train_dataloader.dataset.on_fault', 'skip', set()),
        ('default_hooks.logger.interval', 1, set()),
        ('log_level', 'ERROR', set()),
        ('resume', True, set()),
        ('work_dir', '/elsewhere', set()),
    ],
)
def test_a_change_concerns_the_stages_that_depend_on_it(cfg, inputs, option, value, stages):
    now = changed(cfg, **{option: value})
    found = {name: list(differences(inputs[name], now[name])) for name in inputs}
    assert {name for name, lines in found.items() if lines} == stages
    for name in stages:
        key = option.rpartition('.')[2]
        assert any(key in line for line in found[name])


def test_other_labels_and_samples_are_noticed(cfg, inputs):
    root = Path(cfg.cam_stage.train_dataloader.dataset.data_root)
    split = root / 'ImageSets/Segmentation/train.txt'
    before = split.read_text(encoding='utf-8')
    try:
        split.write_text('\n'.join(before.split()[:3]) + '\n', encoding='utf-8')
        now = inputs_of(cfg)
    finally:
        split.write_text(before, encoding='utf-8')
    lines = list(differences(inputs['cam'], now['cam']))
    assert 'data.train_dataloader.samples: 4 -> 3' in lines
    assert any(line.startswith('data.train_dataloader.digest') for line in lines)
    assert now['evaluation'] == inputs['evaluation']


def test_other_labels_of_the_same_samples_are_noticed(cfg, inputs):
    root = Path(cfg.cam_stage.train_dataloader.dataset.data_root)
    annotation = min((root / 'Annotations').glob('train_*.xml'))
    before = annotation.read_text(encoding='utf-8')
    names = re.findall('<name>(.*?)</name>', before)
    other = next(name for name in CLASSES[1:] if name not in names)
    try:
        annotation.write_text(
            before.replace(f'<name>{names[0]}</name>', f'<name>{other}</name>'), encoding='utf-8'
        )
        now = inputs_of(cfg)
    finally:
        annotation.write_text(before, encoding='utf-8')
    assert [line.split(':')[0] for line in differences(inputs['cam'], now['cam'])] == [
        'data.train_dataloader.digest'
    ]


@pytest.mark.parametrize('kind', ['Pretrained', 'WeakTrPretrained'])
def test_weights_are_known_by_content(cfg, inputs, tmp_path, kind):
    weights = tmp_path / 'vit.pth'
    weights.write_bytes(b'one')
    init = dict(type=kind, checkpoint=str(weights))
    now = changed(cfg, **{'cam_stage.model.backbone.init_cfg': init})
    assert now['cam']['weights'] == {str(weights): hashlib.sha256(b'one').hexdigest()}
    weights.write_bytes(b'two')
    later = changed(cfg, **{'cam_stage.model.backbone.init_cfg': init})
    assert [line.split(':')[0] for line in differences(now['cam'], later['cam'])] == [
        f'weights.{weights}'
    ]


def test_weights_of_the_cam_stage_count_where_they_are_used(cfg, inputs):
    assert inputs['retrain']['upstream'] == dict(pseudo_labels='b', cam_checkpoint='a')
    other = changed(cfg, **{'pipeline.retrain_from_cam_vit': False})
    assert other['retrain']['upstream']['cam_checkpoint'] is None
