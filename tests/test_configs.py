"""Every config of the published recipe trains and predicts, on tiny images and networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline, retraining_config

CONFIGS = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(
    path.name for name in ('voc', 'coco') for path in CONFIGS.glob(f'weaktr_{name}*.py')
)
TRAINED = [leaf for leaf in LEAVES if not leaf.endswith('_tta.py')]
PIPELINES = [leaf for leaf in TRAINED if '_cam' not in leaf and '_retrain' not in leaf]
SIZE = (60, 45)  # width and height of the photographs
IDS = ('2007_1', '2007_2', '2007_3', '2007_4')
COCO_IDS = {'person': 1, 'stop sign': 13, 'toothbrush': 90}


def write_photograph(path: Path, seed: int) -> None:
    """Write a random JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_mask(path: Path, label: int) -> None:
    """Write a mask whose left half has the label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[:, : SIZE[0] // 2] = label
    Image.fromarray(mask).save(path)


def make_voc(root: Path) -> None:
    """Write the layout of the VOC development kit."""
    for seed, name in enumerate(IDS):
        write_photograph(root / f'JPEGImages/{name}.jpg', seed)
        write_mask(root / f'SegmentationClass/{name}.png', 8)
        annotation = root / f'Annotations/{name}.xml'
        annotation.parent.mkdir(exist_ok=True)
        annotation.write_text(
            '<annotation><object><name>cat</name></object></annotation>', encoding='utf-8'
        )
    for split in ('train', 'trainaug', 'val'):
        path = root / f'ImageSets/Segmentation/{split}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(IDS), encoding='utf-8')


def make_coco(root: Path) -> None:
    """Write the layout of COCO 2014."""
    for split in ('train', 'val'):
        for seed, name in enumerate(IDS):
            write_photograph(root / f'{split}2014/{name}.jpg', seed)
            write_mask(root / f'masks/{split}2014/{name}.png', 80)
        content = dict(
            images=[dict(id=index, file_name=f'{name}.jpg') for index, name in enumerate(IDS)],
            annotations=[dict(image_id=index, category_id=90) for index in range(len(IDS))],
            categories=[dict(id=number, name=name) for name, number in COCO_IDS.items()],
        )
        path = root / f'annotations/instances_{split}2014.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding='utf-8')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory) -> Path:
    """Folder with tiny data sets and pseudo labels."""
    root = tmp_path_factory.mktemp('data')
    make_voc(root / 'voc')
    make_coco(root / 'coco')
    for name in IDS:
        write_mask(root / f'pseudo_labels/masks/{name}.png', 5)
    return root


def shrink(node: Any, root: Path) -> Any:
    """Point a config to the tiny data, and make its images and networks small."""
    if isinstance(node, (list, tuple)):
        return type(node)(shrink(child, root) for child in node)
    if not isinstance(node, dict):
        return node
    node = {key: shrink(value, root) for key, value in node.items()}
    node.update(SHRINKERS.get(node.get('type'), dict)())
    if 'data_root' in node:
        node['data_root'] = str(root / ('coco' if 'COCO' in node['type'] else 'voc'))
    if node.get('type') == 'LoadPseudoLabel':
        node['folder'] = str(root / 'pseudo_labels')
    return node


TINY_ARCH = dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=48)
SHRINKERS: dict[str, Callable[[], dict]] = {
    'mmpretrain.RandomResizedCrop': lambda: dict(scale=32),
    'mmpretrain.ResizeEdge': lambda: dict(scale=40),
    'mmpretrain.CenterCrop': lambda: dict(crop_size=32),
    'Resize': lambda: dict(scale=(400, 50)),
    'RandomResize': lambda: dict(scale=(400, 50)),
    'RandomCrop': lambda: dict(crop_size=(48, 48)),
    'SegDataPreProcessor': lambda: dict(size=(48, 48)),
    'WeakTrViT': lambda: dict(arch=TINY_ARCH, img_size=32, init_cfg=None),
    'mmpretrain.VisionTransformer': lambda: dict(arch=TINY_ARCH, img_size=48, init_cfg=None),
    'WeakTrSegmenterViT': lambda: dict(arch=TINY_ARCH, img_size=48, init_cfg=None),
    'WeakTrEVA02': lambda: dict(arch=TINY_ARCH, img_size=48, init_cfg=None),
    'WeakTrCAMHead': lambda: dict(in_channels=32),
    'WeakTrGradientClippingHead': lambda: dict(
        in_channels=32, channels=32, embed_dims=32, num_heads=2
    ),
    'WeakTrSegmentor': lambda: dict(
        test_cfg=dict(mode='slide', crop_size=(48, 48), stride=(32, 32))
    ),
}


def load_small(leaf: str, root: Path, work_dir: Path) -> Config:
    """Read a config as one of a single stage, shrunk, for a CPU and two steps."""
    cfg = Config.fromfile(CONFIGS / leaf)
    if 'runner_type' in cfg:
        cfg = retraining_config(resolve_pipeline(cfg))
    cfg = Config({key: shrink(value, root) for key, value in cfg.to_dict().items()})
    if cfg.optim_wrapper.type == 'AmpOptimWrapper' and not torch.cuda.is_available():
        cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=cfg.optim_wrapper.optimizer)
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        loader.num_workers, loader.persistent_workers = 0, False
        loader.batch_size = min(loader.batch_size, 2)
    cfg.train_cfg.max_epochs = 1
    cfg.train_cfg.val_interval = 2
    cfg.default_hooks.pop('visualization', None)
    cfg.update(work_dir=str(work_dir), visualizer=None, experiment_name=work_dir.name)
    return cfg


@pytest.mark.parametrize('leaf', TRAINED)
def test_two_training_steps_and_one_prediction(leaf, data_root, tmp_path):
    runner = Runner.from_cfg(load_small(leaf, data_root, tmp_path))
    before = {name: value.detach().clone() for name, value in runner.model.named_parameters()}

    runner.train()

    assert runner.iter == 2
    moved = [
        name
        for name, value in runner.model.named_parameters()
        if not torch.equal(before[name], value)
    ]
    assert {name.split('.')[0] for name in moved} == {name.split('.')[0] for name in before}
    sample = predict_first(runner)
    if '_cam' in leaf:
        assert sample.cams.shape == (1, *SIZE[::-1])
    else:
        assert sample.pred_sem_seg.shape == SIZE[::-1]
        assert sample.seg_logits.shape == SIZE[::-1]


@pytest.mark.parametrize('data', ['voc', 'coco'])
def test_oracle_leaves_choose_the_epoch_by_masks(data, data_root, tmp_path):
    cfg = load_small(f'weaktr_{data}_cam_oracle.py', data_root, tmp_path)
    assert cfg.val_dataloader.dataset.get('indices') == {'voc': None, 'coco': 1250}[data]
    assert cfg.val_dataloader.dataset.get('split', 'train') == 'train'
    cfg.train_cfg.val_interval = 1

    Runner.from_cfg(cfg).train()

    assert list(tmp_path.glob('best_cam_fused_miou_oracle_*.pth'))


@pytest.mark.parametrize('leaf', [leaf for leaf in LEAVES if leaf.endswith('_tta.py')])
def test_test_time_augmentation(leaf, data_root, tmp_path):
    runner = Runner.from_cfg(load_small(leaf, data_root, tmp_path))
    sample = predict_first(runner)
    assert sample.pred_sem_seg.shape == SIZE[::-1]
    assert sample.gt_sem_seg.shape == SIZE[::-1]


def predict_first(runner: Runner) -> Any:
    """Predict the first batch of the test data."""
    runner.model.eval()
    loader = runner.build_dataloader(runner._test_dataloader)
    with torch.no_grad():
        return runner.model.test_step(next(iter(loader)))[0]


@pytest.mark.parametrize('leaf', PIPELINES)
def test_pipeline_names_a_cam_stage_of_the_same_data(leaf):
    cfg = resolve_pipeline(Config.fromfile(CONFIGS / leaf))
    stage = cfg.cam_stage
    assert stage.model.cam_head.num_classes + 1 == cfg.model.decode_head.num_classes
    assert stage.model.backbone.num_classes == stage.model.cam_head.num_classes
    train, test = stage.train_dataloader.dataset, stage.test_dataloader.dataset
    retrain = cfg.train_dataloader.dataset
    assert test.get('ann_file') == train.get('ann_file') == retrain.get('ann_file')
    assert train.type == test.type == retrain.type


@pytest.mark.parametrize('folder', [r'C:\Users\me\photos', r'E:\train', "o'brien's", 'a "b" c'])
def test_the_folder_of_own_data_is_taken_as_it_is_written(folder, monkeypatch):
    monkeypatch.setenv('WEAKTR_DATA', folder)
    cfg = Config.fromfile(Path(__file__).parents[1] / 'configs/_base_/datasets/custom_root.py')
    assert cfg.to_dict() == dict(custom_root=folder)
