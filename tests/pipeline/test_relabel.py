"""A second round: a first segmentor's masks, given the labels, are what the final one learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import RUNNERS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline import stage_configs
from weaktr_mmseg.pipeline.frozen_recipe import freeze_segmentor
from weaktr_mmseg.pipeline.stage_configs import (
    relabelling_config,
    relabelling_pipeline,
    resolve_pipeline,
    retraining_config,
)
from weaktr_mmseg.utils.configs import find_configs
from weaktr_mmseg.utils.masks import read_mask, write_mask
from weaktr_mmseg.utils.palette import voc_palette

CONFIGS = Path(__file__).parents[2] / 'configs'
WIDTH, IMAGES = 16, 5
TINY = dict(
    arch=dict(embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=WIDTH),
    init_cfg=None,
)


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """The plus recipe on five photographs with masks, its networks tiny."""
    rows = ['image,labels']
    for index in range(IMAGES):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 56, 3), dtype=np.uint8)
        path = tmp_path / f'data/images/{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        rows.append(f'{index}.png,{("cat", "dog")[index % 2]}')
        mask = np.zeros((40, 56), np.uint8)
        mask[:20] = 1 + index % 2
        write_mask(tmp_path / f'data/masks/{index}.png', mask, voc_palette(3))
    (tmp_path / 'data/labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage_configs, 'freeze_segmentor', freeze_tiny)
    cfg = resolve_pipeline(Config.fromfile(CONFIGS / 'weaktr_custom_plus.py'))
    for stage in (cfg, cfg.cam_stage):
        stage.model.backbone.update(TINY)
        stage.train_cfg.max_epochs = 1
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            stage[loader].update(num_workers=0, persistent_workers=False, batch_size=2)
    cfg.cam_stage.model.cam_head.update(in_channels=WIDTH)
    cfg.model.decode_head.in_channels = WIDTH
    cfg.pseudo_labels.workers = 0
    return cfg


def freeze_tiny(cfg):
    freeze_segmentor(cfg)
    cfg.model.backbone.update(TINY)
    cfg.model.decode_head.in_channels = WIDTH
    cfg.train_cfg.max_epochs = 1


def read_labels(folder):
    return {path.name: read_mask(path) for path in Path(folder).glob('*.png')}


def test_the_final_segmentor_learns_masks_that_agree_with_the_labels(cfg, tmp_path):
    trusted = np.full((40, 56), 2, np.uint8)
    write_mask(tmp_path / 'trusted/1.png', trusted, voc_palette(3))
    cfg.pseudo_labels.trusted_masks = str(tmp_path / 'trusted')

    summary = RUNNERS.build(cfg).train()

    work_dir = tmp_path / 'work_dirs/weaktr_custom_plus'
    assert list(summary['stages'])[2:4] == ['relabel', 'retrain']
    assert 0 <= summary['metrics']['relabelled_miou'] <= 100
    first = read_labels(work_dir / 'pseudo_labels/masks')
    second = read_labels(work_dir / 'relabel/masks')
    assert first.keys() == second.keys() and len(second) >= IMAGES - 2  # some are held out
    for name, mask in second.items():
        assert set(np.unique(mask)) <= {0, 1 + int(name[0]) % 2}
    assert (second.get('1.png', trusted) == trusted).all()


def test_an_interrupted_round_goes_on_and_a_changed_one_starts_anew(cfg, tmp_path):
    RUNNERS.build(cfg).train()
    work_dir = tmp_path / 'work_dirs/weaktr_custom_plus'
    masks = work_dir / 'relabel/masks'
    stamps = {path.name: path.stat().st_mtime_ns for path in masks.glob('*.png')}
    lost = min(stamps)
    (masks / lost).unlink()

    cfg.resume = True
    summary = RUNNERS.build(cfg).train()

    again = {path.name: path.stat().st_mtime_ns for path in masks.glob('*.png')}
    assert {name for name in again if again[name] != stamps[name]} == {lost}
    state = json.loads((work_dir / 'state.json').read_text('utf-8'))['stages']
    assert list(state) == list(summary['stages'])


def test_each_segmentor_reads_the_labels_of_the_stage_before(cfg):
    first = relabelling_config(relabelling_pipeline(cfg))
    for stage, folder in ((first, 'pseudo_labels'), (retraining_config(cfg), 'relabel')):
        (reads,) = find_configs(stage.train_dataloader, 'LoadPseudoLabel')
        assert reads['folder'] == f'{cfg.work_dir}/{folder}'
    cfg.pipeline.stages = ['cam', 'pseudo_labels', 'retrain']
    (reads,) = find_configs(retraining_config(cfg).train_dataloader, 'LoadPseudoLabel')
    assert reads['folder'] == f'{cfg.work_dir}/pseudo_labels'


def test_the_first_segmentor_shares_the_data_and_nothing_else(cfg):
    cfg.custom_hooks = [dict(type='EMAHook')]
    first = relabelling_pipeline(cfg)
    assert first.train_dataloader.dataset.data_root == cfg.train_dataloader.dataset.data_root
    assert first.train_cfg.type == 'WeakTrFrozenSegmentorLoop'
    assert 'custom_hooks' not in first and 'val_dataloader' not in first
    assert cfg.custom_hooks and cfg.train_cfg.type == 'WeakTrEpochLoop'
