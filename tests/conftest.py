"""What tests share: tiny untrained networks of the demo's kind, and small data sets on disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

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


with suppress(ImportError):  # property tests are skipped without it
    import hypothesis

    hypothesis.settings.register_profile(
        'repeatable',
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile('repeatable')


@pytest.fixture(scope='session')
def tiny_cam(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A network of the CAM stage with 2 layers of 4 heads for images of 32 px."""
    return _tiny('weaktr_demo_cam.py', tmp_path_factory.mktemp('tiny_cam'))


@pytest.fixture(scope='session')
def tiny_segmentor(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A segmentor for images of 32 px."""
    return _tiny('weaktr_demo_retrain.py', tmp_path_factory.mktemp('tiny_segmentor'))


def _write_image(path, size=(24, 16), seed=0):
    """Write a random RGB photograph; the suffix picks the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _write_voc_xml(path, names, extra=''):
    """Write a VOC annotation in which every second object is difficult."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = ''.join(
        f'<object><name>{name}</name><difficult>{index % 2}</difficult>'
        f'<part><name>head</name></part></object>'
        for index, name in enumerate(names)
    )
    path.write_text(
        f'{extra}<annotation><filename>x</filename>{objects}</annotation>', encoding='utf-8'
    )


@pytest.fixture
def write_image():
    return _write_image


@pytest.fixture
def write_voc_xml():
    return _write_voc_xml


@pytest.fixture
def voc_root(tmp_path):
    """Three images, labels cat / dog+cat / dog, masks, one split."""
    root = tmp_path / 'VOC2012'
    labels = {'2007_1': ['cat'], '2007_2': ['dog', 'cat', 'dog'], '2007_3': ['dog']}
    for index, (name, names) in enumerate(labels.items()):
        _write_image(root / 'JPEGImages' / f'{name}.jpg', seed=index)
        _write_voc_xml(root / 'Annotations' / f'{name}.xml', names)
        mask = root / 'SegmentationClass' / f'{name}.png'
        mask.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 24), index, np.uint8)).save(mask)
    split = root / 'ImageSets' / 'Segmentation' / 'train.txt'
    split.parent.mkdir(parents=True)
    split.write_text('2007_1\n2007_2\n\n', encoding='utf-8')
    return root
