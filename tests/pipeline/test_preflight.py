"""Every stage is built once before the first one starts, and what cannot work is refused."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from test_runner import shrink_stage

from weaktr_mmseg.pipeline import WeakTrRunner
from weaktr_mmseg.pipeline.preflight import check_pipeline, config_faults
from weaktr_mmseg.pipeline.refusals import refuse_unsupported
from weaktr_mmseg.utils.errors import WeakTrInputError, WeakTrMissingFileError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp('preflight')
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo.py')
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for stage in (cfg, cam):
        shrink_stage(stage, folder / 'demo')
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.workers = 0
    cfg.work_dir = str(folder / 'work')
    return cfg


def check(tiny, **options):
    cfg = copy.deepcopy(tiny)
    cfg.merge_from_dict(options)
    runner = WeakTrRunner.from_cfg(cfg)
    check_pipeline(runner.cfg, runner.stages)


def test_a_right_config_passes_and_leaves_nothing(tiny):
    check(tiny)  # composes the scenes
    before = [set(manager._instance_dict) for manager in (MMLogger, MessageHub)]
    start = time.perf_counter()
    check(tiny)
    assert time.perf_counter() - start < 30
    assert not Path(tiny.work_dir).exists()
    assert [set(manager._instance_dict) for manager in (MMLogger, MessageHub)] == before


CHECKPOINT = 'default_hooks.checkpoint'
FAULTS = [
    # Typing errors in every stage and part.
    ({'train_cfg.max_epoch': 3}, r'^train_cfg, .*max_epoch'),
    ({'cam_stage.train_cfg.max_epoch': 3}, r'^cam_stage\.train_cfg, .*max_epoch'),
    ({'optim_wrapper.optimizer.type': 'Adamw'}, r'^optim_wrapper\.optimizer\.type: .* AdamW'),
    ({'optim_wrapper.optimizer.rl': 1}, r'^optim_wrapper: .*rl'),
    ({'test_evaluator.iou_metrics': ['mIOU']}, r'^test_evaluator: .*mIOU'),
    ({'val_evaluator.iou_metrics': ['mIOU']}, r'^val_evaluator: .*mIOU'),
    ({'param_scheduler.0.type': 'LinearRL'}, r'^param_scheduler: LinearRL is not in'),
    ({'cam_stage.model.backbone.archs': 1}, r'^cam_stage\.model: .*archs'),
    ({'model.decode_head.num_layer': 1}, r'^model: .*num_layer'),
    ({'custom_hooks': [dict(type='NoHook')]}, r'^custom_hooks: NoHook is not in'),
    ({'default_hooks.timer.type': 'NoTimer'}, r'^default_hooks: NoTimer is not in'),
    ({'randomness.seed': 'abc'}, r'^cam_stage\.randomness: '),
    ({'env_cfg.mp_cfg.mp_start_method': 'threads'}, r"^cam_stage\.env_cfg: .*'threads'"),
    ({'visualizer.type': 'NoVisualizer'}, r'visualizer: NoVisualizer is not in'),
    ({'log_level': 'LOUD'}, r"log_level: expected .*'INFO'.*got 'LOUD'"),
    (
        {'train_dataloader.sampler.type': 'InfiniteSampler'},
        r'^train_dataloader\.sampler\.type: InfiniteSampler has no end, .*=DefaultSampler$',
    ),
    ({'train_cfg.val_interval': 0}, r'^train_cfg\.val_interval: .* positive .*got 0'),
    (
        {'cam_stage.train_cfg.max_epochs': 0},
        r'^cam_stage\.train_cfg\.max_epochs: .* positive .*got 0',
    ),
    ({'model.test_cfg.mode': 'whol'}, r"^model\.test_cfg\.mode: .*'whole', .*got 'whol'"),
    (
        {'param_scheduler': [dict(type='ReduceOnPlateauLR', monitor='mDice')]},
        r'^param_scheduler: monitor of ReduceOnPlateauLR: expected .*mIoU.*got .mDice',
    ),
    (
        {'custom_hooks': [dict(type='EarlyStoppingHook', monitor='mDice')]},
        r'^custom_hooks: monitor of EarlyStoppingHook: expected .*mIoU.*got .mDice',
    ),
    ({'test_dataloader.persistent_workers': True}, r'^test_cfg, .*persistent_workers'),
    (
        {'train_dataloader.dataset.pipeline.0.type': 'LoadImage'},
        r'^train_dataloader\.dataset: ',
    ),
    ({'pseudo_labels.score_split': 'nowhere.txt'}, 'nowhere.txt'),
    # What cannot work.
    (
        {'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=6)},
        r'^train_cfg\.type: .*by epochs, got IterBasedTrainLoop; write train_cfg=dict\(_delete_',
    ),
    (
        {'cam_stage.train_cfg': dict(_delete_=True, by_epoch=False, max_iters=6)},
        r'^cam_stage\.train_cfg\.type: .*got by_epoch=False',
    ),
    ({f'{CHECKPOINT}.out_dir': 'x'}, r'^default_hooks\.checkpoint\.out_dir: .*leave it out'),
    ({f'{CHECKPOINT}.by_epoch': False}, r'^default_hooks\.checkpoint\.by_epoch: '),
    ({f'{CHECKPOINT}.filename_tmpl': 'a{}.pth'}, r'^default_hooks\.checkpoint\.filename_tmpl: '),
    (
        {f'{CHECKPOINT}.interval': -1, f'{CHECKPOINT}.save_last': False},
        r'^default_hooks\.checkpoint: nothing would be saved',
    ),
    (
        {f'{CHECKPOINT}.interval': 99, f'{CHECKPOINT}.save_last': False},
        r'^default_hooks\.checkpoint: nothing would be saved with interval=99',
    ),
    ({CHECKPOINT: None}, r'^default_hooks\.checkpoint: the next stage needs a checkpoint'),
    ({f'{CHECKPOINT}.save_best': ['mIoU', 'aAcc']}, r'save_best: one score decides'),
    ({f'{CHECKPOINT}.save_best': 'mDice'}, r'save_best: expected .*mIoU.*, got .mDice'),
    (
        {'cam_stage.default_hooks.checkpoint.save_best': 'image_map'},
        r'^cam_stage\.default_hooks\.checkpoint\.save_best: expected .*cam/image_map.*got',
    ),
    (
        {'model.backbone.arch.num_layers': 3},
        r'^pipeline\.retrain_from_cam_vit: WeakTrSegmenterViT cannot start from the WeakTrViT of '
        r'cam_stage: expected .* 3 layers, got .* 2 layers',
    ),
]


@pytest.mark.parametrize(('options', 'message'), FAULTS, ids=lambda value: str(value)[:60])
def test_a_fault_is_one_line_before_the_first_stage(tiny, options, message):
    with pytest.raises(WeakTrInputError, match=message) as fault:
        check(tiny, **options)
    assert len(str(fault.value).splitlines()) == 1
    assert not Path(tiny.work_dir).exists()


@pytest.mark.parametrize(
    ('stage', 'kind', 'message'),
    [
        ('cam_stage', 'WeakTrTimmViT', 'WeakTrTimmViT of cam_stage: expected WeakTrViT'),
        ('', 'WeakTrTimmSegmenterViT', 'WeakTrTimmSegmenterViT cannot start from the WeakTrViT'),
    ],
)
def test_an_encoder_of_timm_that_is_to_start_from_the_cam_stage(tiny, stage, kind, message):
    pytest.importorskip('timm')
    cfg = copy.deepcopy(tiny)
    model = (cfg[stage] if stage else cfg).model
    width = model.backbone.arch.embed_dims
    sizes = dict(embed_dim=width, depth=2, num_heads=2, img_size=32)
    backbone = dict(type=kind, model_name='vit_tiny_patch16_224', **sizes)
    if stage:
        backbone['num_classes'] = model.backbone.num_classes
        backbone['fusion'] = dict(type='WeakTrUniformFusion')
    model.backbone = backbone
    with pytest.raises(WeakTrInputError, match=rf'^pipeline\.retrain_from_cam_vit: .*{message}'):
        check(cfg)
    check(cfg, **{'pipeline.retrain_from_cam_vit': False})


@pytest.mark.parametrize('place', ['', 'cam_stage.'])
def test_mixed_precision_without_gpu_says_what_to_set(tiny, monkeypatch, place):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    message = rf'^{place}optim_wrapper\.type: .*no.*; set {place}optim_wrapper\.type=OptimWrapper$'
    with pytest.raises(WeakTrInputError, match=message):
        check(tiny, **{f'{place}optim_wrapper.type': 'AmpOptimWrapper'})


def test_stopping_early_at_a_present_score_passes(tiny):
    check(tiny, custom_hooks=[dict(type='EarlyStoppingHook', monitor='mIoU')])


@pytest.mark.parametrize('key', ['mIoU', 'aAcc', 'auto'])
def test_save_best_of_a_present_score_passes(tiny, key):
    check(tiny, **{f'{CHECKPOINT}.save_best': key})


def test_epoch_loop_and_checkpoint_hook_of_mmengine_pass(tiny):
    check(
        tiny,
        train_cfg=dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=1),
        **{f'{CHECKPOINT}.type': 'CheckpointHook'},
    )


def test_faults_of_a_config_are_lines_and_known_ones_stay():
    with pytest.raises(WeakTrInputError, match=r'^a\.b: boom$'), config_faults('a.b'):
        raise AssertionError('boom\nmore')
    with pytest.raises(WeakTrMissingFileError, match='^gone$'), config_faults('a.b'):
        raise WeakTrMissingFileError('gone')


def test_the_checker_of_data_builds_the_stages_too(tiny, tmp_path):
    path = tmp_path / 'tiny.py'
    tiny.dump(path)
    command = [sys.executable, str(ROOT / 'tools/check_data.py'), str(path), '--quick']
    options = ['--cfg-options', 'optim_wrapper.optimizer.type=Adamw']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [*command, *options], capture_output=True, encoding='utf-8', env=environment
    )
    assert done.returncode == 2
    assert '0 errors' in done.stdout
    assert done.stderr.splitlines()[-1].startswith('error: optim_wrapper.optimizer.type: ')
    done = subprocess.run(
        [*command, '--json', *options], capture_output=True, encoding='utf-8', env=environment
    )
    assert [problem['check'] for problem in json.loads(done.stdout)['problems']][-1] == 'config'


def test_checkpoints_may_follow_the_validations():
    hook = dict(type='WeakTrCheckpointHook', interval=None)
    refuse_unsupported(Config(dict(train_cfg=dict(), default_hooks=dict(checkpoint=hook))))
