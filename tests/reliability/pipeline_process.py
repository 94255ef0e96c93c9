"""A tiny pipeline in a process of its own, which ends where a test wants it to.

The processes are forked from a server that has imported everything, so one takes no more than the
pipeline itself.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import resource
import signal
import sys
from collections import Counter
from fnmatch import fnmatch
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple

import mmengine.config.config
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from yapf.yapflib import yapf_api

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline import WeakTrRunner
from weaktr_mmseg.pseudo_labels.cam_files import read_cams
from weaktr_mmseg.utils.configs import find_configs
from weaktr_mmseg.utils.errors import WeakTrInputError

ROOT = Path(__file__).parents[2]
TRAIN, VAL, SIDE, EPOCHS = 12, 6, 32, 2
FILE_LIMIT = 150_000  # bytes: more than any file but a checkpoint


class Stop(NamedTuple):
    """Where and how a process ends.

    Attributes:
        event: Pattern of an event: ``train cam``, ``val retrain``, ``test pseudo_labels`` after an
            iteration, ``write cam/epoch_1.pth`` before a file gets its name, ``wrote ...`` after.
        count: The process ends when the event occurs for this time.
        how: ``kill``; ``torn``, the same with the unfinished file cut in half; ``term`` and
            ``int`` for the signals; ``stop`` halts it; with ``full``, no file can from then on
            grow beyond FILE_LIMIT.
    """

    event: str
    count: int = 1
    how: str = 'kill'


def tiny_config(folder: Path, data_root: Path) -> Config:
    """The demo's pipeline on few scenes: two epochs of two iterations in both trainings."""
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo.py')
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for stage in (cfg, cam):
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            stage[loader].batch_size = 6
            stage[loader].dataset.data_root = str(data_root)
            stage[loader].dataset.size = dict(train=TRAIN, val=VAL, side=SIDE)
            for resize in find_configs(stage[loader], 'Resize'):
                resize['scale'] = (SIDE, SIDE)
        stage.model.backbone.img_size = SIDE
        stage.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
        stage.train_cfg.update(max_epochs=EPOCHS, val_interval=1, total_batch_size=6)
        for scheduler in stage.param_scheduler:
            scheduler.update(begin=0, end=EPOCHS)
    cfg.default_hooks.checkpoint.update(save_best='mIoU')
    cfg.model.decode_head.dropout_ratio = 0.1  # random numbers beyond those of the data
    cfg.randomness = dict(seed=0, deterministic=True)
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.workers = 0
    cfg.pipeline.check_pixels = False
    cfg.work_dir = str(folder)
    return cfg


class _Events:
    """Counts events, notes them, and ends the process at the one asked for."""

    def __init__(self, folder: Path, stop: Stop | None) -> None:
        self.folder, self.stop = folder, stop
        self.seen: list[str] = []
        self.matches: Counter[str] = Counter()
        for loop, kind in ((EpochBasedTrainLoop, 'train'), (ValLoop, 'val'), (TestLoop, 'test')):
            self._watch_iterations(loop, kind)
        self._watch_files()

    def _watch_iterations(self, loop: type, kind: str) -> None:
        run_iter = loop.run_iter

        def watched(own, *args):
            result = run_iter(own, *args)
            self.add(f'{kind} {Path(own.runner.work_dir).name}')
            return result

        loop.run_iter = watched

    def _watch_files(self) -> None:
        replace = os.replace

        def watched(source, target):
            name = os.path.relpath(target, self.folder)
            self.add(f'write {name}', source)
            replace(source, target)
            self.add(f'wrote {name}')

        os.replace = watched

    def add(self, event: str, unfinished: str | None = None) -> None:
        self.seen.append(event)
        if self.stop is None or not fnmatch(event, self.stop.event):
            return
        self.matches[self.stop.event] += 1
        if self.matches[self.stop.event] != self.stop.count:
            return
        if self.stop.how == 'full':
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
            return
        if self.stop.how == 'torn':
            os.truncate(unfinished, os.path.getsize(unfinished) // 2)
        numbers = dict(term=signal.SIGTERM, int=signal.SIGINT, stop=signal.SIGSTOP)
        os.kill(os.getpid(), numbers.get(self.stop.how, signal.SIGKILL))


def _run(cfg: dict, filename: str, stop: Stop | None, log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    torch.set_num_threads(1)
    config = Config(cfg, filename=filename)
    events = _Events(Path(config.work_dir), stop)
    try:
        WeakTrRunner.from_cfg(config).train()
    except WeakTrInputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
    Path(log).with_suffix('.events').write_text(json.dumps(events.seen), encoding='utf-8')


# mmengine formats each config it writes with yapf and collects garbage for each data set: most of
# the time of a tiny pipeline.
for module in (yapf_api, mmengine.config.config):
    module.FormatCode = lambda text, **kwargs: (text, True)
gc.freeze()
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload([Path(__file__).stem])


class Pipeline:
    """A pipeline in ``folder`` that can be run again and again.

    Args:
        folder: Its work folder is ``folder/work``; logs go to ``folder``.
        data_root: Where the scenes are, or are composed.
    """

    def __init__(self, folder: Path, data_root: Path) -> None:
        self.folder = folder
        self.work_dir = folder / 'work'
        self.log = folder / 'log.txt'
        self.cfg = tiny_config(self.work_dir, data_root)

    def start(self, resume: bool = False, stop: Stop | None = None) -> multiprocessing.Process:
        """Starts a process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cfg.resume = resume
        arguments = (self.cfg.to_dict(), self.cfg.filename, stop, str(self.log))
        with pytest.MonkeyPatch.context() as patch:  # the server ignores sys.path before 3.12
            patch.setenv('PYTHONPATH', os.pathsep.join([str(Path(__file__).parent), *sys.path]))
            forkserver.ensure_running()
        process = _CONTEXT.Process(target=_run, args=arguments)
        process.start()
        return process

    def run(self, resume: bool = False, stop: Stop | None = None) -> int:
        """Runs a process to its end; gives its exit code, negative for a signal."""
        process = self.start(resume, stop)
        process.join()
        return process.exitcode

    @property
    def output(self) -> str:
        """What the last process printed."""
        return self.log.read_text(encoding='utf-8')

    @property
    def events(self) -> list[str]:
        """The events of the last process that came to its end."""
        return json.loads(self.log.with_suffix('.events').read_text(encoding='utf-8'))

    def results(self) -> dict:
        """All that must not depend on interruptions, comparable with ``==``."""
        labels = self.work_dir / 'pseudo_labels'
        summary = json.loads((self.work_dir / 'summary.json').read_text(encoding='utf-8'))
        state = json.loads((self.work_dir / 'state.json').read_text(encoding='utf-8'))['stages']
        cams = {path.name: read_cams(path) for path in (labels / 'cams').iterdir()}
        return dict(
            metrics=summary['metrics'],
            threshold=summary['threshold'],
            unrounded={name: stage['results'].get('metrics') for name, stage in state.items()},
            masks={path.name: path.read_bytes() for path in (labels / 'masks').iterdir()},
            cams={
                name: (file.cams.tobytes(), file.class_ids.tobytes(), file.class_names)
                for name, file in cams.items()
            },
            weights={
                name: _weights(Path(summary['stages'][name]['checkpoint']))
                for name in ('cam', 'retrain')
            },
            checkpoints=sorted(path.name for path in self.work_dir.glob('*/*.pth')),
        )

    def leftovers(self) -> list[str]:
        """Hidden and temporary files, and the lock."""
        return [str(p) for pattern in ('.*', '*.lock*') for p in self.work_dir.rglob(pattern)]


def _weights(path: Path) -> dict[str, bytes]:
    checkpoint = torch.load(path, map_location='cpu', weights_only=False)
    return {k: np.asarray(v).tobytes() for k, v in checkpoint['state_dict'].items()}
