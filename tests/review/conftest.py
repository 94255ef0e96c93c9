from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from review_classes import CLASSES, PALETTE

from weaktr_mmseg.pseudo_labels.cam_files import write_cams
from weaktr_mmseg.utils.masks import write_mask

CONFIG = """
cam_stage = dict(train_dataloader=dict(dataset=dict(
    type='WeakTrCustomDataset', data_root={root!r},
    metainfo=dict(palette={palette}))))
"""


def make_run(folder: Path, count: int) -> Path:
    """A run with ``count`` photographs; 003 has a dog that no label names, 005 a cat unseen."""
    rng = np.random.default_rng(0)
    data, run = folder / 'data', folder / 'run'
    (data / 'images/sub').mkdir(parents=True)
    rows = ['image,labels']
    for index in range(count):
        name = f'sub/{index:03d}' if index % 2 else f'{index:03d}'
        labels = [index % 3] if index % 4 else [0, 1]
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'images/{name}.jpg')
        rows.append(
            f'{name}.jpg,' + '"' + ';'.join(CLASSES[i].replace('"', '""') for i in labels) + '"'
        )
        scores = np.full(3, 0.01)
        scores[labels] = 0.95
        mask = np.zeros((30, 40), np.uint8)
        cams = np.zeros((len(labels), 30, 40))
        for place, label in enumerate(labels):
            mask[5 + 10 * place : 15 + 10 * place, 5 : 20 + index % 5] = label + 1
            cams[place, 5 + 10 * place : 15 + 10 * place, 5:20] = 1
        if index == 3:
            scores[1] = 0.9
        if index == 6:
            scores[labels], mask[:] = 0.02, 0
        path = run / f'pseudo_labels/cams/{name}.npz'
        write_cams(path, cams, labels, [CLASSES[i] for i in labels], class_scores=scores)
        write_mask(run / f'pseudo_labels/masks/{name}.png', mask, PALETTE)
    (data / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    (data / 'classes.txt').write_text('\n'.join(CLASSES), encoding='utf-8')
    (data / 'splits').mkdir()
    (data / 'splits/train.txt').write_text(
        '\n'.join(row.split(',')[0] for row in rows[1:]), encoding='utf-8'
    )
    (run / 'config.py').write_text(CONFIG.format(root=str(data), palette=PALETTE), encoding='utf-8')
    summary = dict(threshold=dict(value=0.4, chosen_by='label-free'))
    (run / 'pseudo_labels/pseudo_labels.json').write_text(json.dumps(summary), encoding='utf-8')
    return run


@pytest.fixture(scope='session')
def labelled_run(tmp_path_factory) -> Path:
    """A run of 150 photographs, more than a block of pictures or a screen holds."""
    return make_run(tmp_path_factory.mktemp('review'), 150)
