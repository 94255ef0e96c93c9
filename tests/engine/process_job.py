"""What the tests of several processes run in each of them: a tiny pipeline, then two trainings.

Usage: process_job.py FOLDER. ``FOLDER/demo`` holds the scenes. Written are ``FOLDER/work``, a
pipeline whose learning rate is zero, so that its networks do not depend on the processes, and
``FOLDER/losses.json``, the losses of every step of both stages at their real learning rates,
without random augmentation.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.engine import stage_configs

ROOT = Path(__file__).parents[2]
TRAIN, VAL, SIDE = 23, 7, 32  # neither 2 nor 3 divides the images
BATCH, EPOCHS, STEPS = 6, 3, 3  # but both divide the batch, and 3 batches make the loss curves


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
        stage.train_dataloader.batch_size = BATCH
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
    hook = Losses()
    stage.custom_hooks = [hook]
    Runner.from_cfg(stage).train()
    return dict(losses=hook.values, images=hook.images)


def main(folder: Path) -> None:
    """Runs everything in this process, one of one or several."""
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
        (folder / 'losses.json').write_text(json.dumps(curves))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
