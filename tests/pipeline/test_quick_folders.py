"""Quick mode on folders of any kind: each photograph gets a mask of its size and its classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import RUNNERS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
from weaktr_mmseg.utils.masks import read_mask

CONFIGS = Path(__file__).parents[2] / 'configs'
WIDTH = 16
TINY = dict(
    arch=dict(embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=WIDTH),
    init_cfg=None,
)
KINDS = {
    'one photograph': ([(50, 40)], ['cat']),
    'one class, a strip and a banner': ([(50, 50), (9, 400), (1600, 30)], ['cat'] * 3),
    'more classes than photographs': (
        [(64, 48), (300, 200), (50, 60)],
        ['ant;bee;cat;dog;eel;fox', 'gnu;hen;ibis;jay;koi;lynx', 'ant;lynx'],
    ),
    'more photographs than a batch': ([(56, 40), (40, 56)] * 18, ['cat', 'dog', 'cat;dog'] * 12),
}


def make_folder(root, sizes, labels):
    rows = ['image,labels']
    for index, (size, shown) in enumerate(zip(sizes, labels)):
        pixels = np.random.default_rng(index).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        path = root / f'images/{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        rows.append(f'{index}.png,{shown}')
    (root / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')


@pytest.mark.parametrize('kind', KINDS)
def test_each_photograph_gets_a_mask(kind, tmp_path, monkeypatch):
    sizes, labels = KINDS[kind]
    make_folder(tmp_path / 'data', sizes, labels)
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    cfg = resolve_pipeline(Config.fromfile(CONFIGS / 'weaktr_custom_quick.py'))
    for stage in (cfg, cfg.cam_stage):
        stage.model.backbone.update(TINY)
        stage.train_cfg.max_epochs = 1
    cfg.cam_stage.model.cam_head.in_channels = cfg.model.decode_head.in_channels = WIDTH
    cfg.pseudo_labels.workers = 0
    RUNNERS.build(cfg).train()
    work_dir = tmp_path / 'work_dirs/weaktr_custom_quick'
    classes = ['background', *sorted({name for shown in labels for name in shown.split(';')})]
    assert cfg.model.decode_head.num_classes == len(classes)
    for index, (size, shown) in enumerate(zip(sizes, labels)):
        for folder in ('pseudo_labels/masks', 'masks'):
            mask = read_mask(work_dir / folder / f'{index}.png')
            assert mask.shape[::-1] == size
            found = {classes[label] for label in np.unique(mask) if label != 255}
            assert found <= {'background', *shown.split(';')}
