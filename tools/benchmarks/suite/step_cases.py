"""Training steps of the leaves with a base-size encoder, as their configs have them.

They are no part of a suite and run when they are named. The network is built by the first call, so
that the peak memory is all that training takes: parameters, gradients, the optimiser's state and
what the backward pass needs.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from .cam_cases import labelled_sample
from .case import Case, Run

CONFIGS = Path(__file__).parents[3] / 'configs'
CAM_BATCH = 8  # the leaves' 64 are those of a GPU
LEAVES = ('voc_vit-b', 'voc_dinov2-b', 'voc_eva02-b', 'voc_cam_deit-b', 'voc_cam_dinov2-b')


def leaf(name: str) -> Config:
    """The leaf of a name, to start from random weights and to be trained in float32."""
    cfg = Config.fromfile(CONFIGS / f'weaktr_{name}.py')
    cfg.model.backbone.init_cfg = None
    cfg.optim_wrapper.type = 'OptimWrapper'
    return cfg


def train_step(cfg: Config, device: torch.device) -> Run:
    """A training step on random images: forward, backward and update of all parameters."""

    @cache
    def build() -> Run:
        init_default_scope('mmseg')
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(device).train()
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
        images, samples = _batch(cfg, device)

        def step() -> None:
            losses = model(images, samples, mode='loss')
            optimizer.update_params(model.parse_losses(losses)[0])

        return step

    return lambda: build()()


def _batch(cfg: Config, device: torch.device) -> tuple[torch.Tensor, list[SegDataSample]]:
    """Random images (B, 3, S, S), of the leaf's size, with labels."""
    side = cfg.model.backbone.img_size
    if 'cam_head' in cfg.model:
        images = torch.randn(CAM_BATCH, 3, side, side, device=device)
        return images, [labelled_sample(device) for _ in images]
    images = torch.randn(cfg.train_dataloader.batch_size, 3, side, side, device=device)
    labels = torch.randint(cfg.num_classes, (len(images), 1, side, side), device=device)
    return images, [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def of_leaf(name: str, device: torch.device) -> Run:
    """A training step of a leaf."""
    return train_step(leaf(name), device)


CASES = [Case(f'step_{name}', partial(of_leaf, name)) for name in LEAVES]
