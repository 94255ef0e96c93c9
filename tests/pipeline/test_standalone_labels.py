"""The tool that makes pseudo labels: killed, on two processes, without masks, on many images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline.standalone_labels import standalone_config
from weaktr_mmseg.utils.errors import WeakTrInputError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/generate_pseudo_labels.py'
TRAIN, SIDE = 40, 64
# Peak of the process's own memory in kB, from the kernel, after the tool has run.
MEASURED = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))  # as for a script
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    assert not end.code, end.code
for line in open('/proc/self/status'):
    if line.startswith('VmHWM'):
        print('PEAK', line.split()[1])
"""


@pytest.fixture(scope='module')
def stage(tmp_path_factory) -> tuple[Path, Path]:
    """Config file of a CAM stage on 40 small scenes, and an untrained network."""
    folder = tmp_path_factory.mktemp('stage')
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].batch_size = 2
        cfg[loader].dataset.data_root = str(folder / 'demo')
        cfg[loader].dataset.size = dict(train=TRAIN, val=2, side=SIDE)
    cfg.model.backbone.img_size = SIDE
    cfg.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
    cfg.dump(folder / 'cam.py')
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), folder / 'cam.pth')
    DATASETS.build(dict(cfg.test_dataloader.dataset, pipeline=[]))  # composes the scenes
    return folder / 'cam.py', folder / 'cam.pth'


def command(stage: tuple[Path, Path], out: Path, *options: str) -> list[str]:
    return [str(TOOL), *map(str, stage), '--out', str(out), '--refine', 'none', *options]


def run(*line: str) -> subprocess.CompletedProcess:
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    return subprocess.run(line, capture_output=True, encoding='utf-8', env=env)


@pytest.fixture(scope='module')
def finished(stage, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('finished')
    result = run(sys.executable, *command(stage, out))
    assert result.returncode == 0, result.stderr
    assert f'Pseudo labels of {TRAIN} images, {TRAIN} without CAMs; estimate' in result.stdout
    assert 'Writing masks: 100%' in result.stderr
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob('*/*.npz'), *folder.glob('*/*.png'), *folder.glob('*.json')]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if 'head_weights' not in path.name
    }


def kill_at(stage: tuple[Path, Path], out: Path, pattern: str, count: int) -> None:
    """Runs the tool until it has written so many files, then kills it without warning."""
    line = [sys.executable, *command(stage, out)]
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    while len(list(out.glob(pattern))) < count and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_twice_and_run_again_equals_uninterrupted(stage, finished, tmp_path):
    kill_at(stage, tmp_path, 'cams/*.npz', 3)
    assert 3 <= len(list(tmp_path.glob('cams/*.npz'))) < TRAIN
    kill_at(stage, tmp_path, 'masks/*.png', 3)
    assert 3 <= len(list(tmp_path.glob('masks/*.png'))) < TRAIN
    assert run(sys.executable, *command(stage, tmp_path)).returncode == 0
    assert contents(tmp_path) == contents(finished)


def test_two_processes_write_the_same(stage, finished, tmp_path):
    torchrun = (sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2')
    line = command(stage, tmp_path, '--launcher', 'pytorch')
    result = run(*torchrun, '--master-port', '29731', *line)
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path) == contents(finished)


def test_without_masks_nothing_is_scored(stage, finished, tmp_path):
    masks = stage[0].parent / 'demo/SegmentationClass'
    masks.rename(masks.with_name('elsewhere'))
    try:
        result = run(sys.executable, *command(stage, tmp_path))
    finally:
        masks.with_name('elsewhere').rename(masks)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / 'pseudo_labels.json').read_text(encoding='utf-8'))
    assert [name for name, value in record['metrics'].items() if value is not None] == ['image_map']
    scored, unscored = contents(finished), contents(tmp_path)
    for name, data in scored.items():
        if name.startswith(('cams', 'masks')):
            assert unscored[name] == data
    assert not list(tmp_path.glob('coarse/*'))


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='needs the proc file system')
def test_peak_memory_does_not_grow_with_the_number_of_images(stage, tmp_path):
    """Ten and forty images; the maps of one image take 0.1 MB, of thirty 3 MB."""
    names = (
        (stage[0].parent / 'demo/ImageSets/Segmentation/train.txt')
        .read_text(encoding='utf-8')
        .split()
    )
    peaks = []
    for count in (10, TRAIN):
        split = tmp_path / f'{count}.txt'
        split.write_text('\n'.join(names[:count]), encoding='utf-8')
        line = command(stage, tmp_path / str(count), '--split', str(split))
        result = run(sys.executable, '-c', MEASURED, *line)
        assert result.returncode == 0, result.stderr
        peaks.append(int(result.stdout.split('PEAK ')[1]) / 1024)  # MB
    assert len(list((tmp_path / '40/cams').iterdir())) == TRAIN
    assert peaks[1] - peaks[0] < 2 + 0.01 * peaks[0], peaks


def test_foreign_checkpoint_or_config_is_one_line(stage, tmp_path):
    result = run(sys.executable, *command((stage[0], tmp_path / 'absent.pth'), tmp_path / 'out'))
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == (
        f'error: {tmp_path}/absent.pth: no such checkpoint'
    )
    with pytest.raises(WeakTrInputError, match='expected a pipeline with cam_stage, or a CAM'):
        standalone_config(Config.fromfile(ROOT / 'configs/weaktr_demo_retrain.py'), tmp_path)


def test_absent_split_is_named(stage, tmp_path):
    with pytest.raises(WeakTrInputError, match='nowhere.txt'):
        standalone_config(Config.fromfile(stage[0]), tmp_path, 'nowhere.txt')


def test_split_of_coco_is_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr('weaktr_mmseg.pipeline.standalone_labels._scores', lambda dataset: True)
    cfg = Config.fromfile(ROOT / 'configs/weaktr_coco_cam.py')
    assert standalone_config(cfg, tmp_path, 'val').cam_stage.test_dataloader.dataset.split == 'val'
