"""Networks of the demo's kind, tiny and untrained, with their configs and checkpoints on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

CONFIGS = Path(__file__).parents[1] / 'configs'
SIDE = 32


class TinyRun(NamedTuple):
    """Paths of a config and of a checkpoint that fits it."""

    config: Path
    checkpoint: Path


def _tiny(name: str, folder: Path) -> TinyRun:
    from mmseg.registry import MODELS

    import weaktr_mmseg  # noqa: F401
    from weaktr_mmseg.datasets.demo_scenes import CLASSES, PALETTE

    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIGS / name)
    cfg.model.backbone.img_size = SIDE
    cfg.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].dataset.data_root = str(folder / 'absent')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # not those of norms
                parameter.normal_(std=0.2)
    run = TinyRun(folder / name, folder / f'{Path(name).stem}.pth')
    cfg.dump(run.config)
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=[list(c) for c in PALETTE]))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), run.checkpoint)
    return run


@pytest.fixture(scope='session')
def tiny_cam(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A network of the CAM stage with 2 layers of 4 heads for images of 32 px."""
    return _tiny('weaktr_demo_cam.py', tmp_path_factory.mktemp('tiny_cam'))


@pytest.fixture(scope='session')
def tiny_segmentor(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A segmentor for images of 32 px."""
    return _tiny('weaktr_demo_retrain.py', tmp_path_factory.mktemp('tiny_segmentor'))
