"""The script from official checkpoints to the published table, on tiny stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import convert_state_dict

ROOT = Path(__file__).parents[2]
ARCH = 'dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=64)'
SMALLER = {  # values in the text of the configs
    '_base_/models/weaktr_cam_deit-s.py': [
        (r"arch='deit-small',.*", f'arch={ARCH},'),
        (r'img_size=224', 'img_size=32'),
        (r'in_channels=384', 'in_channels=32'),
    ],
    '_base_/models/weaktr_segmenter_vit-s.py': [
        (r"arch='deit-small',.*", f'arch={ARCH},'),
        (r'img_size=480', 'img_size=48'),
        (r'(in_channels|channels|embed_dims)=384', r'\1=32'),
        (r'num_heads=6,.*', 'num_heads=1,'),
        (r'crop_size=\(480, 480\)', 'crop_size=(48, 48)'),
        (r'stride=\(320, 320\)', 'stride=(32, 32)'),
    ],
    '_base_/datasets/voc12_retrain.py': [
        (r'short_side = 520', 'short_side = 52'),
        (r'tta_ratios = .*', 'tta_ratios = (0.5, 1.0)'),
    ],
}


def write_voc(root: Path) -> None:
    """Writes two photographs with masks and image-level labels."""
    for name in ('2007_1', '2007_2'):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (40, 56, 3), dtype=np.uint8)
        mask = np.zeros((40, 56), np.uint8)
        mask[:, :20] = 8
        for folder, image, suffix in (
            ('JPEGImages', pixels, 'jpg'),
            ('SegmentationClass', mask, 'png'),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / folder / f'{name}.{suffix}')
        (root / 'Annotations').mkdir(exist_ok=True)
        (root / f'Annotations/{name}.xml').write_text(
            '<annotation><object><name>cat</name></object></annotation>',
            encoding='utf-8',
        )
    lists = root / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    for split in ('train', 'trainaug', 'val'):
        (lists / f'{split}.txt').write_text('2007_1\n2007_2\n', encoding='utf-8')


def write_official(config: Path, path: Path) -> None:
    """Writes a random network by the authors' parameter names."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    state, _ = convert_state_dict(MODELS.build(cfg.model).state_dict())
    torch.save({'model': state}, path)


def test_from_official_checkpoints_to_the_table(tmp_path):
    for folder in ('tools', 'configs'):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name, changes in SMALLER.items():
        path = tmp_path / 'configs' / name
        text = path.read_text(encoding='utf-8')
        for pattern, value in changes:
            text, count = re.subn(pattern, value, text)
            assert count, f'{name} has no {pattern}'
        path.write_text(text, encoding='utf-8')
    write_voc(tmp_path / 'data/VOCdevkit/VOC2012')
    configs = tmp_path / 'configs'
    write_official(configs / 'weaktr_voc_cam.py', tmp_path / 'cam_official.pth')
    write_official(configs / 'weaktr_voc_deit-s.py', tmp_path / 'segmentor_official.pth')

    done = subprocess.run(
        ['tools/score_official.sh', 'cam_official.pth', 'segmentor_official.pth', 'out'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        encoding='utf-8',
    )

    assert done.returncode == 0, done.stderr[-2000:]
    printed = done.stdout.splitlines()[-4:]  # mmseg prints tables of its own before
    table = [re.fullmatch(r'\| (.+?) +\| +([\d.]+) \|', line).groups() for line in printed]
    assert [name for name, _ in table] == [
        'CAM, train, threshold 0.43',
        'CAM + CRF, train',
        'segmentor, published protocol, train',
        'segmentor, published protocol, val',
    ]
    assert all(0 <= float(score) <= 100 for _, score in table)


def test_unknown_encoder_is_named():
    done = subprocess.run(
        [ROOT / 'tools/score_official.sh', 'a', 'b', 'c', 'resnet'],
        capture_output=True,
        encoding='utf-8',
    )
    assert done.returncode == 2
    assert 'expected deit-s, vit-s, dinov2-s or eva02-s, got resnet' in done.stderr
