"""What the tests of several processes run in each of them: a tiny pipeline, then two trainings.

Usage: process_job.py FOLDER. In ``FOLDER/N``, for N = 1, 2 and 3 processes, it writes ``work``, a
pipeline whose learning rate is zero, so that its networks do not depend on the processes, and
``losses.json``, the losses of every step of both stages at their real learning rates, without
random augmentation. All processes are forks of one that has imported everything.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch.multiprocessing import start_processes

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline import stage_configs

ROOT = Path(__file__).parents[2]
TRAIN, VAL, SIDE = 23, 7, 32  # neither 2 nor 3 divides the images
BATCH, EPOCHS, STEPS = 6, 3, 3  # but both divide the batch, and 3 batches make the loss curves
PROCESSES = (1, 2, 3)


def tiny_pipeline(folder: Path, epochs: int = 1) -> Config:
    """The demo pipeline on a few scenes, with a complete CAM stage and no random augmentation."""
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo.py')
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for stage in (cam, cfg):
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            stage[loader].update(batch_size=4, num_workers=0)
            stage[loader].pop('persistent_workers', None)
            stage[loader].dataset.data_root = str(folder / 'demo')
            stage[loader].dataset.size = dict(train=TRAIN, val=VAL, side=SIDE)
            if loader != 'train_dataloader':  # as published: no image depends on another
                stage[loader].batch_size = 1
        stage.train_dataloader.batch_size = stage.train_cfg.total_batch_size = BATCH
        steps = stage.train_dataloader.dataset.pipeline
        stage.train_dataloader.dataset.pipeline = [
            step for step in steps if not step.type.startswith('Random')
        ]
        stage.model.backbone.img_size = SIDE
        stage.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
        stage.model.backbone.drop_path_rate = 0.0
        stage.train_cfg.update(max_epochs=epochs, val_interval=epochs)
        stage.param_scheduler = []
        stage.default_hooks.logger.interval = 1
        stage.log_level = 'WARNING'
    cfg.model.decode_head.drop_path_rate = 0.0
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.workers = 0
    cfg.work_dir = str(folder / 'work')
    cfg.launcher = 'pytorch' if 'RANK' in os.environ else 'none'
    return cfg


class Losses(Hook):
    """Notes the loss of every step, averaged over the processes."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.values: list[float] = []
        self.images: list[int] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        loss, images = outputs['loss'].detach().clone(), torch.tensor(len(data_batch['inputs']))
        all_reduce(loss)
        all_reduce(images)
        self.values.append(loss.item() / get_world_size())
        self.images.append(images.item())


def train(stage: Config, work_dir: Path) -> dict:
    """Trains a stage; gives the losses and the images of every step."""
    stage.work_dir = str(work_dir)
    stage.experiment_name = work_dir.name
    stage.train_dataloader.dataset.indices = STEPS * BATCH
    stage.custom_hooks = []
    runner, hook = Runner.from_cfg(stage), Losses()
    runner.register_hook(hook)
    runner.train()
    return dict(losses=hook.values, images=hook.images)


def work(rank: int, processes: int, port: int, folder: Path) -> None:
    """Runs everything in this process, one of one or several."""
    if processes > 1:
        group = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, MASTER_PORT=port)
        os.environ.update({name: str(value) for name, value in group.items()})
        os.environ['MASTER_ADDR'] = '127.0.0.1'
    cfg = tiny_pipeline(folder)
    for stage in (cfg, cfg.cam_stage):
        stage.optim_wrapper.optimizer.update(lr=0.0)
    RUNNERS.build(cfg).train()

    cfg = stage_configs.resolve_pipeline(tiny_pipeline(folder, EPOCHS))
    curves = dict(
        cam=train(stage_configs.cam_training_config(cfg), folder / 'curve_cam'),
        retrain=train(stage_configs.retraining_config(cfg), folder / 'curve_retrain'),
    )
    if is_main_process():
        (folder / 'losses.json').write_text(json.dumps(curves), encoding='utf-8')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def main(folder: Path) -> None:
    """Runs everything on every number of processes."""
    for processes in PROCESSES:
        own = folder / str(processes)
        own.mkdir()
        if processes != PROCESSES[0]:
            shutil.copytree(folder / str(PROCESSES[0]) / 'demo', own / 'demo')
        arguments = (processes, free_port(), own)
        start_processes(work, arguments, nprocs=processes, start_method='fork')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
