"""Segmentors and test data of the published configs, at the sizes of a golden file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import convert_state_dict
from weaktr_mmseg.models import WeakTrSegmentor

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = {  # by kind of the encoder
    'vit': ('weaktr_voc_deit-s.py', 'weaktr_voc.py'),
    'dinov2': ('weaktr_voc_dinov2-s.py',),
    'eva02': ('weaktr_voc_eva02-s.py',),
}


def published_config(meta: Mapping, folder: Path) -> Config:
    """Reads the config of a published encoder with the sizes of a golden file.

    The values in the text of the configs are replaced, so that what follows from them is computed
    by the configs themselves.

    Args:
        meta: Settings of the golden file.
        folder: Where the changed copy of the configs goes.
    """
    root = folder / 'configs'
    if not root.exists():
        shutil.copytree(CONFIGS, root)
        data = root / '_base_/datasets/voc12_retrain.py'
        text = data.read_text(encoding='utf-8')
        for name, value in dict(short_side=meta['im_size'], tta_ratios=meta['ratios']).items():
            text, replaced = re.subn(rf'(?m)^{name} = .*$', f'{name} = {value}', text)
            assert replaced == 1, f'{data} has no {name}'
        data.write_text(text, encoding='utf-8')
    configs = [Config.fromfile(root / leaf) for leaf in LEAVES[meta['kind']]]
    (cfg,) = [cfg for cfg in configs if cfg.data_preprocessor.mean == meta['mean']]
    assert cfg.data_preprocessor.std == meta['std']
    shrink(cfg, meta)
    cfg.model.test_cfg.update(
        crop_size=(meta['window_size'],) * 2, stride=(meta['window_stride'],) * 2
    )
    return cfg


def shrink(cfg: Config, meta: Mapping) -> None:
    """Gives the segmentor of a config the sizes of a golden file."""
    width = meta['d_model']
    mlp_width = 4 * width if meta['kind'] != 'eva02' else int(4 * width * 2 / 3)
    cfg.model.backbone.update(
        arch=dict(
            embed_dims=width,
            num_layers=meta['n_layers'],
            num_heads=meta['n_heads'],
            feedforward_channels=mlp_width,
        ),
        img_size=meta['img_size'],
        patch_size=meta['patch_size'],
        init_cfg=None,
    )
    cfg.model.decode_head.update(
        in_channels=width,
        channels=width,
        embed_dims=width,
        num_heads=meta['dec_heads'],
        num_layers=meta['dec_layers'],
        num_classes=meta['n_cls'],
        patch_size=meta['patch_size'],
    )


def build_segmentor(golden, cfg: Config | None = None) -> WeakTrSegmentor:
    """Builds a segmentor in float64 with the authors' parameters, through the converter.

    Args:
        golden: Golden file with ``sd/`` and the settings of the network.
        cfg: Config of the segmentor; by default that of the kind of encoder.
    """
    if cfg is None:
        cfg = Config.fromfile(CONFIGS / LEAVES[golden.meta['kind']][0])
        shrink(cfg, golden.meta)
    segmentor = MODELS.build(cfg.model)
    state, _ = convert_state_dict(golden.tensors('sd'))
    segmentor.load_state_dict(state, strict=True)
    return segmentor.double().eval()
