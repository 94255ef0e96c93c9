"""All stages on 1, 2 and 3 processes: the same pseudo labels, the same scores, the same steps."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from process_job import BATCH, EPOCHS, ROOT, STEPS, TRAIN, VAL, tiny_pipeline

from weaktr_mmseg.pseudo_labels.cam_files import read_cams
from weaktr_mmseg.utils.masks import read_mask

# Sums of float32 in another order; Adam divides small gradients by their own size.
LOSS_TOLERANCE = 2e-3
DEATH_LIMIT = 60  # seconds from the death of a process to the end of the job
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith('SLURM')},
    'OMP_NUM_THREADS': '1',
    'PYTHONPATH': os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Gives the folder of the job on so many processes; it runs once for all numbers."""
    root = tmp_path_factory.mktemp('processes')
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / 'process_job.py'), str(root)],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        encoding='utf-8',
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return lambda processes: root / str(processes)


def masks(folder: Path) -> dict[str, np.ndarray]:
    files = (folder / 'work/pseudo_labels/masks').rglob('*.png')
    return {path.name: read_mask(path) for path in files}


def summary(folder: Path) -> dict:
    return json.loads((folder / 'work/summary.json').read_text(encoding='utf-8'))


@pytest.mark.parametrize('processes', [2, 3])
def test_pseudo_labels_and_scores_are_the_same(run, processes):
    one, several = run(1), run(processes)
    assert summary(several)['metrics'] == summary(one)['metrics']
    assert summary(several)['threshold'] == summary(one)['threshold']
    expected, got = masks(one), masks(several)
    assert len(expected) == TRAIN
    assert got.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(got[name], mask, err_msg=name)
    for path in (one / 'work/pseudo_labels/cams').rglob('*.npz'):
        other = read_cams(several / path.relative_to(one))
        np.testing.assert_allclose(other.cams, read_cams(path).cams, rtol=0, atol=1e-3)


@pytest.mark.parametrize('processes', [2, 3])
@pytest.mark.parametrize('stage', ['cam', 'retrain'])
def test_training_takes_the_same_steps(run, processes, stage):
    one, several = (
        json.loads((run(count) / 'losses.json').read_text(encoding='utf-8'))[stage]
        for count in (1, processes)
    )
    assert several['images'] == one['images'] == [BATCH] * EPOCHS * STEPS
    np.testing.assert_allclose(several['losses'], one['losses'], rtol=LOSS_TOLERANCE)
    assert one['losses'][-1] != pytest.approx(one['losses'][0], rel=10 * LOSS_TOLERANCE)


DYING_HOOK = """
import os, signal
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

@HOOKS.register_module()
class DyingHook(Hook):
    def __init__(self, how, seen):
        self.how, self.seen = how, seen

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2 and get_rank() == 1:
            open(self.seen, 'w').close()
            if self.how == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError('process 1 fails on purpose')
"""


def single_stage(folder: Path, demo: Path, hooks: list[dict] = (), epochs: int = 50) -> Path:
    """Writes the config of CAM training alone, for the stock runner."""
    (folder / 'dying_hook.py').write_text(DYING_HOOK, encoding='utf-8')
    shutil.copytree(demo, folder / 'demo')
    stage = tiny_pipeline(folder, epochs).cam_stage
    stage.custom_imports = dict(imports=['weaktr_mmseg', 'dying_hook'], allow_failed_imports=False)
    stage.custom_hooks = list(hooks)
    stage.log_level = 'INFO'
    stage.work_dir = str(folder / 'single')
    stage.pop('launcher', None)
    path = folder / 'single.py'
    path.write_text(
        '\n'.join(f'{key} = {value!r}' for key, value in stage.to_dict().items()), encoding='utf-8'
    )
    return path


@pytest.mark.parametrize('how', ['raise', 'kill'])
def test_a_process_that_dies_ends_the_job(run, tmp_path, how):
    """Through ``dist_train.sh``, with the config of a single stage."""
    seen = tmp_path / 'seen'
    hook = dict(type='DyingHook', how=how, seen=str(seen))
    config = single_stage(tmp_path, run(1) / 'demo', [hook])
    environment = {**ENVIRONMENT, 'PORT': '29571'}
    environment['PYTHONPATH'] += os.pathsep + str(tmp_path)
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    done = subprocess.run(
        [str(ROOT / 'tools/dist_train.sh'), str(config), '2'],
        env=environment, cwd=ROOT, capture_output=True, encoding='utf-8', timeout=600,
    )  # fmt: skip
    ended = time.time()
    assert done.returncode != 0
    assert ended - seen.stat().st_mtime < DEATH_LIMIT
    if how == 'raise':
        assert 'RuntimeError: process 1 fails on purpose' in done.stderr
    else:
        assert 'Signal 9 (SIGKILL)' in done.stderr


FAKE_SRUN = """#!/usr/bin/env bash
# Starts the command of srun in as many processes as --ntasks says.
tasks=1 command=()
for argument in "$@"; do
    case $argument in
        --ntasks=*) tasks=${argument#*=} ;;
        --*) [ ${#command[@]} -eq 0 ] || command+=("$argument") ;;
        *) command+=("$argument") ;;
    esac
done
echo "$@" >> "$(dirname "$0")/arguments"
export SLURM_NTASKS=$tasks SLURM_NODELIST=localhost
pids=()
for ((task = 0; task < tasks; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "${command[@]}" & pids+=($!)
done
code=0
for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
exit $code
"""


def test_slurm(run, tmp_path):
    """The script, with a stand-in for ``srun`` that starts two processes on this machine."""
    for name, text in dict(srun=FAKE_SRUN, scontrol='#!/bin/sh\necho 127.0.0.1\n').items():
        (tmp_path / name).write_text(text, encoding='utf-8')
        (tmp_path / name).chmod(stat.S_IRWXU)
    config = single_stage(tmp_path, run(1) / 'demo', epochs=1)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ['PATH']])
    slurm = dict(PATH=path, GPUS='2', GPUS_PER_NODE='0', PORT='29572')
    slurm['PYTHONPATH'] = ENVIRONMENT['PYTHONPATH'] + os.pathsep + str(tmp_path)
    done = subprocess.run(
        [str(ROOT / 'tools/slurm_train.sh'), 'gpu', 'weaktr', str(config)],
        env={**ENVIRONMENT, **slurm}, cwd=ROOT, capture_output=True, encoding='utf-8', timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    arguments = (tmp_path / 'arguments').read_text(encoding='utf-8')
    for argument in ('--partition=gpu', '--job-name=weaktr', '--ntasks=2', '--kill-on-bad-exit=1'):
        assert argument in arguments
    assert '--gres' not in arguments
    log = done.stdout + done.stderr
    assert f'Effective batch size {BATCH}: {BATCH // 2} images x 2 processes' in log
    assert (tmp_path / 'single/epoch_1.pth').is_file()


def test_validation_images_are_not_a_multiple_of_the_processes():
    assert all(count % processes for count in (TRAIN, VAL) for processes in (2, 3))
