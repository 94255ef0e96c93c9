"""The whole pipeline on a few scenes, and what it says about bad input."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.datasets.demo_scenes import CLASSES
from weaktr_mmseg.pipeline import WeakTrRunner
from weaktr_mmseg.pipeline.stage_configs import cam_training_config
from weaktr_mmseg.pseudo_labels.cam_files import read_cams
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import read_mask

ROOT = Path(__file__).parents[2]
TRAIN, VAL, SIDE = 12, 6, 32
METRICS = {
    'cam_coarse_miou',
    'cam_coarse_miou_oracle',
    'cam_fused_miou',
    'cam_fused_miou_oracle',
    'pseudo_label_miou',
    'val_cam_miou_oracle',
    'val_miou',
    'image_map',
}


def shrink_stage(stage: Config, data_root: Path) -> None:
    """Makes a stage of the demo tiny: few scenes, one block, one epoch."""
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        stage[loader].batch_size = 4
        stage[loader].num_workers = 0
        stage[loader].pop('persistent_workers', None)
        stage[loader].dataset.data_root = str(data_root)
        stage[loader].dataset.size = dict(train=TRAIN, val=VAL, side=SIDE)
    stage.model.backbone.img_size = SIDE
    stage.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
    stage.train_cfg.update(max_epochs=1, val_interval=1, total_batch_size=4)
    stage.default_hooks.logger.interval = 1


@pytest.fixture(scope='module')
def tiny_config(tmp_path_factory) -> Config:
    """Config of the demo pipeline, tiny, with a complete CAM stage."""
    folder = tmp_path_factory.mktemp('pipeline')
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo.py')
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    shrink_stage(cam, folder / 'demo')
    shrink_stage(cfg, folder / 'demo')
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.workers = 0
    cfg.work_dir = str(folder / 'work')
    return cfg


@pytest.fixture(scope='module')
def trained(tiny_config) -> tuple[dict, list[str]]:
    """What a run returned, and the lines that it printed."""
    MMLogger._instance_dict.clear()  # loggers print where they were made
    console = io.StringIO()
    with redirect_stdout(console), redirect_stderr(console):
        runner = RUNNERS.build(tiny_config)
        assert isinstance(runner, WeakTrRunner)
        summary = runner.train()
    return summary, console.getvalue().split('\n')


@pytest.fixture(scope='module')
def finished(tiny_config, trained) -> tuple[Path, dict]:
    """A finished run: its folder and what it returned."""
    return Path(tiny_config.work_dir), trained[0]


def test_the_demo_prints_at_most_300_lines(trained):
    _, lines = trained
    epoch = [line for line in lines if 'Epoch(' in line or 'best checkpoint' in line]
    assert any('Pipeline finished' in line for line in lines)
    assert 4 <= len(epoch) <= 10  # of one epoch in each of two stages, and of what follows them
    demo = [
        Config.fromfile(ROOT / f'configs/{name}.py') for name in ('weaktr_demo_cam', 'weaktr_demo')
    ]
    epochs = sum(cfg.train_cfg.max_epochs for cfg in demo)
    assert epochs > 2
    assert len(lines) - len(epoch) + 3 * epochs <= 300


def test_work_dir_outside_the_current_folder(tiny_config, tmp_path, monkeypatch):
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    cfg = copy.deepcopy(tiny_config)
    cfg.work_dir = '../work'
    runner = WeakTrRunner(cfg)
    stage = Runner.from_cfg(cam_training_config(runner.cfg))
    assert Path(stage.work_dir) == runner.work_dir / 'cam'


def test_summary_has_every_score(finished):
    work_dir, returned = finished
    summary = json.loads((work_dir / 'summary.json').read_text(encoding='utf-8'))

    assert summary == json.loads(json.dumps(returned))
    assert set(summary['metrics']) == METRICS
    assert all(0 <= value <= 100 for value in summary['metrics'].values())
    for kind in ('coarse', 'fused'):
        score, oracle = (summary['metrics'][f'cam_{kind}_miou{end}'] for end in ('', '_oracle'))
        assert score <= oracle
    assert summary['threshold']['chosen_by'] == 'label-free'
    assert 0 < summary['threshold']['value'] < 1
    assert list(summary['stages']) == ['cam', 'pseudo_labels', 'retrain', 'evaluation']
    for stage in summary['stages'].values():
        assert stage['seconds'] > 0
        assert Path(stage['checkpoint']).is_file()
    assert summary['environment']['torch']
    assert summary['command']


def test_files_of_the_pseudo_label_stage(finished):
    work_dir, _ = finished
    names = (
        (work_dir.parent / 'demo/ImageSets/Segmentation/train.txt')
        .read_text(encoding='utf-8')
        .split()
    )
    assert len(names) == TRAIN
    for name in names:
        cams = read_cams(work_dir / f'pseudo_labels/cams/{name}.npz')
        mask = read_mask(work_dir / f'pseudo_labels/masks/{name}.png')
        assert mask.shape == cams.cams.shape[1:] == (SIDE, SIDE)
        assert set(np.unique(mask)) <= {0, *(cams.class_ids + 1)}


def test_pseudo_label_score_is_that_of_the_written_masks(finished):
    work_dir, summary = finished
    hits, union = np.zeros(len(CLASSES)), np.zeros(len(CLASSES))
    for path in (work_dir / 'pseudo_labels/masks').glob('*.png'):
        mask = read_mask(path)
        truth = read_mask(work_dir.parent / f'demo/SegmentationClass/{path.name}')
        for label in range(len(CLASSES)):
            hits[label] += ((mask == label) & (truth == label)).sum()
            union[label] += ((mask == label) | (truth == label)).sum()
    expected = 100 * np.mean(hits[union > 0] / union[union > 0])
    assert summary['metrics']['pseudo_label_miou'] == pytest.approx(expected, abs=0.01)


def test_dumped_config_is_complete_and_tests_the_segmentor(finished, tmp_path):
    work_dir, summary = finished
    cfg = Config.fromfile(work_dir / 'weaktr_demo.py')
    assert 'config' not in cfg.cam_stage
    assert cfg.cam_stage.model.type == 'WeakTrCAMSegmentor'

    cfg.load_from = summary['stages']['retrain']['checkpoint']
    cfg.work_dir = str(tmp_path)
    metrics = Runner.from_cfg(cfg).test()
    assert metrics['mIoU'] == pytest.approx(summary['metrics']['val_miou'], abs=0.01)


def test_training_is_given_no_mask(tiny_config):
    cfg = Config(tiny_config.to_dict(), filename=tiny_config.filename)
    for stage in (cfg, cfg.cam_stage):
        dataset = stage.train_dataloader.dataset
        assert 'seg_map_path' not in dataset.data_prefix
        assert not [step for step in dataset.pipeline if step.type == 'LoadAnnotations']


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('cam_stage', None, "expected the key 'cam_stage'"),
        ('cam_stage', dict(config='absent.py'), 'names .*absent.py, no such file'),
        ('pseudo_labels', None, "expected the key 'pseudo_labels'"),
    ],
)
def test_incomplete_pipeline_is_refused(tiny_config, key, value, message):
    cfg = Config(tiny_config.to_dict(), filename=tiny_config.filename)
    cfg[key] = value
    with pytest.raises(WeakTrInputError, match=message):
        WeakTrRunner.from_cfg(cfg)


def test_label_outside_the_classes_is_refused_before_training(tiny_config, finished, tmp_path):
    cfg = Config(tiny_config.to_dict(), filename=tiny_config.filename)
    cfg.work_dir = str(tmp_path / 'work')
    labels = tmp_path / 'Annotations'
    labels.mkdir()
    for name in (finished[0].parent / 'demo/Annotations').iterdir():
        labels.joinpath(name.name).write_text(name.read_text(encoding='utf-8'), encoding='utf-8')
    labels.joinpath('train_00003.xml').write_text(
        '<annotation><object><name>unicorn</name></object></annotation>',
        encoding='utf-8',
    )
    cfg.cam_stage.train_dataloader.dataset.labels.path = str(labels)
    with pytest.raises(WeakTrInputError, match=r'(?s)train_00003\.xml.*unicorn.*class list'):
        WeakTrRunner.from_cfg(cfg).train()
    assert not (tmp_path / 'work/cam').exists()


def test_empty_split_is_refused_before_training(tiny_config, finished, tmp_path):
    cfg = Config(tiny_config.to_dict(), filename=tiny_config.filename)
    cfg.work_dir = str(tmp_path / 'work')
    split = tmp_path / 'empty.txt'
    split.write_text('', encoding='utf-8')
    cfg.train_dataloader.dataset.ann_file = str(split)
    with pytest.raises(WeakTrInputError, match=r'^split: split file is empty: \S+empty\.txt$'):
        WeakTrRunner.from_cfg(cfg).train()


def test_unreadable_image_is_refused_before_training(tiny_config, finished, tmp_path):
    cfg = Config(tiny_config.to_dict(), filename=tiny_config.filename)
    cfg.work_dir = str(tmp_path / 'work')
    images = tmp_path / 'JPEGImages'
    images.mkdir()
    for path in (finished[0].parent / 'demo/JPEGImages').iterdir():
        images.joinpath(path.name).write_bytes(path.read_bytes())
    images.joinpath('train_00005.jpg').write_bytes(b'no image at all')
    cfg.cam_stage.train_dataloader.dataset.data_prefix.img_path = str(images)
    with pytest.raises(WeakTrInputError, match=r'train_00005\.jpg'):
        WeakTrRunner.from_cfg(cfg).train()


def test_tools_name_a_missing_config_in_one_line():
    result = subprocess.run(
        [sys.executable, str(ROOT / 'tools/train.py'), 'configs/absent.py'],
        capture_output=True,
        encoding='utf-8',
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == (
        'error: config file configs/absent.py does not exist'
    )
